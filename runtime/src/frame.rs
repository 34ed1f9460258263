//! The frame of a `with!`: its header, and the slot that passes the lent value to the block and the end of the block
//! back.

use core::any::type_name;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Pending, pending};
use core::marker::PhantomData;
use core::ops::ControlFlow;
use core::task::Poll;

use crate::classify::Classify;
use crate::exit::{Catches, CatchesFrom, Exit};
use crate::named::ShowEnd;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Parcel, Payload};
use crate::raw::frame_cell::{FrameCell, Slot};
use crate::raw::{Header, TaskLocalCell};
use crate::rescue::Show;
use crate::scope_types::{BothOf, RestOutput, Scope};
use crate::show::ShowIn;
use crate::value::{self, CatchesShape, EvaluatesTo, Finished, Shape, Value};

/// The end of a block. `with!` matches on it and continues in the user's function.
#[derive(Debug)]
pub enum End<W, Jump, Return> {
    /// The block has a value.
    Value(W),
    /// The block was left by one of its `break`s or `continue`s.
    Jump(Jump),
    /// The function around the block is being left by `return` or `?`.
    Return(Return),
}

/// The jump, out of several, that leaves a block.
#[derive(Debug)]
pub enum Either<A, B> {
    /// The first jump.
    This(A),
    /// One of the other jumps.
    Other(B),
}

/// Gives the compiler a type, in code that is never run. No value of this type exists, so the borrow checker sees no
/// path that continues after such a value is made. (A function that returns `!` would do the same, but lints reject
/// some calls of it.)
#[derive(Debug)]
pub struct TypeHint<T> {
    /// A value of the type.
    pub value: T,
    /// Makes this type uninhabited.
    pub never: Infallible,
}

impl<T> TypeHint<T> {
    /// Returns such a value, for its type only. It is never called.
    #[cold]
    pub(crate) fn none() -> Self {
        unreachable!("only its type is used")
    }
}

/// Gives the compiler a type that is written out.
#[must_use]
pub fn expected<T>() -> TypeHint<T> {
    TypeHint::none()
}

/// The first local of a manager's body. It lets the borrow checker know how long a marker may live.
#[derive(Debug)]
pub struct BodyToken(());

impl BodyToken {
    /// Creates a token. Not a `const fn`, because a constant would live for `'static`.
    #[expect(clippy::new_without_default, reason = "only generated code creates one")]
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self(())
    }
}

/// A local of `with!` that is declared before the [`BorrowToken`]s. It makes the borrow checker reject values of the
/// block, of the types in `T`, that borrow what was lent. This applies even if no code uses these values, because they
/// are still in the frame when the manager has ended.
#[derive(Debug)]
pub struct ValueToken<T>(PhantomData<fn(T) -> T>);

impl<T> ValueToken<T> {
    /// Creates a token for one manager.
    #[expect(clippy::new_without_default, reason = "only generated code creates one")]
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

/// A local of `with!` that the lent value borrows, so that the borrow checker knows how long the value lives. An error
/// about an escaping value shows the name of this local in the expansion.
///
/// Each manager has two tokens. The first is for the data behind the lent value. Its `T` is a lifetime within the life
/// of everything that the body of the manager may hold. The second is for the value itself, and its `T` is the borrow
/// of the first token. Dropping a token uses its `T` after the borrow of the token has ended. The lifetimes are
/// therefore strictly nested, and the block cannot store a short-lived reference where it would be read after the end
/// of its lifetime: for example, in the arguments of the manager, or behind the lent value.
#[derive(Debug)]
pub struct BorrowToken<T>(PhantomData<fn(T) -> T>);

impl BorrowToken<&()> {
    /// Creates the first token of one manager.
    #[expect(clippy::new_without_default, reason = "only generated code creates one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'b, 'm> BorrowToken<&'b BorrowToken<&'m ()>> {
    /// Creates the second token.
    #[must_use]
    #[inline]
    pub const fn inside(_first: &'b BorrowToken<&'m ()>) -> Self {
        Self(PhantomData)
    }
}

impl<T> Drop for BorrowToken<T> {
    fn drop(&mut self) {}
}

/// The type of a [`Frame`] that is created later, by [`until`](Self::until), once the [`BorrowToken`]s exist. The
/// lifetimes are those in the types of the tokens.
///
/// The tokens are created after the manager, because they must be dropped before the temporaries that the manager
/// borrows.
#[derive(Debug)]
pub struct Unbound<'a, 'b, 'm, H>(PhantomData<Lives<'a, 'b, 'm, H>>);

