//! What the marker and the block pass to each other: the lent value one way, the block's end the other.

use core::any::type_name;
use core::cell::Cell;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Pending, pending};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::ControlFlow;

use crate::classify::Classify;
use crate::exit::{Catches, CatchesFrom, Exit};
use crate::outcome::Outcome;
use crate::panics::{self, Parcel, Payload};
use crate::raw::{Header, TaskLocalCell};
use crate::rescue::Show;
use crate::scope_types::Scope;
use crate::value::{self, CatchesShape, JoinSame, Value};

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
pub struct TypeHint<T> {
    /// It is of the type.
    pub value: T,
    /// There is none.
    pub never: Infallible,
}

impl<T> TypeHint<T> {
    /// Stands in for such a value.
    #[cold]
    pub(crate) fn none() -> Self {
        unreachable!("only for a type")
    }
}

/// Tells the compiler a type that is written out.
#[must_use]
pub fn expected<T>() -> TypeHint<T> {
    TypeHint::none()
}

/// The first local of a manager's body, so that the borrow checker knows how long a marker may live.
#[derive(Debug)]
pub struct BodyToken(());

impl BodyToken {
    /// Makes one. It is not a constant, which would live for ever.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self(())
    }
}

/// A local of `with!` that stands before the loans: the values of the block, of the types in `T`, must not borrow what was
/// lent, even where nobody uses them. They are still in the frame when the manager has ended.
#[derive(Debug)]
pub struct ValueToken<T>(PhantomData<fn(T) -> T>);

impl<T> ValueToken<T> {
    /// Makes one, for one manager.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Drop for ValueToken<T> {
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
pub struct BorrowToken<T>(PhantomData<fn(T) -> T>);

impl BorrowToken<&()> {
    /// For one manager.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'b, 'm> BorrowToken<&'b BorrowToken<&'m ()>> {
    /// The second.
    #[must_use]
    #[inline]
    pub const fn inside(_first: &'b BorrowToken<&'m ()>) -> Self {
        Self(PhantomData)
    }
}

impl<T> Drop for BorrowToken<T> {
    fn drop(&mut self) {}
}

/// A [`Frame`] that is yet to be made, when there are the [`BorrowToken`]s: the lifetimes are those there.
///
/// The loans come after the manager, as they must be dropped before the temporaries that a manager borrows.
#[derive(Debug)]
pub struct Unbound<'a, 'b, 'm, H>(PhantomData<Lives<'a, 'b, 'm, H>>);

type Lives<'a, 'b, 'm, H> = fn(&'a (), &'b (), &'m ()) -> (&'a (), &'b (), &'m (), H);

impl<'a, 'b, 'm, S: Scope> Unbound<'a, 'b, 'm, Frame<S>> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }

    /// Returns the frame, for a value that is lent for as long as the second loan is borrowed.
    #[inline]
    pub fn until(
        self,
        _second: &'a BorrowToken<&'b BorrowToken<&'m ()>>,
        _kept: &ValueToken<(S::Value, S::Jump)>,
    ) -> Frame<S> {
        Frame {
            header: TaskLocalCell::new(Header::new()),
            slot: TaskLocalCell::new(Cell::new(ManuallyDrop::new(Slot::Nothing))),
        }
    }
}

/// The place where one `with!` hands the lent value to the block, and the end of the block back.
///
/// What is lent is lent for as long as the `with!`: the driver holds on to it until the exit phase is over, so whatever
/// the block stores in the value lives as long.
pub struct Frame<S: Scope> {
    header: TaskLocalCell<Header>,
    /// The driver takes what is in it, so that a `with!` has nothing to look at here when it is dropped.
    slot: TaskLocalCell<Cell<ManuallyDrop<SlotOf<S>>>>,
}

type SlotOf<S> = Slot<
    <<S as Scope>::Exit as Exit>::Caught,
    <S as Scope>::Lent,
    Value<<S as Scope>::Rest, <S as Scope>::Value>,
    <S as Scope>::Jump,
    <S as Scope>::Return,
>;

enum Slot<C, V, W, Jump, Return> {
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
fn show<S: Scope<Return: Classify<Literal>>, Literal>(slot: &SlotOf<S>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match slot {
        Slot::Return(value) => value.show(f),
        Slot::Caught(_) => f.write_str(type_name::<CaughtBy<S>>()),
        _ => f.write_str(type_name::<InnerOf<S>>()),
    }
}

#[cold]
fn not_lent<C>(_content: C) -> ! {
    unreachable!("a block is polled when a value has been lent to it")
}

impl<S: Scope> Frame<S> {
    /// Returns the future of the block as it is, and tells the compiler what that ends in.
    #[inline]
    pub fn future<B: Future<Output = S::Return>>(&self, block: B) -> B {
        block
    }

