//! What the marker and the block pass to each other: the lent value one way, the block's end the other.

use core::any::type_name;
use core::cell::Cell;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::exit::{Exit, Takes, TakesFrom};
use crate::frame::{Header, OneTask};
use crate::layer::{self, Around as Layered, TakesShape, Value};
use crate::outcome::Outcome;
use crate::panics::{self, Parcel, Payload};
use crate::rescue::Show;
use crate::scope_types::Scope;
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
    pub(crate) fn none() -> Self {
        unreachable!("only for a type")
    }
}

/// Tells the compiler a type that is written out.
#[must_use]
pub fn expected<T>() -> Typed<T> {
    Typed::none()
}

/// The first local of a manager's body, so that the borrow checker knows how long a marker may live.
#[derive(Debug)]
pub struct Lifespan(());

impl Lifespan {
    /// Makes one. It is not a constant, which would live for ever.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self(())
    }
}

/// A local of `with!` that stands before the loans: the values of the block, of the types in `T`, must not borrow what was
/// lent, even where nobody uses them. They are still in the handoff when the manager has ended.
#[derive(Debug)]
pub struct Kept<T>(PhantomData<fn(T) -> T>);

impl<T> Kept<T> {
    /// Makes one, for one manager.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Drop for Kept<T> {
    #[inline]
    fn drop(&mut self) {}
}

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

impl<'a, 'b, 'm, S: Scope> Opened<'a, 'b, 'm, Handoff<S>> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }

    /// Returns the handoff, for a value that is lent for as long as the second loan is borrowed.
    #[inline]
    pub fn until(self, _second: &'a Loan<&'b Loan<&'m ()>>, _kept: &Kept<(S::Value, S::Jump)>) -> Handoff<S> {
        Handoff {
            header: OneTask::new(Header::new()),
            content: OneTask::new(Cell::new(ManuallyDrop::new(Content::Nothing))),
        }
    }
}

/// The place where one `with!` hands the lent value to the block, and the end of the block back.
///
/// What is lent is lent for as long as the `with!`: the driver holds on to it until the exit phase is over, so whatever
/// the block stores in the value lives as long.
pub struct Handoff<S: Scope> {
    header: OneTask<Header>,
    /// The driver takes what is in it, so that a `with!` has nothing to look at here when it is dropped.
    content: OneTask<Cell<ManuallyDrop<ContentOf<S>>>>,
}

type ContentOf<S> = Content<
    <<S as Scope>::Exit as Exit>::Caught,
    <S as Scope>::Lent,
    Value<<S as Scope>::Rest, <S as Scope>::Value>,
    <S as Scope>::Jump,
    <S as Scope>::Return,
>;

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

/// Shows the error of a block. Of one that is the block's value, or that the manager was to have, nothing is known but the
/// name of a type.
#[cold]
fn show<S: Scope<Return: Verdict<Literal>>, Literal>(
    content: &ContentOf<S>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match content {
        Content::Return(value) => value.show(f),
        Content::Caught(_) => f.write_str(type_name::<CaughtBy<S>>()),
        _ => f.write_str(type_name::<InnerOf<S>>()),
    }
}

#[cold]
fn not_lent<C>(_content: C) -> ! {
    unreachable!("a block is polled when a value has been lent to it")
}

impl<S: Scope> Handoff<S> {
    /// Returns the future of the block as it is, and tells the compiler what that ends in.
    #[inline]
    pub fn future<B: Future<Output = S::Return>>(&self, block: B) -> B {
        block
    }

    /// Tells the compiler that this `with!` is in the block of another one of the same header.
    #[inline]
    pub const fn inside<O>(&self, _outer: &Handoff<O>)
    where
        O: Scope<Rest = S::Both, Value = S::Value, Jump = S::Jump, Return = S::Return>,
    {
    }

    /// Tells the compiler the type of the `with!`.
    pub fn typed(&self) -> Typed<Value<S::Both, S::Value>> {
        Typed::none()
    }

    /// Tells the compiler the type of a block that may jump out.
    #[inline]
    pub fn jumping_block(&self) -> BlockType<ControlFlow<S::Jump, InnerOf<S>>, InnerOf<S>> {
        BlockType(PhantomData)
    }

    /// Tells the compiler the type of what a `return` in the block returns.
    pub fn returned(&self) -> Typed<S::Return> {
        Typed::none()
    }

    /// Takes the lent value: the first thing that a block does.
    ///
    /// # Panics
    ///
    /// If nothing is lent. The marker lends before it polls the block.
    #[inline]
    pub fn value(&self) -> S::Lent {
        match self.take() {
            Content::Lent(value) => value,
            other => not_lent(other),
        }
    }

    /// Ends a block that may jump out, with its value or a jump: the last thing that it does. For `literal` see
    /// [`Verdict`].
    #[inline]
    pub fn end_or_jump<Literal>(&self, end: Ended<ControlFlow<S::Jump, InnerOf<S>>>, _literal: Literal) -> Forever
    where
        S: Scope<Value: Verdict<Literal>, Exit: TakesFrom<S::Value, Literal> + TakesShape<S::Rest>>,
    {
        match end.0 {
            ControlFlow::Continue(value) => self.set_value(value),
            ControlFlow::Break(jump) => self.set(Content::Jump(jump)),
        }
        Forever
    }

    #[inline]
    fn set_value<Literal>(&self, value: InnerOf<S>)
    where
        S: Scope<Value: Verdict<Literal>, Exit: TakesFrom<S::Value, Literal> + TakesShape<S::Rest>>,
    {
        self.set(if <S::Exit as Exit>::CATCHES {
            layer::split::<S::Exit, S::Rest, S::Value, _>(value).map_or_else(Content::Caught, Content::Value)
        } else {
            let failed = layer::failed::<S::Rest, S::Value, _>(&value);
            if failed { Content::FailedValue(value) } else { Content::Value(value) }
        });
    }