type Lives<'a, 'b, 'm, H> = fn(&'a (), &'b (), &'m ()) -> (&'a (), &'b (), &'m (), H);

impl<'a, 'b, 'm, S: Scope> Unbound<'a, 'b, 'm, Frame<S>> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }

    /// Returns the frame, for a value that is lent for as long as the second token is borrowed.
    #[inline]
    #[must_use]
    pub fn until(
        self,
        _second: &'a BorrowToken<&'b BorrowToken<&'m ()>>,
        _kept: &ValueToken<(S::Value, S::Jump)>,
    ) -> Frame<S> {
        Frame(TaskLocalCell::new(FrameCell::new()))
    }
}

/// The shared state of one `with!`: the header, and the slot. The slot passes the lent value to the block, and the end
/// of the block to the driver.
///
/// A value is lent for as long as the `with!` lives. The driver borrows the frame until the exit phase has ended, so
/// anything that the block stores in the value lives that long.
///
/// The driver takes the content of the slot, so that a dropped `with!` has nothing to check here.
pub struct Frame<S: Scope>(TaskLocalCell<CellOf<S>>);

type SlotOf<S> = Slot<CaughtBy<S>, <S as Scope>::Lent, FinishedIn<S>, <S as Scope>::Jump, <S as Scope>::Return>;

type CellOf<S> = FrameCell<CaughtBy<S>, <S as Scope>::Lent, FinishedIn<S>, <S as Scope>::Jump, <S as Scope>::Return>;

/// The value of a block, as the slot holds it.
type FinishedIn<S> = Finished<<S as Scope>::Rest, <S as Scope>::Value>;

