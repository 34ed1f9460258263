//! The future of a `with!`: polls the body of the manager, and the block where the body waits for that.

use core::future::Future;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::forget;
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
use crate::manager::Manager;
use crate::named::Named;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Parcel, Payload};
use crate::rescue::{self, Lost, Show};
use crate::scope_types::Scope;
use crate::value::{JoinSame, ShapeOf, Value};

/// The future of a `with!`: runs the manager, and the block at its marker.
///
/// Body and block are fields of it without a wrapper, as each layer of types around them takes away from how deep
/// `with!`s can be nested before the compiler gives up. So dropping a driver must not drop them by itself: what drops
/// them makes it `Done`. The null of `frame` stands for that, which takes no room.
#[must_use = "a driver does nothing until it is awaited"]
#[expect(clippy::manual_non_exhaustive, reason = "nobody sees the one nor the other")]
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
        /// The driver is reached by pointer.
        pinned: PhantomPinned,
    },
    #[doc(hidden)]
    Done,
}

/// Runs `block` with what `manager` lends.
///
/// The [`BorrowToken`](crate::frame::BorrowToken)s of the `frame` must be locals that stand beside it, so that nothing of the lent
/// value outlives the `with!`. For `literal` see [`Classify`]; for `enclosing` see [`Enclosing`].
#[inline]
pub fn run<'h, 'a, 'b, M, L, S, B, W, Literal>(
    manager: Manager<M, L>,
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
    let body = manager.body;
    let name = body.name();
    let body = body.start(FrameHandle::new(frame.header()));
    Driver::Live { frame, enclosing, name, body, block, literal: PhantomData, pinned: PhantomPinned }
}

/// The parts of a driver that is there, by pointer. Each is borrowed by itself, as the body is borrowed while its marker
/// uses the others.
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
    /// The driver is there.
    #[inline]
    unsafe fn frame(this: NonNull<Self>) -> &'h Frame<S> {
        // SAFETY: the caller says so. The field is not written before the driver is gone.
        unsafe {
            match *this.as_ptr() {
                Self::Live { frame, .. } => frame,
                Self::Done => polled_when_done(),
            }
        }
    }

    /// # Safety
    ///
    /// As of `frame`.
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
    /// As of `frame`.
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
    /// The driver is there, and nobody uses its body now.
    #[inline]
    unsafe fn body(this: NonNull<Self>) -> NonNull<F> {
        // SAFETY: the caller says so.
        unsafe {
            match *this.as_ptr() {
                Self::Live { ref mut body, .. } => NonNull::from(body),
                Self::Done => polled_when_done(),
            }
        }
    }

    /// # Safety
    ///
    /// The driver is there, and nobody uses its block now.
    #[inline]
    unsafe fn block(this: NonNull<Self>) -> NonNull<B> {
        // SAFETY: the caller says so.
        unsafe {
            match *this.as_ptr() {
                Self::Live { ref mut block, .. } => NonNull::from(block),
                Self::Done => polled_when_done(),
            }
        }
    }

    /// Polls the body once more.
    ///
    /// # Safety
    ///
    /// The driver is there and pinned, and its body is not in use.
    #[inline]
    unsafe fn poll_body(this: NonNull<Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the caller says so.
        let header = unsafe { Self::frame(this) }.header();
        // SAFETY: the caller says so.
        let mut body = unsafe { Self::body(this) };
        // SAFETY: nobody else uses the body: the marker, which is in it, uses other parts.
        let body = unsafe { body.as_mut() };
        // SAFETY: the driver is pinned; the body stays where it is until it is dropped there.
        let body = unsafe { Pin::new_unchecked(body) };
        let panics = SetPanicked(header);
        let output = body.poll(cx);
        forget(panics);
        output
    }
}

#[cold]
fn polled_when_done() -> ! {
    unreachable!("a driver is done when it is gone")
}

