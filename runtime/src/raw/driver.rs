//! The future of a `with!`: polls the body of the manager, or the block while the body is suspended at its marker.

use core::future::Future;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::{ManuallyDrop, forget};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::TaskPtr;
use super::body::{Body, FrameHandle, Name};
use super::cancel::{Cancel, drop_unfinished};
use super::header::{BlockOwner, Header, State};
use super::yield_point::Enclosing;
use crate::classify::Classify;
use crate::exit::{CatchesFrom, Exit};
use crate::frame::{End, Frame};
use crate::lend::Lends;
use crate::manager::UndroppedManager;
use crate::named::Named;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Parcel, Payload};
use crate::rescue::{self, Lost, Show};
use crate::scope_types::Scope;
use crate::value::{JoinSame, ShapeOf, Value};

/// The future of a `with!`. Runs the manager, and the block at its marker.
///
/// The body and the block are fields without a wrapper type, because each wrapper lowers the depth to which `with!`s
/// can be nested before the compiler gives up. Without a wrapper such as `ManuallyDrop`, the driver must not drop them
/// implicitly: the code that drops them then sets the driver to `Done`. `Done` is encoded as the null value of `frame`
/// and needs no extra memory.
#[must_use = "a driver does nothing until it is awaited"]
#[expect(clippy::manual_non_exhaustive, reason = "both are hidden from users")]
pub enum Driver<'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: Name<Output = F::Output>,
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
/// lent value outlives the `with!`. For `literal` see [`Classify`]. For `enclosing` see [`Enclosing`].
#[inline]
pub fn run<'h, 'a, 'b, M, L, S, B, W, Literal>(
    manager: UndroppedManager<M, L>,
    frame: &'h Frame<S>,
    enclosing: W,
    block: B,
    _literal: Literal,
) -> Driver<'h, M::Future, M::Name, S, B, W, Literal>
where
    M: Body<Future: Future<Output: BodyOutput>>,
    L: Lends<'a, 'b, Exit = S::Exit, Value = S::Lent>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    let body = ManuallyDrop::into_inner(manager.body);
    let name = body.name();
    let body = body.start(FrameHandle::new(frame.header()));
    Driver::Live { frame, enclosing, name, body, block, literal: PhantomData, pinned: PhantomPinned }
}

/// Access to the fields of a live driver by pointer. Each field is borrowed separately, because the body is borrowed
/// while its marker uses the other fields.
impl<'h, F, N, S, B, W, Literal> Driver<'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: Name<Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// # Safety
    ///
    /// The driver must be live.
    #[inline]
    unsafe fn frame(this: NonNull<Self>) -> &'h Frame<S> {
        // SAFETY: guaranteed by the caller. The field is not written while the driver is live.
        unsafe {
            match *this.as_ptr() {
                Self::Live { frame, .. } => frame,
                Self::Done => polled_when_done(),
            }
        }
    }

    /// # Safety
    ///
    /// Same as `frame`.
    #[inline]
    unsafe fn named(this: NonNull<Self>) -> Named<F::Output> {
        // SAFETY: as in `frame`.
        unsafe {
            match *this.as_ptr() {
                Self::Live { name, .. } => name.named(),
                Self::Done => polled_when_done(),
            }
        }
    }

    /// # Safety
    ///
    /// Same as `frame`.
    #[inline]
    unsafe fn enclosing(this: NonNull<Self>) -> NonNull<W> {
        // SAFETY: as in `frame`.
        unsafe {
            match *this.as_ptr() {
                Self::Live { ref enclosing, .. } => NonNull::from(enclosing),
                Self::Done => polled_when_done(),
            }
        }
    }

    /// # Safety
    ///
    /// The driver must be live, and its body must not be in use.
    #[inline]
    unsafe fn body(this: NonNull<Self>) -> NonNull<F> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match *this.as_ptr() {
                Self::Live { ref mut body, .. } => NonNull::from(body),
                Self::Done => polled_when_done(),
            }
        }
    }

    /// # Safety
    ///
    /// The driver must be live, and its block must not be in use.
    #[inline]
    unsafe fn block(this: NonNull<Self>) -> NonNull<B> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match *this.as_ptr() {
                Self::Live { ref mut block, .. } => NonNull::from(block),
                Self::Done => polled_when_done(),
            }
        }
    }

    /// Polls the body once.
    ///
    /// # Safety
    ///
    /// The driver must be live and pinned, and its body must not be in use.
    #[inline]
    unsafe fn poll_body(this: NonNull<Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { Self::frame(this) }.header();
        // SAFETY: guaranteed by the caller.
        let mut body = unsafe { Self::body(this) };
        // SAFETY: no other code uses the body. The marker, which is part of the body, uses the other fields only.
        let body = unsafe { body.as_mut() };
        // SAFETY: the driver is pinned. The body is not moved before it is dropped in place.
        let body = unsafe { Pin::new_unchecked(body) };
        let panics = SetPanicked(header);
        let output = body.poll(cx);
        forget(panics);
        output
    }
}