    /// Tells the compiler that this `with!` is in the block of another one of the same header.
    #[inline]
    pub const fn inside<O>(&self, _outer: &Frame<O>)
    where
        O: Scope<Rest = S::Both, Value = S::Value, Jump = S::Jump, Return = S::Return>,
    {
    }

    /// Tells the compiler the type of the `with!`.
    pub fn typed(&self) -> TypeHint<Value<S::Both, S::Value>> {
        TypeHint::none()
    }

    /// Tells the compiler the type of a block that may jump out.
    #[inline]
    pub fn jumping_block(&self) -> BlockTypes<ControlFlow<S::Jump, InnerOf<S>>, InnerOf<S>> {
        BlockTypes(PhantomData)
    }

    /// Tells the compiler the type of what a `return` in the block returns.
    pub fn returned(&self) -> TypeHint<S::Return> {
        TypeHint::none()
    }

    /// Catches the lent value: the first thing that a block does.
    ///
    /// # Panics
    ///
    /// If nothing is lent. The marker lends before it polls the block.
    #[inline]
    pub fn value(&self) -> S::Lent {
        match self.take() {
            Slot::Lent(value) => value,
            other => not_lent(other),
        }
    }

    /// Ends a block that may jump out, with its value or a jump: the last thing that it does. For `literal` see
    /// [`Classify`].
    #[inline]
    pub fn end_or_jump<Literal>(
        &self,
        end: BlockEnd<ControlFlow<S::Jump, InnerOf<S>>>,
        _literal: Literal,
    ) -> Pending<Infallible>
    where
        S: Scope<Value: Classify<Literal>, Exit: CatchesFrom<S::Value, Literal> + CatchesShape<S::Rest>>,
    {
        match end.0 {
            ControlFlow::Continue(value) => self.set_value(value),
            ControlFlow::Break(jump) => self.set(Slot::Jump(jump)),
        }
        pending()
    }

    #[inline]
    fn set_value<Literal>(&self, value: InnerOf<S>)
    where
        S: Scope<Value: Classify<Literal>, Exit: CatchesFrom<S::Value, Literal> + CatchesShape<S::Rest>>,
    {
        self.set(if <S::Exit as Exit>::CATCHES {
            value::split::<S::Exit, S::Rest, S::Value, _>(value).map_or_else(Slot::Caught, Slot::Value)
        } else {
            let failed = value::failed::<S::Rest, S::Value, _>(&value);
            if failed { Slot::FailedValue(value) } else { Slot::Value(value) }
        });
    }

    /// Ends the block by a `return`.
    #[inline]
    pub(crate) fn set_return<Literal>(&self, value: S::Return)
    where
        S: Scope<Return: Classify<Literal>, Exit: CatchesFrom<S::Return, Literal>>,
    {
        self.set(if <S::Exit as Exit>::CATCHES {
            value
                .without_error()
                .map_or_else(|error| Slot::Caught(<S::Exit as Catches<_, _>>::take(error)), Slot::Return)
        } else {
            Slot::Return(value)
        });
    }

    #[inline]
    pub(crate) const fn header(&self) -> &Header {
        self.header.get()
    }

    /// Returns whether the block has ended.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        !self.slot.peek(|slot| matches!(**slot, Slot::Nothing | Slot::Lent(_)))
    }

    /// Returns how the block ended, if it is over.
    #[inline]
    pub(crate) fn outcome<Literal>(&self) -> Outcome
    where
        S::Return: Classify<Literal>,
    {
        self.slot.peek(|slot| match &**slot {
            Slot::Value(_) | Slot::Jump(_) => Outcome::Completed,
            Slot::Return(value) if !value.failed() => Outcome::Completed,
            Slot::Panicked(_) => Outcome::Panicked,
            Slot::Nothing | Slot::Lent(_) => Outcome::Cancelled,
            Slot::Return(_) | Slot::FailedValue(_) | Slot::Caught(_) => Outcome::Failed(()),
        })
    }

    /// Returns the error, if the manager is to have it.
    pub(crate) fn take_error(&self) -> Option<CaughtBy<S>> {
        match self.take() {
            Slot::Caught(error) => Some(error),
            other => {
                self.set(other);
                None
            }
        }
    }

