//! The future of a `with!`: polls the body of the manager, or the block while the body is suspended at its marker.

mod in_scope;

use core::future::Future;
use core::hint::unreachable_unchecked;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::{ManuallyDrop, forget};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::TaskPtr;
use super::body::{AtWith, Body, FrameHandle};
use super::cancel::{Cancel, drop_unfinished};
use super::header::{BlockOwner, Flag, Header, State};
use super::stop_block::poll_for_marker;
use super::stop_scope::is_scope;
use super::yield_point::Enclosing;
use crate::classify::Classify;
use crate::exit::{CatchesFrom, Exit};
use crate::frame::{End, Frame};
use crate::lend::Lends;
use crate::manager::UndroppedManager;
use crate::named::{NameAt, Named};
use crate::outcome::Outcome;
use crate::output::{BodyOutput, JoinOutput, Suppression};
use crate::panics::{self, Parcel, Payload};
use crate::rescue::{self, Lost, Show};
use crate::scope_types::{BothOf, Scope};
use crate::value::{Shape, Value, join};

/// The future of a `with!`. Runs the manager, and the block at its marker.
///
/// The body and the block are fields without a wrapper type such as `ManuallyDrop`, because each wrapper lowers the depth
/// to which `with!`s can be nested before the compiler reports an overflow. The driver must not drop them a second time,
/// so the code that drops them sets the driver to `Done`. `Done` is encoded as the null value of `frame`
/// and needs no extra memory.
#[must_use = "a driver does nothing until it is awaited"]
#[expect(clippy::manual_non_exhaustive, reason = "both are hidden from users")]
pub enum Driver<'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    #[doc(hidden)]
    Live {
        frame: &'h Frame<S>,
        enclosing: W,
        name: N,
        body: F,
        block: B,
        literal: PhantomData<fn() -> Literal>,
        /// The header and the marker point to the driver, so it must not move.
        pinned: PhantomPinned,
    },
    #[doc(hidden)]
    Done,
}

/// Returns the future that runs `block` with the value lent by `manager`.
///
/// The [`BorrowToken`](crate::frame::BorrowToken)s of the `frame` must be locals next to it, so that no part of the
/// lent value outlives the `with!`. For `literal` see [`Classify`], for `literals` see
/// `ShowsError`, and for `enclosing` see [`Enclosing`].
#[inline]
pub fn run<'h, 'a, 'b, M, L, S, B, W, Literal, Literals>(
    manager: UndroppedManager<M, L>,
    frame: &'h Frame<S>,
    enclosing: W,
    block: B,
    _literal: Literal,
    _literals: Literals,
) -> Driver<'h, M::Future, AtWith<M::Name, Literals>, S, B, W, Literal>
where
    M: Body<Future: Future<Output: BodyOutput>>,
    AtWith<M::Name, Literals>: NameAt<S, Output = <M::Future as Future>::Output>,
    L: Lends<'a, 'b, Exit = S::Exit, Value = S::Lent>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    let body = ManuallyDrop::into_inner(manager.body);
    let name = AtWith::new(body.name());
    let body = body.start(FrameHandle::new(frame.header()), name.named());
    Driver::Live { frame, enclosing, name, body, block, literal: PhantomData, pinned: PhantomPinned }
}

/// A pointer to a driver that is live during `'p`, and pinned if it has been polled. It borrows each field separately,
/// because the body is borrowed while its marker uses the other fields.
struct Live<'p, D> {
    driver: NonNull<D>,
    life: PhantomData<&'p ()>,
}

impl<D> Clone for Live<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Live<'_, D> {}

impl<D> Live<'_, D> {
    /// # Safety
    ///
    /// The driver must be live for as long as this pointer is used, and pinned if it has been polled.
    #[inline]
    const unsafe fn new(driver: NonNull<D>) -> Self {
        Self { driver, life: PhantomData }
    }
}