#[cold]
fn polled_when_done() -> ! {
    unreachable!("a driver is not polled after completion")
}

/// When dropped, records that the body has panicked and that its locals are gone.
struct SetPanicked<'h>(&'h Header);

impl Drop for SetPanicked<'_> {
    fn drop(&mut self) {
        self.0.panicked.set(true);
    }
}

impl<F, N, S, B, W, Literal> Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: Name<Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Polls the block and returns whether it has ended. A block that has ended is dropped. A panic of the poll or of
    /// the drop is a panic of the block.
    ///
    /// # Safety
    ///
    /// The driver must be live and pinned. Its block must not have been dropped, and must not be in use.
    #[inline]
    unsafe fn run_block(this: NonNull<Self>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let frame = unsafe { Self::frame(this) };
        let ran = panics::catch(|| {
            // SAFETY: guaranteed by the caller.
            let mut block = unsafe { Self::block(this) };
            // SAFETY: the caller is the marker, or the driver while the body is suspended at the marker. The block
            // polls neither of them, so only one such reference exists at a time (fact 3).
            let block_mut = unsafe { block.as_mut() };
            // SAFETY: the block is a field of the pinned driver and is dropped in place.
            let polled = unsafe { Pin::new_unchecked(block_mut) }.poll(cx);
            match polled {
                Poll::Ready(value) => frame.set_return(value),
                // The block has stored its end in the slot, and stays pending forever.
                Poll::Pending if frame.is_over() => {}
                Poll::Pending => return false,
            }
            frame.header().outcome.set(frame.outcome());
            frame.header().state.set(State::BlockDone);
            // SAFETY: the block has not been dropped before, because the state was not `BlockDone` until now.
            unsafe { block.drop_in_place() };
            true
        });
        match ran {
            // SAFETY: guaranteed by the caller.
            Ok(ended) => ended && unsafe { Self::pass(this) },
            // SAFETY: guaranteed by the caller.
            Err(payload) => unsafe { Self::fail(this, payload) },
        }
    }

    /// Completes the outcome of a block that has ended, and returns `true`. If the block completed and contains the
    /// marker of an enclosing manager, the outcome of that marker replaces `Completed`.
    ///
    /// # Safety
    ///
    /// The driver must be live.
    #[inline]
    unsafe fn pass(this: NonNull<Self>) -> bool {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { Self::frame(this) }.header();
        // SAFETY: guaranteed by the caller.
        let enclosing = unsafe { Self::enclosing(this) };
        // SAFETY: the field is not written while the driver is live.
        let enclosing = unsafe { enclosing.as_ref() };
        if let (Outcome::Completed, Some(outcome)) = (header.outcome.get(), enclosing.outcome()) {
            header.outcome.set(passed_by::<S::Exit>(outcome));
        }
        true
    }

    /// Returns whether the block contains the marker of a `with!` that is being dropped and needs this marker to be
    /// polled.
    ///
    /// # Safety
    ///
    /// The driver must be live.
    #[inline]
    unsafe fn marker_is_wanted(this: NonNull<Self>) -> bool {
        // SAFETY: guaranteed by the caller.
        let enclosing = unsafe { Self::enclosing(this) };
        // SAFETY: the field is not written while the driver is live.
        unsafe { enclosing.as_ref() }.wants_marker()
    }

    /// Records that the block has panicked, drops the block if it has not been dropped, and returns `true`.
    ///
    /// # Safety
    ///
    /// The driver must be live.
    #[cold]
    unsafe fn fail(this: NonNull<Self>, payload: Payload) -> bool {
        // SAFETY: guaranteed by the caller.
        let frame = unsafe { Self::frame(this) };
        frame.set_panic(payload);
        if frame.header().state.replace(State::BlockDone).is_lent() {
            // SAFETY: the previous state says that the block had not been dropped.
            unsafe { TaskPtr(NonNull::from(frame.header())).drop_block() };
        }
        frame.header().outcome.set(Outcome::Panicked);
        true
    }
}

