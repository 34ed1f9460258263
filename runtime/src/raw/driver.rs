//! The future of a `with!`: polls the body of the manager, or the block while the body is suspended at its marker.

mod live;

use core::future::Future;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use self::live::Live;
use super::any_driver::{AnyDriver, before_body};
use super::body::{AtWith, Body, FrameHandle};
use super::cancel::drop_unfinished;
use super::conclude::{EndOf, conclude, conclude_in_value, poll_in_scope};
use super::header::{BlockOwner, State};
use super::stop_block::poll_for_marker;
use super::stop_scope::is_scope;
use super::yield_point::Enclosing;
use crate::classify::Classify;
use crate::exit::{CatchesFrom, Exit};
use crate::frame::Frame;
use crate::lend::Lends;
use crate::manager::UndroppedManager;
use crate::named::NameAt;
use crate::output::{BodyOutput, JoinOutput};
use crate::panics::Payload;
use crate::scope_types::{RestOutput, Scope};

/// The future of a `with!`. Runs the manager, and the block at its marker.
///
/// The body and the block are fields without a wrapper type such as `ManuallyDrop`, because each wrapper lowers the depth
/// to which `with!`s can be nested before the compiler reports an overflow. The driver must not drop them a second time,
/// so the code that drops them sets the driver to `Done`. `Done` is encoded as the null value of `parts.frame`
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
        parts: DriverParts<'h, N, S, W>,
        body: F,
        block: B,
        literal: PhantomData<fn() -> Literal>,
        /// The header and the marker point to the driver, so it must not move.
        pinned: PhantomPinned,
    },
    #[doc(hidden)]
    Done,
}

/// What a driver is created with, besides its body and its block. It is not changed while the driver is live.
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct DriverParts<'h, N, S: Scope, W> {
    /// Borrowed for as long as the driver lives.
    frame: &'h Frame<S>,
    enclosing: W,
    name: N,
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
    let (name, body) = start(ManuallyDrop::into_inner(manager.body), frame);
    let parts = DriverParts { frame, enclosing, name };
    Driver::Live { parts, body, block, literal: PhantomData, pinned: PhantomPinned }
}

/// Starts the body of a manager. Returns its name with it.
#[inline]
fn start<M, S, Literals>(body: M, frame: &Frame<S>) -> (AtWith<M::Name, Literals>, M::Future)
where
    M: Body,
    AtWith<M::Name, Literals>: NameAt<S, Output = <M::Future as Future>::Output>,
    S: Scope,
{
    let name = AtWith::new(body.name());
    (name, body.start(FrameHandle::new(frame.header()), name.named()))
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
        unsafe { Live::new(this.cast::<Self>()) }.parts().name.named().name()
    }

    unsafe fn lend(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::new(this.cast::<Self>()) };
        // SAFETY: guaranteed by the caller.
        unsafe { live.lend(value_ptr) };
    }

    unsafe fn begin(this: NonNull<()>, value_ptr: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::new(this.cast::<Self>()) };
        // SAFETY: guaranteed by the caller.
        unsafe { live.lend(value_ptr) };
        // SAFETY: the driver is pinned: see `Header::set_owner`. The block has not been dropped, because the marker has only
        // begun to lend. The caller is the marker, which the block does not poll.
        unsafe { live.run_block(cx) }
    }

    unsafe fn poll_block(this: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::new(this.cast::<Self>()) };
        // SAFETY: guaranteed by the caller. The driver is pinned: see `Header::set_owner`.
        unsafe { live.run_block(cx) }
    }

    unsafe fn poll(this: NonNull<()>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::new(this.cast::<Self>()) };
        // SAFETY: guaranteed by the caller.
        unsafe { poll_for_marker(&live, value_ptr, cx) }
    }

    unsafe fn drop_block(this: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let live = unsafe { Live::new(this.cast::<Self>()) };
        // SAFETY: guaranteed by the caller.
        unsafe { AnyDriver::drop_block(&live) };
    }

    unsafe fn set_panic(this: NonNull<()>, payload: &mut Option<Payload>) {
        // SAFETY: guaranteed by the caller.
        unsafe { Live::new(this.cast::<Self>()) }.frame.set_panic(payload);
    }

    unsafe fn take_error(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: the caller guarantees that it points to an `Option` of the caught error.
        let value_ptr = unsafe { value_ptr.cast::<Option<<S::Exit as Exit>::Caught>>().as_mut() };
        // SAFETY: guaranteed by the caller.
        *value_ptr = unsafe { Live::new(this.cast::<Self>()) }.frame.take_error();
    }
}

