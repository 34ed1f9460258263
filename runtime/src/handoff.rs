//! What the marker and the block pass to each other: the lent value one way, the block's end the other.

use core::cell::Cell;
use core::convert::Infallible;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::exit::{Exit, TakesFrom};
use crate::frame::OneTask;
use crate::layer::{self, Around, Shape, TakesShape, Value};
use crate::outcome::Outcome;
use crate::panics::{self, Parcel, Payload};
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

/// Which of several jumps leaves a block.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first of them.
    This(A),
    /// One of the others.
    Other(B),
}

/// Tells the compiler a type, in code that is not run: there is no such value, so the borrow checker sees no way on from
/// where one is given. (A function that returns `!` would do so, too, but lints are wary of calling one.)
#[derive(Debug)]
pub struct Typed<T> {
    /// It is of the type.
    pub value: T,
    /// There is none.
    pub never: Infallible,
}

impl<T> Typed<T> {
    /// Stands in for such a value.
    #[cold]
    fn none() -> Self {
        unreachable!("only for a type")
    }
}

/// The first local of a manager's body, so that the borrow checker knows how long a marker may live.
#[derive(Debug)]
pub struct Lifespan;

/// A local of `with!` that the lent value borrows, so that the borrow checker knows how long it lives. Its name in the
/// expansion is the one that an error about an escaping value shows.
///
/// There are two of them. The first is for what is behind the lent value; its `T` is a lifetime within the life of all
/// that the body of the manager may hold. The second is for the value itself, and its `T` is the borrow of the first.
/// Dropping a loan is a use of its `T`, after the borrow of the loan. So each of these lives shorter than the next, and
/// the block can't store one where another is looked for when it is gone: in what the manager was given, say, or behind
/// the lent value.
#[derive(Debug)]
pub struct Loan<T>(PhantomData<fn(T) -> T>);

impl Loan<&()> {
    /// For one manager.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'b, 'm> Loan<&'b Loan<&'m ()>> {
    /// The second.
    #[must_use]
    #[inline]
    pub const fn inside(_first: &'b Loan<&'m ()>) -> Self {
        Self(PhantomData)
    }
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {}
}

/// A [`Handoff`] that is yet to be made, when there are the [`Loan`]s: the lifetimes are those there.
///
/// The loans come after the manager, as they must be dropped before the temporaries that a manager borrows.
#[derive(Debug)]
pub struct Opened<'a, 'b, 'm, H>(PhantomData<Lives<'a, 'b, 'm, H>>);

type Lives<'a, 'b, 'm, H> = fn(&'a (), &'b (), &'m ()) -> (&'a (), &'b (), &'m (), H);

impl<'a, 'b, 'm, X, V, Both, Rest, T, Jump, Return> Opened<'a, 'b, 'm, Handoff<X, V, Both, Rest, T, Jump, Return>>
where
    X: Exit,
    Both: Shape,
    Rest: Shape,
{
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }

    /// The handoff, for a value that is lent for as long as the second loan is borrowed.
    #[inline]
    pub const fn until(&self, _second: &'a Loan<&'b Loan<&'m ()>>) -> Handoff<X, V, Both, Rest, T, Jump, Return> {
        Handoff { content: OneTask::new(Cell::new(ManuallyDrop::new(Content::Nothing))), shape: PhantomData }
    }
}

/// The place where one `with!` hands the lent value to the block, and the end of the block back.
///
/// `V` is what is lent, for as long as the `with!`: the driver holds on to it until the exit phase is over, so whatever
/// the block stores in the value lives as long. `X` is the exit of the manager, `Rest` the shape of the managers after
/// it in the header, and `Both` of it and them.
pub struct Handoff<X: Exit, V, Both, Rest: Shape, T, Jump, Return> {
    /// The driver takes what is in it, so that a `with!` has nothing to look at here when it is dropped.
    content: OneTask<Cell<ManuallyDrop<ContentOf<X, V, Rest, T, Jump, Return>>>>,
    shape: PhantomData<fn() -> Both>,
}