/// Returns the outcome seen by a manager that encloses the marker of another manager. A catching manager sees
/// `Cancelled` instead of `Failed`, because the error has already been moved to the other manager.
fn passed_by<X: Exit>(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(()) if X::CATCHES => Outcome::Cancelled,
        _ => outcome,
    }
}

// SAFETY: `name` only reads a field that is not written while the driver is live.
unsafe impl<F, N, S, B, W, Literal> BlockOwner for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: Name<Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    const CATCHES: bool = <S::Exit as Exit>::CATCHES;

    unsafe fn name(this: NonNull<Self>) -> &'static str {
        // SAFETY: guaranteed by the caller.
        unsafe { Self::named(this) }.name()
    }

    #[inline]
    unsafe fn lend(this: NonNull<Self>, value_ptr: NonNull<()>) {
        // SAFETY: the caller guarantees that it points to an `Option` of what the manager lends. That is `S::Lent`, by
        // the signature of `run`. The lifetime of the value changes to that of the frame, which ends when the block and
        // the exit phase have ended. The value is valid that long (fact 2).
        let value_ptr = unsafe { value_ptr.cast::<Option<S::Lent>>().as_mut() };
        if let Some(value) = value_ptr.take() {
            // SAFETY: the caller guarantees that the driver is live.
            let frame = unsafe { Self::frame(this) };
            frame.lend(value);
            // SAFETY: as above.
            let enclosing = unsafe { Self::enclosing(this) };
            // SAFETY: the field is not written while the driver is live.
            unsafe { enclosing.as_ref() }.has_lent(frame.header().route.get());
        }
    }

    unsafe fn poll(this: NonNull<Self>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        if let Some(value_ptr) = value_ptr {
            // SAFETY: guaranteed by the caller, with the same conditions.
            unsafe { <Self as BlockOwner>::lend(this, value_ptr) };
        }
        // SAFETY: the caller guarantees that the driver is live.
        let header = unsafe { Self::frame(this) }.header();
        match header.state.get() {
            // SAFETY: the state says that the block has not been dropped. The caller is a marker, which the block does
            // not poll.
            State::Running | State::RunningDetached => unsafe { Self::run_block(this, cx) },
            State::Cancelling => {
                // SAFETY: the state says that the block has not been dropped.
                unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
                true
            }
            _ => panic!("the future of a `yield!` was polled after completion"),
        }
    }

    unsafe fn drop_block(this: NonNull<Self>) {
        // SAFETY: the caller guarantees that the block is not in use.
        let block = unsafe { Self::block(this) };
        // SAFETY: guaranteed by the caller.
        unsafe { block.drop_in_place() };
    }

    unsafe fn set_panic(this: NonNull<Self>, payload: Payload) {
        // SAFETY: the caller guarantees that the driver is live.
        unsafe { Self::frame(this) }.set_panic(payload);
    }

    unsafe fn take_error(this: NonNull<Self>, value_ptr: NonNull<()>) {
        // SAFETY: the caller guarantees that it points to an `Option` of the caught error.
        let value_ptr = unsafe { value_ptr.cast::<Option<<S::Exit as Exit>::Caught>>().as_mut() };
        // SAFETY: the caller guarantees that the driver is live.
        *value_ptr = unsafe { Self::frame(this) }.take_error();
    }
}

impl<F, N, S, B, W, Literal> Future for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: Name<Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    ShapeOf<S::Exit>: JoinSame<S::Rest, Both = S::Both, BodyOutput = F::Output>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    type Output = End<Value<S::Both, S::Value>, S::Jump, S::Return>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of the driver.
        let this = NonNull::from(unsafe { self.get_unchecked_mut() });
        // SAFETY: the driver is live.
        let frame = unsafe { Self::frame(this) };
        match frame.header().state.get() {
            State::Unpolled => frame.header().begin(this),
            // SAFETY: the state says that the block has not been dropped, and that the body is suspended at its marker.
            State::Running if !unsafe { Self::run_block(this, cx) } => return Poll::Pending,
            // SAFETY: the driver is live.
            State::RunningDetached if unsafe { Self::marker_is_wanted(this) } => {
                frame.header().wants_marker.set(true);
            }
            _ => {}
        }
        // SAFETY: the driver is live and pinned, and no other code polls the body.
        let output = ready!(unsafe { Self::poll_body(this, cx) });
        // SAFETY: the driver is live.
        let named = || unsafe { Self::named(this) };
        Poll::Ready(conclude(frame, output, named))
    }
}