/// Evaluates to `value`, in which `field` is bound. Creates no reference to another field.
macro_rules! with_field {
    ($live:ident, [$($field:tt)*] => $value:expr) => {
        // SAFETY: the driver is live, so it is not `Done`. A shared field is not written while it is live. Of the body
        // and the block, only a pointer leaves this block.
        unsafe {
            match *$live.driver.as_ptr() {
                Driver::Live { $($field)*, .. } => $value,
                Driver::Done => unreachable_unchecked(),
            }
        }
    };
}

impl<'p, 'h, F, N, S, B, W, Literal> Live<'p, Driver<'h, F, N, S, B, W, Literal>>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    #[inline]
    fn frame(self) -> &'h Frame<S> {
        with_field!(self, [frame] => frame)
    }

    #[inline]
    fn header(self) -> &'h Header {
        self.frame().header()
    }

    #[inline]
    fn named(self) -> Named<F::Output> {
        with_field!(self, [name] => name).named()
    }

    #[inline]
    fn enclosing(self) -> &'p W {
        with_field!(self, [ref enclosing] => enclosing)
    }

    /// Returns a pointer to the body, which must not be followed while the body is in use.
    #[inline]
    fn body(self) -> *mut F {
        with_field!(self, [ref mut body] => body)
    }

    /// Returns a pointer to the block, which must not be followed while the block is in use.
    #[inline]
    fn block(self) -> *mut B {
        with_field!(self, [ref mut block] => block)
    }

    /// Polls the body once.
    ///
    /// # Safety
    ///
    /// The driver must be pinned. The body must not have been dropped, and must not be in use.
    #[inline]
    unsafe fn poll_body(self, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: no other code uses the body. The marker, which is part of the body, uses the other fields only.
        let body = unsafe { &mut *self.body() };
        // SAFETY: the driver is being polled, or was polled before, so it is pinned. The body is not moved before it is
        // dropped in place.
        let body = unsafe { Pin::new_unchecked(body) };
        let panics = SetPanicked(self);
        let output = body.poll(cx);
        forget(panics);
        output
    }
}

/// When dropped, records that the body has panicked and that its locals are gone.
struct SetPanicked<D: Cancel>(D);

impl<D: Cancel> Drop for SetPanicked<D> {
    #[cold]
    fn drop(&mut self) {
        self.0.header().set(Flag::Panicked, true);
    }
}

impl<F, N, S, B, W, Literal> Live<'_, Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Polls the block and returns whether it has ended. A block that has ended is dropped. A panic of the poll or of
    /// the drop is a panic of the block.
    ///
    /// # Safety
    ///
    /// The driver must be pinned. The block must not have been dropped, and must not be in use.
    #[expect(clippy::inline_always, reason = "rarely used code calls the outlined one, so that this has two callers")]
    #[inline(always)]
    unsafe fn run_block(self, cx: &mut Context<'_>) -> bool {
        let ran = panics::catch(|| {
            // SAFETY: the caller is the marker, or the driver while the body is suspended at the marker. The block
            // polls neither of them, so only one such reference exists at a time (fact 3).
            let block = unsafe { &mut *self.block() };
            // SAFETY: the block is a field of the pinned driver and is dropped in place.
            let polled = unsafe { Pin::new_unchecked(block) }.poll(cx);
            if !self.end_block(polled) {
                return false;
            }
            // SAFETY: the block has not been dropped before, because the state was not `BlockDone` until now.
            unsafe { self.block().drop_in_place() };
            true
        });
        match ran {
            Ok(false) => return false,
            Ok(true) => self.pass(),
            Err(payload) => self.fail(payload),
        }
        true
    }

    /// Same as `run_block`, for calls from rarely used code.
    ///
    /// # Safety
    ///
    /// See `run_block`.
    #[inline(never)]
    unsafe fn run_block_outlined(self, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe { self.run_block(cx) }
    }

    /// Records the end of the block, if this poll has ended it. Returns whether it has.
    #[inline]
    fn end_block(self, polled: Poll<S::Return>) -> bool {
        let header = self.header();
        match polled {
            Poll::Ready(value) => self.frame().set_return(value),
            // The block has stored its end in the slot, and stays pending forever.
            Poll::Pending if header.outcome.get() != Outcome::Cancelled => {}
            Poll::Pending => return false,
        }
        header.state.set(State::BlockDone);
        true
    }

    /// Completes the outcome of a block that has ended. If the block completed and contains the marker of an enclosing
    /// manager, the outcome of that marker replaces `Completed`.
    #[inline]
    fn pass(self) {
        let outcome = &self.header().outcome;
        if let (Outcome::Completed, Some(passed)) = (outcome.get(), self.enclosing().outcome()) {
            outcome.set(passed);
        }
    }

    /// Records that the block has panicked, and drops the block if it has not been dropped.
    #[cold]
    fn fail(self, payload: Payload) {
        self.frame().set_panic(payload);
        let header = self.header();
        if header.state.replace(State::BlockDone).is_lent() {
            // SAFETY: the previous state says that the block had not been dropped.
            unsafe { TaskPtr(NonNull::from(header)).drop_block() };
        }
        header.outcome.set(Outcome::Panicked);
    }
}