type ContentOf<X, V, Rest, T, Jump, Return> = Content<<X as Exit>::Caught, V, Value<Rest, T>, Jump, Return>;

enum Content<C, V, W, Jump, Return> {
    Nothing,
    Lent(V),
    /// The block has ended so: the same as an [`End`], which would take more room in here.
    Value(W),
    Jump(Jump),
    Return(Return),
    /// The block's value stands for a failure, and the error passes the manager by.
    FailedValue(W),
    /// The block has failed, and the manager has the error.
    Caught(C),
    Panicked(Parcel),
}

#[cold]
fn not_lent<C>(_content: C) -> ! {
    unreachable!("a block is polled when a value has been lent to it")
}

impl<X, V, Both, Rest, T, Jump, Return> Handoff<X, V, Both, Rest, T, Jump, Return>
where
    X: Exit,
    Both: Shape,
    Rest: Shape,
{
    /// Says that this `with!` is in the block of another one of the same header.
    #[must_use]
    #[inline]
    pub fn inside<Y: Exit, W, Outer>(self, _outer: &Handoff<Y, W, Outer, Both, T, Jump, Return>) -> Self {
        self
    }

    /// The type of the `with!`.
    pub fn typed(&self) -> Typed<Value<Both, T>> {
        Typed::none()
    }

    /// The type of a block that may jump out.
    #[inline]
    pub fn jumping_block(&self) -> BlockType<ControlFlow<Jump, Value<Rest, T>>, Value<Rest, T>> {
        BlockType(PhantomData)
    }

    /// The type of what a `return` in the block gives.
    pub fn returned(&self) -> Typed<Return> {
        Typed::none()
    }

    /// Takes the lent value: the first thing that a block does.
    ///
    /// # Panics
    ///
    /// When nothing is lent. The marker lends before it polls the block.
    #[inline]
    pub fn value(&self) -> V {
        match self.take() {
            Content::Lent(value) => value,
            other => not_lent(other),
        }
    }

    /// Ends a block that may jump out, with its value or a jump: the last thing that it does. For `literal` see
    /// [`Verdict`].
    #[inline]
    pub fn end_or_jump<Literal>(&self, end: Ended<ControlFlow<Jump, Value<Rest, T>>>, _literal: Literal) -> Forever
    where
        T: Verdict<Literal>,
        X: TakesFrom<T, Literal> + TakesShape<Rest>,
    {
        match end.0 {
            ControlFlow::Continue(value) => self.set_value(value),
            ControlFlow::Break(jump) => self.set(Content::Jump(jump)),
        }
        Forever
    }

    #[inline]
    fn set_value<Literal>(&self, value: Value<Rest, T>)
    where
        T: Verdict<Literal>,
        X: TakesFrom<T, Literal> + TakesShape<Rest>,
    {
        self.set(if X::CATCHES {
            layer::split::<X, Rest, T, _>(value).map_or_else(Content::Caught, Content::Value)
        } else {
            let failed = layer::failed::<Rest, T, _>(&value);
            if failed { Content::FailedValue(value) } else { Content::Value(value) }
        });
    }

    /// Ends the block by a `return`.
    #[inline]
    pub(crate) fn set_return<Literal>(&self, value: Return)
    where
        Return: Verdict<Literal>,
        X: TakesFrom<Return, Literal>,
    {
        self.set(if X::CATCHES {
            value.without_error().map_or_else(|error| Content::Caught(X::take(error)), Content::Return)
        } else {
            Content::Return(value)
        });
    }

    /// Whether the block has ended.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        !self.content.ask(|content| matches!(**content, Content::Nothing | Content::Lent(_)))
    }

    /// How the block ended, when it is over.
    #[inline]
    pub(crate) fn outcome<Literal>(&self) -> Outcome
    where
        Return: Verdict<Literal>,
    {
        self.content.ask(|content| match &**content {
            Content::Value(_) | Content::Jump(_) => Outcome::Completed,
            Content::Return(value) if !value.failed() => Outcome::Completed,
            Content::Panicked(_) => Outcome::Panicked,
            _ => Outcome::Failed(()),
        })
    }

    /// The error, if the manager is to have it.
    pub(crate) fn take_error(&self) -> Option<X::Caught> {
        match self.take() {
            Content::Caught(error) => Some(error),
            other => {
                self.set(other);
                None
            }
        }
    }

    /// What the `with!` comes to, when its manager lets what the block left behind pass: nothing if it was dropped before
    /// its end, or if the manager has caught its error. A panic goes on.
    #[inline]
    pub(crate) fn take_end<S: Around<Rest>>(&self) -> Option<End<Value<S::Both, T>, Jump, Return>> {
        match self.take() {
            Content::Value(value) | Content::FailedValue(value) => Some(End::Value(S::value(value))),
            Content::Jump(jump) => Some(End::Jump(jump)),
            Content::Return(value) => Some(End::Return(value)),
            Content::Panicked(parcel) => parcel.resume(),
            other => {
                drop(other);
                None
            }
        }
    }

    /// The `with!` ends in an error of the manager: what the block left behind is dropped. Only a panic goes on, when
    /// `lost` has been called.
    #[inline]
    pub(crate) fn give_way(&self, lost: impl FnOnce()) {
        if let Content::Panicked(parcel) = self.take() {
            lost();
            parcel.resume();
        }
    }

    /// Drops what nobody came for.
    pub(crate) fn clear(&self) {
        drop(self.take());
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn set_panic(&self, payload: Payload) {
        let before = self.take();
        self.set(Content::Panicked(Parcel::new(payload)));
        panics::contain(|| drop(before));
    }

    #[inline]
    pub(crate) fn lend(&self, value: V) {
        self.set(Content::Lent(value));
    }

    #[inline]
    fn take(&self) -> ContentOf<X, V, Rest, T, Jump, Return> {
        ManuallyDrop::into_inner(self.content.get().replace(ManuallyDrop::new(Content::Nothing)))
    }

    /// Puts something where nothing is: nothing has been lent yet, or the block has taken it.
    #[inline]
    fn set(&self, content: ContentOf<X, V, Rest, T, Jump, Return>) {
        self.content.get().set(ManuallyDrop::new(content));
    }
}