/// Returns the end of the `with!` for a body that returned `output`.
#[inline]
fn conclude<S: Scope, Literal>(
    frame: &Frame<S>,
    output: <S::Exit as Exit>::Output,
    named: impl Fn() -> Named<<S::Exit as Exit>::Output> + Copy,
) -> End<Value<S::Both, S::Value>, S::Jump, S::Return>
where
    S::Return: Classify<Literal>,
    ShapeOf<S::Exit>: JoinSame<S::Rest, Both = S::Both, BodyOutput = <S::Exit as Exit>::Output>,
{
    let before = frame.header().conclude(|| named().name());
    if output.as_error().is_some() {
        if let Err(parcel) = replace(frame, named) {
            give_way(parcel, output, named());
        }
        if let Some(error) = <ShapeOf<S::Exit>>::error(output) {
            return End::Value(error);
        }
    }
    frame.take_end::<ShapeOf<S::Exit>>().unwrap_or_else(|| match <ShapeOf<S::Exit>>::nothing() {
        Some(nothing) if before != State::Entering => End::Value(nothing),
        _ => no_value(named().name(), before),
    })
}

/// Discards the end of the block, which the error of the manager replaces. An error of the block is reported as lost.
///
/// # Errors
///
/// Returns the panic of the block if it panicked. An error does not replace a panic.
#[cold]
fn replace<S: Scope<Return: Classify<Literal>>, Literal, O: BodyOutput>(
    frame: &Frame<S>,
    named: impl Fn() -> Named<O>,
) -> Result<(), Parcel> {
    let what = "failed and replaced the error of its block";
    frame.discard(&|show| rescue::replaced(named().name(), Lost::from(what).show(show)))
}

/// Resumes the panic of the block. The error of the manager is reported as lost.
#[cold]
fn give_way<O: BodyOutput>(parcel: Parcel, output: O, named: Named<O>) -> ! {
    named.report(rescue::failed, rescue::PANICKING, &output);
    // Dropped before the panic is resumed: a panic of its destructor during unwinding would abort the process.
    panics::contain(|| drop(output));
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
    N: Name<Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    #[inline]
    fn drop(&mut self) {
        let this = NonNull::from(self);
        let _done = SetDone(this);
        // SAFETY: the driver is live.
        let state = unsafe { Self::frame(this) }.header().state.get();
        // A body that has ended holds nothing that must be dropped. It is an `async` block, or a shielded body, which
        // is empty once it has ended.
        if state != State::Done {
            // SAFETY: the driver is being dropped, so its body and block are not used afterwards.
            unsafe { drop_unfinished(&Dropping(this)) };
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
    N: Name<Output = F::Output>,
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

/// A driver that is being dropped.
struct Dropping<D>(NonNull<D>);

impl<F, N, S, B, W, Literal> Cancel for Dropping<Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output: BodyOutput>,
    N: Name<Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    fn header(&self) -> &Header {
        // SAFETY: the driver is live until `SetDone` makes it `Done`.
        unsafe { Driver::frame(self.0) }.header()
    }

    fn name(&self) -> &'static str {
        // SAFETY: as above.
        unsafe { Driver::named(self.0) }.name()
    }

    fn can_be_cut(&self) -> bool {
        N::CAN_BE_CUT
    }

    unsafe fn poll_body(&self, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: guaranteed by the caller. The driver is pinned, because it was polled before it was dropped.
        let output = ready!(unsafe { Driver::poll_body(self.0, cx) });
        if output.as_error().is_some() {
            // SAFETY: the driver is live until `SetDone` makes it `Done`.
            unsafe { Driver::named(self.0) }.report(rescue::failed, rescue::CANCELLED, &output);
        }
        panics::contain(|| drop(output));
        Poll::Ready(())
    }

    unsafe fn drop_body(&self) {
        // SAFETY: guaranteed by the caller.
        let body = unsafe { Driver::body(self.0) };
        // SAFETY: guaranteed by the caller.
        unsafe { body.drop_in_place() };
    }

    unsafe fn drop_block(&self) {
        // SAFETY: guaranteed by the caller.
        let block = unsafe { Driver::block(self.0) };
        // SAFETY: guaranteed by the caller.
        unsafe { block.drop_in_place() };
    }

    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel> {
        // SAFETY: the driver is live until `SetDone` makes it `Done`.
        unsafe { Driver::frame(self.0) }.clear(report)
    }
}