// SAFETY: `name` only reads a field that is not written while the driver is live.
unsafe impl<F, N, S, B, W, Literal> BlockOwner for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    const CATCHES: bool = <S::Exit as Exit>::CATCHES;

    unsafe fn name(this: NonNull<()>) -> &'static str {
        // SAFETY: guaranteed by the caller.
        unsafe { Live::<Self>::new(this.cast()) }.named().name()
    }

    #[inline]
    unsafe fn lend(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let this = unsafe { Live::<Self>::new(this.cast()) };
        // SAFETY: the caller guarantees that it points to an `Option` of what the manager lends. That is `S::Lent`, by
        // the signature of `run`. The lifetime of the value changes to that of the frame, which ends when the block and
        // the exit phase have ended. The value is valid that long (fact 2).
        let value_ptr = unsafe { value_ptr.cast::<Option<S::Lent>>().as_mut() };
        if let Some(value) = value_ptr.take() {
            this.frame().lend(value);
            this.enclosing().has_lent(this.header().route.get());
        }
    }

    unsafe fn begin(this: NonNull<()>, value_ptr: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::<Self>::new(this.cast()) };
        // SAFETY: as in `lend`.
        let value_ptr = unsafe { value_ptr.cast::<Option<S::Lent>>().as_mut() };
        // SAFETY: guaranteed by the caller.
        live.frame().lend(unsafe { value_ptr.take().unwrap_unchecked() });
        live.enclosing().has_lent(live.header().route.get());
        // SAFETY: the block has not been dropped, because the marker has only begun to lend. The caller is the marker, which
        // the block does not poll.
        unsafe { live.run_block(cx) }
    }

    unsafe fn poll(this: NonNull<()>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::<Self>::new(this.cast()) };
        let is_plain = value_ptr.is_none() && !live.header().has(Flag::Stopping) && !is_scope(cx.waker());
        if is_plain && live.header().state.get().is_running() {
            // SAFETY: the state says that the block has not been dropped. The caller is a marker, which the block does
            // not poll.
            return unsafe { live.run_block(cx) };
        }
        // SAFETY: guaranteed by the caller.
        unsafe { poll_for_marker(&live, W::CAN_STOP, value_ptr, cx) }
    }

    unsafe fn drop_block(this: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let block = unsafe { Live::<Self>::new(this.cast()) }.block();
        // SAFETY: the caller guarantees that the block is not in use.
        unsafe { block.drop_in_place() };
    }

    unsafe fn set_panic(this: NonNull<()>, payload: Payload) {
        // SAFETY: guaranteed by the caller.
        unsafe { Live::<Self>::new(this.cast()) }.frame().set_panic(payload);
    }

    unsafe fn take_error(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: the caller guarantees that it points to an `Option` of the caught error.
        let value_ptr = unsafe { value_ptr.cast::<Option<<S::Exit as Exit>::Caught>>().as_mut() };
        // SAFETY: guaranteed by the caller.
        *value_ptr = unsafe { Live::<Self>::new(this.cast()) }.frame().take_error();
    }
}