    /// Returns what the `with!` comes to if its manager lets pass what the block left behind. `None` if the block was
    /// dropped before its end, or if the manager has caught its error. A panic goes on.
    #[inline]
    pub(crate) fn take_end<L: JoinSame<S::Rest>>(&self) -> Option<End<Value<L::Both, S::Value>, S::Jump, S::Return>> {
        match self.take() {
            Slot::Value(value) | Slot::FailedValue(value) => Some(End::Value(L::value(value))),
            Slot::Jump(jump) => Some(End::Jump(jump)),
            Slot::Return(value) => Some(End::Return(value)),
            Slot::Panicked(parcel) => parcel.resume(),
            other => {
                drop(other);
                None
            }
        }
    }

    /// Drops what the block left behind, as the `with!` ends in an error of the manager. A panic of that goes no further.
    /// If the block has failed, `report` gets what shows its error before.
    ///
    /// # Errors
    ///
    /// The panic of the block, if it has left one behind.
    pub(crate) fn discard<Literal>(&self, report: &dyn Fn(Show<'_>)) -> Result<(), Parcel>
    where
        S::Return: Classify<Literal>,
    {
        let report = (self.outcome() == Outcome::Failed(())).then_some(report);
        self.clear(report).map_or(Ok(()), Err)
    }

    /// Drops what nobody receives, whose panic goes no further. If there is a `report`, that gets before what shows it.
    /// Returns the panic of the block, if it has left one behind.
    pub(crate) fn clear<Literal>(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>
    where
        S::Return: Classify<Literal>,
    {
        match self.take() {
            Slot::Panicked(parcel) => Some(parcel),
            Slot::Nothing => None,
            slot => {
                if let Some(report) = report {
                    report(&|f| show::<S, Literal>(&slot, f));
                }
                panics::contain(|| drop(slot));
                None
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn set_panic(&self, payload: Payload) {
        let before = self.take();
        self.set(Slot::Panicked(Parcel::new(payload)));
        panics::contain(|| drop(before));
    }

    #[inline]
    pub(crate) fn lend(&self, value: S::Lent) {
        self.set(Slot::Lent(value));
    }

    #[inline]
    fn take(&self) -> SlotOf<S> {
        ManuallyDrop::into_inner(self.slot.get().replace(ManuallyDrop::new(Slot::Nothing)))
    }

    /// Puts something where nothing is: nothing has been lent yet, or the block has taken it.
    #[inline]
    fn set(&self, slot: SlotOf<S>) {
        self.slot.get().set(ManuallyDrop::new(slot));
    }
}

impl<S: Scope<Jump = Infallible>> Frame<S> {
    /// Tells the compiler the type of a block that does not jump out.
    #[inline]
    pub fn block(&self) -> BlockTypes<InnerOf<S>, InnerOf<S>> {
        BlockTypes(PhantomData)
    }

    /// Ends a block that does not jump, with its value: the last thing that it does. For `literal` see [`Classify`].
    #[inline]
    pub fn end<Literal>(&self, BlockEnd(value): BlockEnd<InnerOf<S>>, literal: Literal) -> Pending<Infallible>
    where
        S: Scope<Value: Classify<Literal>, Exit: CatchesFrom<S::Value, Literal> + CatchesShape<S::Rest>>,
    {
        self.end_or_jump(BlockEnd(ControlFlow::Continue(value)), literal)
    }
}

/// What a block comes to, with the managers after this one in the header in it.
type InnerOf<S> = Value<<S as Scope>::Rest, <S as Scope>::Value>;

/// What the manager learns of a failed block.
type CaughtBy<S> = <<S as Scope>::Exit as Exit>::Caught;

/// The type of a block's end (`End`) and of its value, apart from the frame: it takes no room in the block.
#[derive(Debug)]
pub struct BlockTypes<End, Value>(PhantomData<fn() -> (End, Value)>);

impl<End, Value> Clone for BlockTypes<End, Value> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<End, Value> Copy for BlockTypes<End, Value> {}

/// The end of a block, on its way into the frame. (Not just `End`, which may be `!`, and lints are wary of such
/// calls.)
#[derive(Debug)]
pub struct BlockEnd<End>(End);

impl<End, Value> BlockTypes<End, Value> {
    /// The end, which is expected to be of this type.
    #[inline]
    pub fn end(self, end: End) -> BlockEnd<End> {
        BlockEnd(end)
    }

    /// The type of the value.
    #[must_use]
    pub fn typed(self) -> TypeHint<Value> {
        TypeHint::none()
    }
}