/// Calls `report` with a function that formats the error in the end of a block, and drops the end. Of an error that
/// `show` cannot show, the name of a type is shown.
#[cold]
fn lose<S, Literal>(end: SlotOf<S>, show: &ShowEnd<S>, report: &dyn Fn(Show<'_>))
where
    S: Scope<Return: Classify<Literal>>,
{
    match end {
        Slot::Return(value) | Slot::FailedReturn(value) => {
            lose_in(value, show.returned.unwrap_or(S::Return::show), report);
        }
        Slot::Caught(error) => lose_in(error, |_, f| show_type::<CaughtBy<S>>(f), report),
        Slot::Value(Ok(Ok(value))) | Slot::FailedValue(Ok(Ok(value))) => {
            lose_in(value, show.value.unwrap_or(|_, f| show_type::<InnerOf<S>>(f)), report);
        }
        Slot::Value(Err(error)) | Slot::FailedValue(Err(error)) => {
            let show = show.rest.unwrap_or(|_, f| show_type::<InnerOf<S>>(f));
            lose_in(<RestOutput<S> as BodyOutput>::failed(error), show, report);
        }
        other => lose_in(other, |_, f| show_type::<InnerOf<S>>(f), report),
    }
}

/// The same for a part of the end. A panic of its drop is contained.
fn lose_in<V>(value: V, show: ShowIn<V>, report: &dyn Fn(Show<'_>)) {
    report(&|f| show(&value, f));
    panics::discard(value);
}

fn show_type<T>(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(type_name::<T>())
}

#[cold]
fn not_lent() -> ! {
    unreachable!("a block is polled only after its value was lent")
}

impl<S: Scope> Frame<S> {
    /// Returns `block` unchanged. Its signature fixes the output type of the block for type inference.
    #[inline]
    pub fn future<B: Future<Output = S::Return>>(&self, block: B) -> B {
        block
    }

    /// Gives the compiler the types of this `with!`, which is in the block of another one of the same header.
    #[inline]
    pub const fn inside<O>(&self, _outer: &Frame<O>)
    where
        O: Scope<Rest = BothOf<S>, Value = S::Value, Jump = S::Jump, Return = S::Return>,
    {
    }

    /// Returns whether the `with!` asks how an error in the value of its block is shown: see [`Exit::Asks`].
    #[inline]
    pub const fn asks(&self) -> PhantomData<<S::Exit as Exit>::Asks> {
        PhantomData
    }

    /// Returns whether a `with!` in the block of this one asks, if both are of the same header.
    #[inline]
    pub const fn lets<Later>(&self, _later: PhantomData<Later>) -> PhantomData<<S::Exit as Exit>::Lets<Later>> {
        PhantomData
    }

    /// Gives the compiler the type of the `with!`.
    pub fn typed(&self) -> TypeHint<Value<BothOf<S>, S::Value>> {
        TypeHint::none()
    }

    /// Names the type of a `with!` whose later managers are not known yet: `Expected`.
    #[inline]
    pub fn later<Expected>(&self) -> Later<BothOf<S>, S::Value, Expected>
    where
        BothOf<S>: EvaluatesTo<S::Value, Expected>,
    {
        Later(PhantomData)
    }

    /// Gives the compiler the type of a block that may jump out.
    #[inline]
    pub fn jumping_block(&self) -> BlockTypes<ControlFlow<S::Jump, InnerOf<S>>, InnerOf<S>> {
        BlockTypes(PhantomData)
    }

    /// Gives the compiler the type of the value that a `return` in the block returns.
    pub fn returned(&self) -> TypeHint<S::Return> {
        TypeHint::none()
    }

    /// Takes the lent value. This is the first action of a block.
    ///
    /// # Panics
    ///
    /// Panics if no value is lent. The marker lends before it polls the block.
    #[inline]
    pub fn value(&self) -> S::Lent {
        self.0.get().take_lent().unwrap_or_else(|| not_lent())
    }

    /// Ends a block that may jump out, with its value or a jump. This is the last action of the block. For `literal`
    /// see [`Classify`].
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
            ControlFlow::Break(jump) => self.set_end(Slot::Jump(jump), Outcome::Completed),
        }
        pending()
    }

    #[inline]
    fn set_value<Literal>(&self, value: InnerOf<S>)
    where
        S: Scope<Value: Classify<Literal>, Exit: CatchesFrom<S::Value, Literal> + CatchesShape<S::Rest>>,
    {
        let value = value::finished::<S::Rest, S::Value>(value);
        if <S::Exit as Exit>::CATCHES {
            match value::split::<S::Exit, S::Rest, S::Value, _>(value) {
                Ok(value) => self.set_end(Slot::Value(value), Outcome::Completed),
                Err(error) => self.set_end(Slot::Caught(error), Outcome::Failed(())),
            }
        } else if value::failed::<S::Rest, S::Value, _>(&value) {
            self.set_end(Slot::FailedValue(value), Outcome::Failed(()));
        } else {
            self.set_end(Slot::Value(value), Outcome::Completed);
        }
    }

    /// Ends the block by a `return`.
    #[inline]
    fn set_return<Literal>(&self, value: S::Return)
    where
        S: Scope<Return: Classify<Literal>, Exit: CatchesFrom<S::Return, Literal>>,
    {
        if !<S::Exit as Exit>::CATCHES {
            return if value.failed() {
                self.set_end(Slot::FailedReturn(value), Outcome::Failed(()));
            } else {
                self.set_end(Slot::Return(value), Outcome::Completed);
            };
        }
        match value.without_error() {
            Ok(value) => self.set_end(Slot::Return(value), Outcome::Completed),
            Err(error) => self.set_end(Slot::Caught(<S::Exit as Catches<_, _>>::take(error)), Outcome::Failed(())),
        }
    }

    /// Records the end of the block, if the poll with this result has ended it. Returns whether it has.
    #[inline]
    pub(crate) fn end_block<Literal>(&self, polled: Poll<S::Return>) -> bool
    where
        S: Scope<Return: Classify<Literal>, Exit: CatchesFrom<S::Return, Literal>>,
    {
        match polled {
            Poll::Ready(value) => {
                self.set_return(value);
                true
            }
            // A block that has ended stays pending forever.
            Poll::Pending => self.header().is_block_done(),
        }
    }

    /// Stores the end of a block, and its outcome.
    #[inline]
    fn set_end(&self, end: SlotOf<S>, outcome: Outcome) {
        self.set(end);
        self.header().end_block(outcome);
    }

    #[inline]
    pub(crate) const fn header(&self) -> &Header {
        self.0.get().header()
    }

    /// Takes the error that the manager receives. `None` if there is no such error.
    pub(crate) fn take_error(&self) -> Option<CaughtBy<S>> {
        match self.take() {
            Slot::Caught(error) => Some(error),
            other => {
                self.set(other);
                None
            }
        }
    }

    /// Takes the value of the block. `None` if the block has ended in another way, or if the value is a failure.
    #[inline]
    pub(crate) fn take_value(&self) -> Option<Finished<S::Rest, S::Value>> {
        self.0.get().take_value()
    }

    /// Takes the end of the block of a manager that has succeeded. `None` if the block was dropped before its end, or
    /// if the manager has caught its error. A panic of the block is resumed.
    #[inline]
    pub(crate) fn take_end(&self) -> Option<End<Finished<S::Rest, S::Value>, S::Jump, S::Return>> {
        match self.take() {
            Slot::Value(value) | Slot::FailedValue(value) => Some(End::Value(value)),
            Slot::Jump(jump) => Some(End::Jump(jump)),
            Slot::Return(value) | Slot::FailedReturn(value) => Some(End::Return(value)),
            Slot::Panicked(parcel) => parcel.resume(),
            other => {
                drop(other);
                None
            }
        }
    }

    /// Drops the content of the slot, which no caller receives. A panic of this drop is contained. If there is a
    /// `report`, it is first called with a function that formats the content. Returns the panic of the block, if it
    /// panicked.
    pub(crate) fn clear<Literal>(&self, show: &ShowEnd<S>, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>
    where
        S::Return: Classify<Literal>,
    {
        match self.take() {
            Slot::Panicked(parcel) => Some(parcel),
            Slot::Nothing => None,
            slot => {
                match report {
                    Some(report) => lose(slot, show, report),
                    None => panics::discard(slot),
                }
                None
            }
        }
    }

    /// Takes the payload of a panic of the block. It replaces what the slot held.
    #[cold]
    #[inline(never)]
    pub(crate) fn set_panic(&self, payload: &mut Option<Payload>) {
        if let Some(payload) = payload.take() {
            let before = self.take();
            self.set(Slot::Panicked(Parcel::new(payload)));
            panics::discard(before);
        }
    }

    #[inline]
    pub(crate) fn lend(&self, value: S::Lent) {
        self.set(Slot::Lent(value));
    }

    #[inline]
    fn take(&self) -> SlotOf<S> {
        self.0.get().take()
    }

    /// Overwrites an empty slot: no value has been lent yet, or the block has taken it.
    #[inline]
    fn set(&self, slot: SlotOf<S>) {
        self.0.get().set(slot);
    }
}

impl<S: Scope<Jump = Infallible>> Frame<S> {
    /// Gives the compiler the type of a block that does not jump out.
    #[inline]
    pub fn block(&self) -> BlockTypes<InnerOf<S>, InnerOf<S>> {
        BlockTypes(PhantomData)
    }

    /// Ends a block that does not jump out, with its value. This is the last action of the block. For `literal` see
    /// [`Classify`].
    #[inline]
    pub fn end<Literal>(&self, BlockEnd(value): BlockEnd<InnerOf<S>>, literal: Literal) -> Pending<Infallible>
    where
        S: Scope<Value: Classify<Literal>, Exit: CatchesFrom<S::Value, Literal> + CatchesShape<S::Rest>>,
    {
        self.end_or_jump(BlockEnd(ControlFlow::Continue(value)), literal)
    }
}

/// The value of a block, including the managers after this one in the header.
type InnerOf<S> = Value<<S as Scope>::Rest, <S as Scope>::Value>;

/// The error value in the outcome that the manager of a failed block receives.
type CaughtBy<S> = <<S as Scope>::Exit as Exit>::Caught;

/// The types of the end of a block (`End`) and of its value, separate from the frame. It takes no memory in the block.
#[derive(Debug)]
pub struct BlockTypes<End, Value>(PhantomData<fn() -> (End, Value)>);

impl<End, Value> Clone for BlockTypes<End, Value> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<End, Value> Copy for BlockTypes<End, Value> {}

/// The type of a `with!` whose later managers are not known yet: `Expected`, for a block of type `T`.
#[derive(Debug)]
pub struct Later<S, T, Expected>(PhantomData<fn() -> (S, T, Expected)>);

impl<S, T, Expected> Clone for Later<S, T, Expected> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T, Expected> Copy for Later<S, T, Expected> {}

impl<S: Shape, T, Expected> Later<S, T, Expected> {
    /// Gives the compiler the type of the `with!`.
    #[must_use]
    pub fn typed(self) -> TypeHint<Expected> {
        TypeHint::none()
    }

    /// Returns the value of the `with!`, with this type.
    #[inline]
    pub fn settle(self, value: Value<S, T>) -> Expected
    where
        S: EvaluatesTo<T, Expected>,
    {
        S::same(value)
    }
}

/// The end of a block, before it is stored in the frame. (Not `End` itself, because `End` may be `!`, and lints reject
/// calls with such an argument.)
#[derive(Debug)]
pub struct BlockEnd<End>(End);

impl<End, Value> BlockTypes<End, Value> {
    /// Wraps the end of the block, with `End` as the expected type.
    #[inline]
    pub fn end(self, end: End) -> BlockEnd<End> {
        BlockEnd(end)
    }

    /// Gives the compiler the type of the value.
    #[must_use]
    pub fn typed(self) -> TypeHint<Value> {
        TypeHint::none()
    }
}