impl<F, N, S, B, W, Literal> Future for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    F::Output: JoinOutput<<S::Rest as Shape>::BodyOutput>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    type Output = EndOf<S>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of the driver.
        let driver = NonNull::from(unsafe { self.get_unchecked_mut() });
        // SAFETY: the driver is live and pinned.
        let this = unsafe { Live::new(driver) };
        if is_scope(cx.waker()) {
            // SAFETY: the driver is pinned, and no other code polls the body.
            return unsafe { this.poll_in(cx) };
        }
        // SAFETY: as above.
        unsafe { this.poll_plain(cx, true) }
    }
}

impl<F, N, S, B, W, Literal> Live<'_, Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    F::Output: JoinOutput<<S::Rest as Shape>::BodyOutput>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Polls the driver, without a look at the scope that may poll it. `is_plain` says that no scope does.
    ///
    /// # Safety
    ///
    /// The driver must be pinned, and no other code may use the body.
    #[expect(clippy::inline_always, reason = "as for `run_block`")]
    #[inline(always)]
    unsafe fn poll_plain(self, cx: &mut Context<'_>, is_plain: bool) -> Poll<EndOf<S>> {
        match self.header().state.get() {
            State::Unpolled => self.header().begin(self.driver, is_plain),
            // SAFETY: the state says that the block has not been dropped, and that the body is suspended at its marker.
            State::Running if !unsafe { self.run_block(cx) } => return Poll::Pending,
            // The block contains the marker of a `with!` that is being dropped, and that needs this marker to be polled.
            State::RunningDetached if self.enclosing().wants_marker() => self.header().set(Flag::WantsMarker, true),
            State::Done => polled_after_stop(self.named().name()),
            _ => {}
        }
        // SAFETY: guaranteed by the caller.
        let output = ready!(unsafe { self.poll_body(cx) });
        Poll::Ready(self.conclude(output))
    }

    /// Same as `poll_plain`, for calls from rarely used code.
    ///
    /// # Safety
    ///
    /// See `poll_plain`.
    #[inline(never)]
    unsafe fn poll_plain_outlined(self, cx: &mut Context<'_>) -> Poll<EndOf<S>> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.poll_plain(cx, false) }
    }
}

#[cold]
fn polled_after_stop(name: &str) -> ! {
    panic!("the `with!` of `{name}` was polled after a stop had ended it: keep the stop out by `unstopped`")
}

/// The end of a `with!` with the types `S`.
type EndOf<S> = End<Value<BothOf<S>, <S as Scope>::Value>, <S as Scope>::Jump, <S as Scope>::Return>;

impl<F, N, S, B, W, Literal> Live<'_, Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    F::Output: JoinOutput<<S::Rest as Shape>::BodyOutput>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Returns the end of the `with!` for a body that returned `output`.
    #[inline]
    fn conclude(self, output: F::Output) -> EndOf<S> {
        let before = if self.header().conclude() {
            State::BlockDone
        } else {
            self.header().conclude_without_end(self.named().name())
        };
        if let Err(error) = output.check() {
            return self.conclude_in_error(error);
        }
        match self.frame().take_value() {
            Some(value) => End::Value(join::<S::Exit, S::Rest, _>(Ok(Ok(value)))),
            None => self.conclude_without_value(before),
        }
    }

    /// Same as `conclude`, for a body that has succeeded, and a block that has not ended in a value, or in a failure.
    #[inline]
    fn conclude_without_value(self, before: State) -> EndOf<S> {
        let own = match self.frame().take_end() {
            Some(End::Value(rest)) => Ok(rest),
            Some(End::Jump(jump)) => return End::Jump(jump),
            Some(End::Return(value)) => return End::Return(value),
            None => match <S::Exit as Exit>::Suppression::MISSING {
                _ if before == State::BlockDone && self.header().was_stopped() => {
                    polled_after_stop(self.named().name())
                }
                Some(missing) if !before.is_entering() => Err(missing),
                _ => no_value(self.named().name(), before),
            },
        };
        End::Value(join::<S::Exit, S::Rest, _>(Ok(own)))
    }

    /// Same as `conclude`, for a body that has returned an error, which replaces the end of the block. An error of the block
    /// is reported as lost. An error does not replace a panic.
    #[cold]
    fn conclude_in_error(self, error: <F::Output as BodyOutput>::Error) -> EndOf<S> {
        let what = "failed and replaced the error of its block";
        let report = |show: Show<'_>| rescue::replaced(self.named().name(), Lost::from(what).show(show));
        if let Err(parcel) = self.frame().discard::<N, _>(&report) {
            give_way(parcel, BodyOutput::failed(error), self.named());
        }
        End::Value(join::<S::Exit, S::Rest, _>(Err(error)))
    }
}