/// Notes that the body has panicked, and that its locals are gone.
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
    /// Polls the block. Returns whether it has ended; it is dropped then. A panic in either is one of the block.
    ///
    /// # Safety
    ///
    /// The driver is there and pinned, its block is there, and nobody uses it now.
    #[inline]
    unsafe fn run_block(this: NonNull<Self>, cx: &mut Context<'_>) -> bool {
        // SAFETY: the caller says so.
        let frame = unsafe { Self::frame(this) };
        let ran = panics::catch(|| {
            // SAFETY: the caller says so.
            let mut block = unsafe { Self::block(this) };
            // SAFETY: the marker gets here, or the driver while the body waits at that. Neither is polled by the block, so
            // there is one such reference at a time (fact 3).
            let block_mut = unsafe { block.as_mut() };
            // SAFETY: the block is in the pinned driver, and dropped where it stands.
            let polled = unsafe { Pin::new_unchecked(block_mut) }.poll(cx);
            match polled {
                Poll::Ready(value) => frame.set_return(value),
                Poll::Pending if frame.is_over() => {}
                Poll::Pending => return false,
            }
            frame.header().outcome.set(frame.outcome());
            frame.header().state.set(State::BlockDone);
            // SAFETY: it is the first time, as the state was another.
            unsafe { block.drop_in_place() };
            true
        });
        match ran {
            // SAFETY: the caller says so.
            Ok(ended) => ended && unsafe { Self::pass(this) },
            // SAFETY: the caller says so.
            Err(payload) => unsafe { Self::fail(this, payload) },
        }
    }

    /// Notes that the block has ended. If it went well, there may be another outcome, of a marker in it.
    ///
    /// # Safety
    ///
    /// The driver is there.
    #[inline]
    unsafe fn pass(this: NonNull<Self>) -> bool {
        // SAFETY: the caller says so.
        let header = unsafe { Self::frame(this) }.header();
        // SAFETY: the caller says so.
        let enclosing = unsafe { Self::enclosing(this) };
        // SAFETY: it is not written while the driver is there.
        let enclosing = unsafe { enclosing.as_ref() };
        if let (Outcome::Completed, Some(outcome)) = (header.outcome.get(), enclosing.outcome()) {
            header.outcome.set(passed_by::<S::Exit>(outcome));
        }
        true
    }

    /// Returns whether the `with!` of a marker in the block is being dropped, and waits for that to be polled.
    ///
    /// # Safety
    ///
    /// The driver is there.
    #[inline]
    unsafe fn marker_is_wanted(this: NonNull<Self>) -> bool {
        // SAFETY: the caller says so.
        let enclosing = unsafe { Self::enclosing(this) };
        // SAFETY: it is not written while the driver is there.
        unsafe { enclosing.as_ref() }.wants_marker()
    }

    /// Notes that the block has panicked.
    ///
    /// # Safety
    ///
    /// The driver is there.
    #[cold]
    unsafe fn fail(this: NonNull<Self>, payload: Payload) -> bool {
        // SAFETY: the caller says so.
        let frame = unsafe { Self::frame(this) };
        frame.set_panic(payload);
        if frame.header().state.replace(State::BlockDone).is_lent() {
            // SAFETY: it was there, as the state said.
            unsafe { TaskPtr(NonNull::from(frame.header())).drop_block() };
        }
        frame.header().outcome.set(Outcome::Panicked);
        true
    }
}

/// Returns what a manager sees of the outcome of another one around whose marker it stands. If it catches errors, there
/// is none to be caught: the other one has it.
fn passed_by<X: Exit>(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(()) if X::CATCHES => Outcome::Cancelled,
        _ => outcome,
    }
}

// SAFETY: the name is not written while the driver is there.
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
        // SAFETY: the caller says so.
        unsafe { Self::named(this) }.name()
    }

    #[inline]
    unsafe fn lend(this: NonNull<Self>, value_ptr: NonNull<()>) {
        // SAFETY: the caller says that it points to such an `Option`, and `S::Lent` is what the manager lends, by the
        // signature of `run`. The lifetime changes to that of the frame, which is over when the block and the exit phase
        // are; the value is good so long (fact 2).
        let value_ptr = unsafe { value_ptr.cast::<Option<S::Lent>>().as_mut() };
        if let Some(value) = value_ptr.take() {
            // SAFETY: the caller says that the driver is there.
            let frame = unsafe { Self::frame(this) };
            frame.lend(value);
            // SAFETY: as above.
            let enclosing = unsafe { Self::enclosing(this) };
            // SAFETY: it is not written while the driver is there.
            unsafe { enclosing.as_ref() }.has_lent(frame.header().route.get());
        }
    }

    unsafe fn poll(this: NonNull<Self>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        if let Some(value_ptr) = value_ptr {
            // SAFETY: the caller says the same.
            unsafe { <Self as BlockOwner>::lend(this, value_ptr) };
        }
        // SAFETY: the caller says that the driver is there.
        let header = unsafe { Self::frame(this) }.header();
        match header.state.get() {
            // SAFETY: the block is there, as the state says; a marker calls this, which is not polled by the block.
            State::Running | State::RunningDetached => unsafe { Self::run_block(this, cx) },
            State::Cancelling => {
                // SAFETY: it is there, as the state says.
                unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
                true
            }
            _ => panic!("polled after its end"),
        }
    }

    unsafe fn drop_block(this: NonNull<Self>) {
        // SAFETY: the caller says that nobody uses it.
        let block = unsafe { Self::block(this) };
        // SAFETY: the caller says so.
        unsafe { block.drop_in_place() };
    }

    unsafe fn set_panic(this: NonNull<Self>, payload: Payload) {
        // SAFETY: the caller says that the driver is there.
        unsafe { Self::frame(this) }.set_panic(payload);
    }

    unsafe fn take_error(this: NonNull<Self>, value_ptr: NonNull<()>) {
        // SAFETY: the caller says that it points to such an `Option`.
        let value_ptr = unsafe { value_ptr.cast::<Option<<S::Exit as Exit>::Caught>>().as_mut() };
        // SAFETY: the caller says that the driver is there.
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
        // SAFETY: it is there.
        let frame = unsafe { Self::frame(this) };
        match frame.header().state.get() {
            State::Unpolled => frame.header().begin(this),
            // SAFETY: the block is there, as the state says, and the body waits at its marker.
            State::Running if !unsafe { Self::run_block(this, cx) } => return Poll::Pending,
            // SAFETY: it is there.
            State::RunningDetached if unsafe { Self::marker_is_wanted(this) } => {
                frame.header().wants_marker.set(true);
            }
            _ => {}
        }
        // SAFETY: it is there and pinned, and nobody else polls it.
        let output = ready!(unsafe { Self::poll_body(this, cx) });
        // SAFETY: it is there.
        let named = || unsafe { Self::named(this) };
        Poll::Ready(conclude(frame, output, named))
    }
}

