//! What the marker and the block pass to each other: the lent value one way, the block's end the other.

use core::cell::Cell;
use core::convert::Infallible;
use core::future::Future;
use core::marker::PhantomData;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::exit::Exit;
use crate::frame::OneTask;
use crate::lend::Lent;
use crate::outcome::Outcome;
use crate::panics::Payload;
use crate::verdict::Verdict;

/// How a block ended. `with!` matches on it and goes on in the user's function.
#[derive(Debug)]
pub enum End<W, Jump, Return> {
    /// It has a value.
    Value(W),
    /// It was left by one of its `break`s and `continue`s.
    Jump(Jump),
    /// The function around it is being left by `return` or `?`.
    Return(Return),
}

/// The end of a block, or its panic.
pub(crate) type Caught<W, Jump, Return> = Result<End<W, Jump, Return>, Payload>;

/// Which of several jumps leaves a block.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first of them.
    This(A),
    /// One of the others.
    Other(B),
}

/// A local of `with!` that the lent value borrows, so that the borrow checker knows how long it lives: `'a` in
/// [`Handoff`]. Its name in the expansion is the one that an error about an escaping value shows.
#[derive(Debug)]
pub struct Lifespan;

/// The place where one `with!` hands the lent value to the block, and the end of the block back.
///
/// `'a` is for how long the value is lent. The driver holds on to it until the exit phase is over, so whatever the
/// block stores in the value lives as long. `L` is what is lent, `Rest` the exit of the managers after it in the
/// header, and `Both` of it and them.
pub struct Handoff<'a, L: Lent, Both, Rest: Exit, T, Jump, Return> {
    content: OneTask<Shared<L::Value<'a>, Rest::Value<T>, Jump, Return>>,
    exit: PhantomData<fn() -> Both>,
}

type Shared<V, W, Jump, Return> = Cell<Content<V, W, Jump, Return>>;

enum Content<V, W, Jump, Return> {
    Nothing,
    Lent(V),
    Ended(End<W, Jump, Return>, Outcome),
    Panicked(Payload),
}

impl<'a, L, Both, Rest, T, Jump, Return> Handoff<'a, L, Both, Rest, T, Jump, Return>
where
    L: Lent,
    Both: Exit,
    Rest: Exit,
{
    pub(crate) fn new(_lifespan: &'a Lifespan) -> Self {
        Self { content: OneTask::new(Cell::new(Content::Nothing)), exit: PhantomData }
    }

    /// Says that this `with!` is in the block of another one of the same header.
    #[must_use]
    pub fn inside<M: Lent, Outer>(self, _outer: &Handoff<'_, M, Outer, Both, T, Jump, Return>) -> Self {
        self
    }

    /// Stands before expressions that only tell the compiler a type.
    ///
    /// # Panics
    ///
    /// Always.
    #[cold]
    pub fn not_run(&self) -> ! {
        unreachable!("only for a type")
    }

    /// The type of the `with!`.
    pub fn typed(&self) -> Both::Value<T> {
        self.not_run()
    }

    /// The type of a block that may jump out.
    pub fn jumping_block(&self) -> BlockType<ControlFlow<Jump, Rest::Value<T>>, Rest::Value<T>> {
        BlockType(PhantomData)
    }

    /// The type of what a `return` in the block gives.
    pub fn returned(&self) -> Return {
        self.not_run()
    }

    /// Takes the lent value: the first thing that a block does.
    ///
    /// # Panics
    ///
    /// When nothing is lent. The marker lends before it polls the block.
    pub fn value(&self) -> L::Value<'a> {
        match self.content.get().replace(Content::Nothing) {
            Content::Lent(value) => value,
            _ => unreachable!("a block is polled when a value has been lent to it"),
        }
    }

    /// Ends a block that may jump out, with its value or a jump: the last thing that it does. For `literal` see
    /// [`Verdict`].
    pub fn end_or_jump<Literal>(&self, end: Ended<ControlFlow<Jump, Rest::Value<T>>>, _literal: Literal) -> Forever
    where
        T: Verdict<Literal>,
    {
        match end.0 {
            ControlFlow::Continue(value) => {
                let failed = Rest::block_value(&value).is_none_or(T::failed);
                self.set_end(End::Value(value), failed);
            }
            ControlFlow::Break(jump) => self.set_end(End::Jump(jump), false),
        }
        Forever
    }

    pub(crate) fn set_end(&self, end: End<Rest::Value<T>, Jump, Return>, failed: bool) {
        let outcome = if failed { Outcome::Failed(()) } else { Outcome::Completed };
        self.content.get().set(Content::Ended(end, outcome));
    }

    pub(crate) fn set_panic(&self, payload: Payload) {
        self.content.get().set(Content::Panicked(payload));
    }

    pub(crate) fn lend(&self, value: L::Value<'a>) {
        self.content.get().set(Content::Lent(value));
    }

    /// How the block ended, if it has.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let content = self.content.get().replace(Content::Nothing);
        let outcome = match &content {
            Content::Ended(_, outcome) => Some(*outcome),
            Content::Panicked(_) => Some(Outcome::Panicked),
            Content::Nothing | Content::Lent(_) => None,
        };
        self.content.get().set(content);
        outcome
    }

    /// What the block left behind: nothing if it was dropped before its end.
    pub(crate) fn take_end(&self) -> Option<Caught<Rest::Value<T>, Jump, Return>> {
        match self.content.get().replace(Content::Nothing) {
            Content::Ended(end, _) => Some(Ok(end)),
            Content::Panicked(payload) => Some(Err(payload)),
            Content::Nothing | Content::Lent(_) => None,
        }
    }
}

impl<L, Both, Rest, T, Return> Handoff<'_, L, Both, Rest, T, Infallible, Return>
where
    L: Lent,
    Both: Exit,
    Rest: Exit,
{
    /// The type of a block that does not jump out.
    pub fn block(&self) -> BlockType<Rest::Value<T>, Rest::Value<T>> {
        BlockType(PhantomData)
    }

    /// Ends a block that does not jump, with its value: the last thing that it does. For `literal` see [`Verdict`].
    pub fn end<Literal>(&self, Ended(value): Ended<Rest::Value<T>>, literal: Literal) -> Forever
    where
        T: Verdict<Literal>,
    {
        self.end_or_jump(Ended(ControlFlow::Continue(value)), literal)
    }
}

/// The type of a block's end (`End`) and of its value, apart from the handoff, which would take room in the block.
#[derive(Debug)]
pub struct BlockType<End, Value>(PhantomData<fn() -> (End, Value)>);

/// The end of a block, on its way into the handoff. (Not just `End`, which may be `!`, and lints are wary of such
/// calls.)
#[derive(Debug)]
pub struct Ended<End>(End);

#[expect(clippy::unused_self, reason = "it is there for its type")]
impl<End, Value> BlockType<End, Value> {
    /// The end, which is expected to be of this type.
    pub fn end(&self, end: End) -> Ended<End> {
        Ended(end)
    }

    /// The type of the value.
    ///
    /// # Panics
    ///
    /// Always.
    #[cold]
    pub fn typed(&self) -> Value {
        unreachable!("only for a type")
    }
}

/// A future that never ends: a block waits in it, after its end, to be dropped.
#[derive(Debug)]
pub struct Forever;

impl Future for Forever {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Infallible> {
        Poll::Pending
    }
}