/// Resumes the panic of the block. The error of the manager is reported as lost.
#[cold]
fn give_way<O: BodyOutput>(parcel: Parcel, output: O, named: Named<O>) -> ! {
    named.report(rescue::failed, rescue::PANICKING, &output);
    // Dropped before the panic is resumed: a panic of its destructor during unwinding would abort the process.
    panics::discard(output);
    parcel.resume();
}

/// Panics because the manager has succeeded but its `with!` has no value.
#[cold]
fn no_value(name: &str, state: State) -> ! {
    let what = match state {
        State::BlockDropped => "dropped its block before the end",
        State::BlockDone => "caught the error of its block",
        _ => panic!("`{name}` ended without reaching its `yield!`: return an `Err` to skip the block"),
    };
    panic!("`{name}` {what} and succeeded, so its `with!` has no value: return an `Err`, or add the option `suppress`")
}

impl<F, N, S, B, W, Literal> Drop for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    #[inline]
    fn drop(&mut self) {
        let driver = NonNull::from(self);
        let _done = SetDone(driver);
        // SAFETY: the driver is live until it is `Done`. It is pinned if it has been polled.
        let this = unsafe { Live::new(driver) };
        // A body that has ended holds nothing that must be dropped: see `Body::Future`. It is an `async` block, or a body that
        // is empty once it has ended, or a reference to one of these.
        if this.header().state.get() != State::Done {
            // SAFETY: the driver is being dropped, so its body and block are not used afterwards.
            unsafe { drop_unfinished(&this) };
        }
    }
}

/// Sets a driver to `Done` when dropped, also during unwinding. The fields have been dropped by then, or must not be
/// dropped any more.
struct SetDone<D: HasDone>(NonNull<D>);

trait HasDone: Sized {
    fn done() -> Self;
}

impl<F, N, S, B, W, Literal> HasDone for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    #[inline]
    fn done() -> Self {
        Self::Done
    }
}

impl<D: HasDone> Drop for SetDone<D> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the pointer was made from the `&mut` to a driver that is being dropped, and that reference outlives
        // this guard.
        unsafe { self.0.write(D::done()) };
    }
}

impl<F, N, S, B, W, Literal> Cancel for Live<'_, Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    fn header(&self) -> &Header {
        Live::header(*self)
    }

    fn name(&self) -> &'static str {
        self.named().name()
    }

    fn can_be_cut(&self) -> bool {
        let live = *self;
        with_field!(live, [name] => name).can_be_cut()
    }

    fn has_error(&self) -> bool {
        self.frame().outcome() == Outcome::Failed(())
    }

    unsafe fn poll_body(&self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: guaranteed by the caller. A driver whose body is polled in its drop has been polled, so it is pinned.
        let output = ready!(unsafe { Live::poll_body(*self, cx) });
        if output.as_error().is_some() {
            self.named().report(rescue::failed, rescue::CANCELLED, &output);
        }
        panics::discard(output);
        Poll::Ready(())
    }

    unsafe fn drop_body(&self) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.body().drop_in_place() };
    }

    unsafe fn drop_block(&self) {
        // SAFETY: guaranteed by the caller.
        unsafe { self.block().drop_in_place() };
    }

    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel> {
        self.frame().clear::<N, _>(report)
    }
}