/// Returns what becomes of the `with!` when its manager has ended in `output`.
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

/// Drops what the block left behind, which an error of the manager replaces.
///
/// # Errors
///
/// The panic of the block, if there is one, which is not replaced.
#[cold]
fn replace<S: Scope<Return: Classify<Literal>>, Literal, O: BodyOutput>(
    frame: &Frame<S>,
    named: impl Fn() -> Named<O>,
) -> Result<(), Parcel> {
    let what = "failed, and its error replaced that of its block";
    frame.discard(&|show| rescue::replaced(named().name(), Lost::from(what).show(show)))
}

/// Lets the panic of the block go on. The error of the manager is lost.
#[cold]
fn give_way<O: BodyOutput>(parcel: Parcel, output: O, named: Named<O>) -> ! {
    named.report(rescue::failed, rescue::PANICKING, &output);
    // Not in the unwinding, where a panic of its destructor would abort the process.
    panics::contain(|| drop(output));
    parcel.resume();
}

/// The manager ended in success, and there is no value for its `with!`.
#[cold]
fn no_value(name: &str, state: State) -> ! {
    let what = match state {
        State::BlockDropped => "dropped its block before the end",
        State::BlockDone => "caught the error of its block",
        _ => panic!("`{name}` ended without reaching its `yield!`"),
    };
    panic!("`{name}` {what} and then succeeded: `with!` has no value; return an `Err`, or add the option `suppress`")
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
        // SAFETY: it is there.
        let state = unsafe { Self::frame(this) }.header().state.get();
        // A body that has ended has nothing left in it: it is an `async` block, or a shielded one, which is empty then.
        if state != State::Done {
            // SAFETY: this is the end of the driver.
            unsafe { drop_unfinished(&Dropping(this)) };
        }
    }
}

/// Makes a driver `Done`, whatever unwinds: what is in it has been dropped, or is not to be dropped any more.
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
        // SAFETY: it is made of the `&mut` of a driver that is being dropped, and outlived by that.
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
        // SAFETY: the driver is there until it is `Done`.
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
        // SAFETY: the caller says so; what is dropped before its end was pinned when it was polled.
        let output = ready!(unsafe { Driver::poll_body(self.0, cx) });
        if output.as_error().is_some() {
            // SAFETY: the driver is there until it is `Done`.
            unsafe { Driver::named(self.0) }.report(rescue::failed, rescue::CANCELLED, &output);
        }
        panics::contain(|| drop(output));
        Poll::Ready(())
    }

    unsafe fn drop_body(&self) {
        // SAFETY: the caller says so.
        let body = unsafe { Driver::body(self.0) };
        // SAFETY: the caller says so.
        unsafe { body.drop_in_place() };
    }

    unsafe fn drop_block(&self) {
        // SAFETY: the caller says so.
        let block = unsafe { Driver::block(self.0) };
        // SAFETY: the caller says so.
        unsafe { block.drop_in_place() };
    }

    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel> {
        // SAFETY: the driver is there until it is `Done`.
        unsafe { Driver::frame(self.0) }.clear(report)
    }
}