impl<F, N, S, B, W, Literal> Future for Driver<'_, F, N, S, B, W, Literal>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    F::Output: JoinOutput<RestOutput<S>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    type Output = EndOf<S>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of the driver.
        let driver = NonNull::from(unsafe { self.get_unchecked_mut() });
        // SAFETY: the driver is live and pinned.
        let live = unsafe { Live::new(driver) };
        let header = live.header();
        if is_scope(cx.waker()) {
            // SAFETY: the driver is pinned, and no other code polls the body.
            return unsafe { live.poll_in_scope(cx) };
        }
        match header.state.get() {
            State::Unpolled => {
                header.set_owner(driver);
                header.begin(true);
            }
            // SAFETY: the driver is pinned. The state says that the block has not been dropped, and that the body is suspended
            // at its marker.
            State::Running if !unsafe { live.run_block(cx) } => return Poll::Pending,
            _ => before_body(header, &live.parts().enclosing),
        }
        // SAFETY: the driver is pinned, and no other code polls the body.
        let output = ready!(unsafe { live.poll_body(cx) });
        match conclude_in_value(live.frame, output) {
            Ok(end) => Poll::Ready(end),
            Err(output) => Poll::Ready(live.conclude(output)),
        }
    }
}

impl<F, N, S, B, W, Literal> Live<'_, '_, F, N, S, B, W, Literal>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    F::Output: JoinOutput<RestOutput<S>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Returns the end of the `with!` for a body that returned `output`.
    #[inline]
    fn conclude(self, output: F::Output) -> EndOf<S> {
        // SAFETY: this is the output of the body.
        unsafe { conclude(self.frame, &self, output) }
    }

    /// Polls the driver in a scope that can stop it.
    ///
    /// # Safety
    ///
    /// The driver must be pinned, and no other code may use the body.
    #[cold]
    #[inline(never)]
    unsafe fn poll_in_scope(self, cx: &mut Context<'_>) -> Poll<EndOf<S>> {
        self.header().set_owner(self.driver);
        // SAFETY: guaranteed by the caller. The output is that of the body, by the bounds.
        unsafe { poll_in_scope::<S, F::Output>(self.frame, &self, cx) }
    }
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
        // A body that has ended holds nothing that must be dropped: see `Body::Future`. It is an `async` block, or a body that
        // is empty once it has ended, or a reference to one of these.
        // SAFETY: the driver is live until it is `Done`. It is pinned if it has been polled.
        let live = unsafe { Live::new(driver) };
        if live.header().state.get() != State::Done {
            // SAFETY: the driver is being dropped, so its body and block are not used afterwards.
            unsafe { live.drop_unfinished() };
        }
        // Written here in any case, so that the compiler knows that nothing is left to be dropped.
        // SAFETY: the pointer was made from the `&mut` to this driver. Its fields must not be dropped any more.
        unsafe { driver.write(Self::Done) };
    }
}

impl<F, N, S, B, W, Literal> Live<'_, '_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Drops the body and the block of a driver that has not ended. Sets it to `Done`, also if that unwinds.
    ///
    /// # Safety
    ///
    /// The driver must not be used again.
    #[cold]
    #[inline(never)]
    unsafe fn drop_unfinished(self) {
        let _done = SetDone(self.driver);
        // SAFETY: guaranteed by the caller. This is the output of the body.
        unsafe { drop_unfinished::<F::Output>(&self) };
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