    /// Ends the block by a `return`.
    #[inline]
    pub(crate) fn set_return<Literal>(&self, value: S::Return)
    where
        S: Scope<Return: Verdict<Literal>, Exit: TakesFrom<S::Return, Literal>>,
    {
        self.set(if <S::Exit as Exit>::CATCHES {
            value
                .without_error()
                .map_or_else(|error| Content::Caught(<S::Exit as Takes<_, _>>::take(error)), Content::Return)
        } else {
            Content::Return(value)
        });
    }

    #[inline]
    pub(crate) const fn header(&self) -> &Header {
        self.header.get()
    }

    /// Returns whether the block has ended.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        !self.content.ask(|content| matches!(**content, Content::Nothing | Content::Lent(_)))
    }

    /// Returns how the block ended, if it is over.
    #[inline]
    pub(crate) fn outcome<Literal>(&self) -> Outcome
    where
        S::Return: Verdict<Literal>,
    {
        self.content.ask(|content| match &**content {
            Content::Value(_) | Content::Jump(_) => Outcome::Completed,
            Content::Return(value) if !value.failed() => Outcome::Completed,
            Content::Panicked(_) => Outcome::Panicked,
            Content::Nothing | Content::Lent(_) => Outcome::Cancelled,
            Content::Return(_) | Content::FailedValue(_) | Content::Caught(_) => Outcome::Failed(()),
        })
    }

    /// Returns the error, if the manager is to have it.
    pub(crate) fn take_error(&self) -> Option<CaughtBy<S>> {
        match self.take() {
            Content::Caught(error) => Some(error),
            other => {
                self.set(other);
                None
            }
        }
    }

    /// Returns what the `with!` comes to if its manager lets pass what the block left behind. `None` if the block was
    /// dropped before its end, or if the manager has caught its error. A panic goes on.
    #[inline]
    pub(crate) fn take_end<L: Layered<S::Rest>>(&self) -> Option<End<Value<L::Both, S::Value>, S::Jump, S::Return>> {
        match self.take() {
            Content::Value(value) | Content::FailedValue(value) => Some(End::Value(L::value(value))),
            Content::Jump(jump) => Some(End::Jump(jump)),
            Content::Return(value) => Some(End::Return(value)),
            Content::Panicked(parcel) => parcel.resume(),
            other => {
                drop(other);
                None
            }
        }
    }

    /// Drops what the block left behind, as the `with!` ends in an error of the manager. A panic of that goes no further.
    /// If the block has failed, `tell` gets what shows its error before.
    ///
    /// # Errors
    ///
    /// The panic of the block, if it has left one behind.
    pub(crate) fn discard<Literal>(&self, tell: &dyn Fn(Show<'_>)) -> Result<(), Parcel>
    where
        S::Return: Verdict<Literal>,
    {
        let tell = (self.outcome() == Outcome::Failed(())).then_some(tell);
        self.clear(tell).map_or(Ok(()), Err)
    }

    /// Drops what nobody receives, whose panic goes no further. If there is a `tell`, that gets before what shows it.
    /// Returns the panic of the block, if it has left one behind.
    pub(crate) fn clear<Literal>(&self, tell: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>
    where
        S::Return: Verdict<Literal>,
    {
        match self.take() {
            Content::Panicked(parcel) => Some(parcel),
            Content::Nothing => None,
            content => {
                if let Some(tell) = tell {
                    tell(&|f| show::<S, Literal>(&content, f));
                }
                panics::contain(|| drop(content));
                None
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn set_panic(&self, payload: Payload) {
        let before = self.take();
        self.set(Content::Panicked(Parcel::new(payload)));
        panics::contain(|| drop(before));
    }

    #[inline]
    pub(crate) fn lend(&self, value: S::Lent) {
        self.set(Content::Lent(value));
    }

    #[inline]
    fn take(&self) -> ContentOf<S> {
        ManuallyDrop::into_inner(self.content.get().replace(ManuallyDrop::new(Content::Nothing)))
    }

    /// Puts something where nothing is: nothing has been lent yet, or the block has taken it.
    #[inline]
    fn set(&self, content: ContentOf<S>) {
        self.content.get().set(ManuallyDrop::new(content));
    }
}

impl<S: Scope<Jump = Infallible>> Handoff<S> {
    /// Tells the compiler the type of a block that does not jump out.
    #[inline]
    pub fn block(&self) -> BlockType<InnerOf<S>, InnerOf<S>> {
        BlockType(PhantomData)
    }

    /// Ends a block that does not jump, with its value: the last thing that it does. For `literal` see [`Verdict`].
    #[inline]
    pub fn end<Literal>(&self, Ended(value): Ended<InnerOf<S>>, literal: Literal) -> Forever
    where
        S: Scope<Value: Verdict<Literal>, Exit: TakesFrom<S::Value, Literal> + TakesShape<S::Rest>>,
    {
        self.end_or_jump(Ended(ControlFlow::Continue(value)), literal)
    }
}

/// What a block comes to, with the managers after this one in the header in it.
type InnerOf<S> = Value<<S as Scope>::Rest, <S as Scope>::Value>;

/// What the manager learns of a failed block.
type CaughtBy<S> = <<S as Scope>::Exit as Exit>::Caught;

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

impl<End, Value> BlockType<End, Value> {
    /// The end, which is expected to be of this type.
    #[inline]
    pub fn end(self, end: End) -> Ended<End> {
        Ended(end)
    }

    /// The type of the value.
    #[must_use]
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