impl<X, V, Both, Rest, T, Return> Handoff<X, V, Both, Rest, T, Infallible, Return>
where
    X: Exit,
    Both: Shape,
    Rest: Shape,
{
    /// The type of a block that does not jump out.
    #[inline]
    pub fn block(&self) -> BlockType<Value<Rest, T>, Value<Rest, T>> {
        BlockType(PhantomData)
    }

    /// Ends a block that does not jump, with its value: the last thing that it does. For `literal` see [`Verdict`].
    #[inline]
    pub fn end<Literal>(&self, Ended(value): Ended<Value<Rest, T>>, literal: Literal) -> Forever
    where
        T: Verdict<Literal>,
        X: TakesFrom<T, Literal> + TakesShape<Rest>,
    {
        self.end_or_jump(Ended(ControlFlow::Continue(value)), literal)
    }
}

/// The type of a block's end (`End`) and of its value, apart from the handoff: it takes no room in the block.
#[derive(Debug)]
pub struct BlockType<End, Value>(PhantomData<fn() -> (End, Value)>);

impl<End, Value> Clone for BlockType<End, Value> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<End, Value> Copy for BlockType<End, Value> {}

/// The end of a block, on its way into the handoff. (Not just `End`, which may be `!`, and lints are wary of such
/// calls.)
#[derive(Debug)]
pub struct Ended<End>(End);

#[expect(clippy::unused_self, reason = "it is there for its type")]
impl<End, Value> BlockType<End, Value> {
    /// The end, which is expected to be of this type.
    #[inline]
    pub fn end(self, end: End) -> Ended<End> {
        Ended(end)
    }

    /// The type of the value.
    pub fn typed(self) -> Typed<Value> {
        Typed::none()
    }
}

/// A future that never ends: a block waits in it, after its end, to be dropped.
#[derive(Debug)]
pub struct Forever;

impl Future for Forever {
    type Output = Infallible;

    #[inline]
    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Infallible> {
        Poll::Pending
    }
}
