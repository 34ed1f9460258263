//! The future of a `with!`: polls the body of the manager, or the block while the body is suspended at its marker.

mod owner;
mod parts;

use core::future::Future;
use core::hint::unreachable_unchecked;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

pub(super) use self::parts::DriverParts;
use super::any_body::poll_body;
use super::any_driver::before_body;
use super::body::{AtWith, Body, FrameHandle};
use super::cancel::drop_unfinished;
use super::conclude::{EndOf, conclude, poll_in_scope};
use super::header::State;
use super::stop_scope::is_scope;
use super::yield_point::Enclosing;
use crate::classify::Classify;
use crate::exit::{CatchesFrom, Exit};
use crate::frame::Frame;
use crate::lend::Lends;
use crate::manager::UndroppedManager;
use crate::named::NameAt;
use crate::output::{BodyOutput, JoinOutput};
use crate::scope_types::{RestOutput, Scope};

/// The future of a `with!`. Runs the manager, and the block at its marker.
///
/// The body and the block are fields without a wrapper type such as `ManuallyDrop`, because each wrapper lowers the depth
/// to which `with!`s can be nested before the compiler reports an overflow. The driver must not drop them a second time,
/// so the code that drops them sets the driver to `Done`. `Done` is encoded as a value that a field of the parts
/// cannot have, for example null for `frame`, and needs no extra memory.
#[must_use = "a driver does nothing until it is awaited"]
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
        parts: DriverParts<'h, N, S, W, Literal>,
        body: F,
        block: B,
        /// The header and the marker point to the driver, so it must not move.
        pinned: PhantomPinned,
    },
    #[doc(hidden)]
    Done,
}

/// Returns the future that runs `block` with the value lent by `manager`.
///
/// The [`BorrowToken`](crate::frame::BorrowToken)s of the `frame` must be locals next to it, so that no part of the
/// lent value outlives the `with!`. For `literal` see [`Classify`], for the values that `literals` returns see
/// `ShowsError`, and for `enclosing` see [`Enclosing`]. `literals` is never called.
#[inline]
pub fn run<'h, 'a, 'b, M, L, S, B, W, Literal, Literals>(
    manager: UndroppedManager<M, L>,
    frame: &'h Frame<S>,
    enclosing: W,
    block: B,
    _literal: Literal,
    _literals: impl FnOnce() -> Literals,
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
    let parts = DriverParts { frame, enclosing, name, literal: PhantomData };
    Driver::Live { parts, body, block, pinned: PhantomPinned }
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

impl<'h, F, N, S, B, W, Literal> Driver<'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Returns the parts, the body and the block, also of a driver whose body or block has been dropped. The functions of the
    /// [`owner`] are called while the body is in use, so they have functions of their own.
    ///
    /// # Safety
    ///
    /// The driver must be live during `'p`, and pinned if it has been polled. Neither the body nor the block must be in use while
    /// its reference is used. A reference to one that has been dropped must not be used at all. (It does not matter that it exists:
    /// the `&mut` to the driver, which is passed to `poll`, is a reference to the same value.)
    #[inline]
    unsafe fn fields<'p>(mut driver: NonNull<Self>) -> Fields<'p, 'h, F, N, S, B, W, Literal> {
        // SAFETY: guaranteed by the caller.
        match *unsafe { driver.as_mut() } {
            Self::Live { ref parts, ref mut body, ref mut block, .. } => {
                // SAFETY: guaranteed by the caller. The body is not moved before it is dropped in place.
                let body = unsafe { Pin::new_unchecked(body) };
                (parts, body, block)
            }
            // SAFETY: a live driver is not `Done`.
            Self::Done => unsafe { unreachable_unchecked() },
        }
    }
}

/// References to the parts, the body and the block of a driver.
type Fields<'p, 'h, F, N, S, B, W, Literal> = (&'p DriverParts<'h, N, S, W, Literal>, Pin<&'p mut F>, &'p mut B);

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
        // SAFETY: the driver is live.
        let parts = unsafe { Self::parts(driver.cast()) };
        let header = parts.frame.header();
        if is_scope(cx.waker()) {
            header.set_owner(driver);
            // SAFETY: the driver is live and pinned. No other code uses the body or the block now.
            let (parts, body, block) = unsafe { Self::fields(driver) };
            // SAFETY: as above. The header has its owner.
            return unsafe { poll_in_scope(parts.frame, parts, body, NonNull::from(block), cx) };
        }
        match header.state.get() {
            State::Unpolled => {
                header.set_owner(driver);
                header.begin(true);
            }
            // SAFETY: the driver is pinned. The state says that the block has not been dropped, and that the body is suspended
            // at its marker.
            State::Running if !unsafe { Self::run_block(driver.cast(), cx) } => return Poll::Pending,
            _ => before_body(header, &parts.enclosing),
        }
        // SAFETY: the driver is live and pinned. No other code uses the body now.
        let (_, body, _) = unsafe { Self::fields(driver) };
        conclude(parts.frame, parts, poll_body(header, body, cx))
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
        // A body that has ended holds nothing that must be dropped: see `Body::Future`. It is an `async` block, or a body that
        // is empty once it has ended, or a reference to one of these.
        let driver = NonNull::from(self);
        // SAFETY: the driver is `Done` only after this.
        let parts = unsafe { Self::parts(driver.cast()) };
        if !parts.frame.header().is_over() {
            // SAFETY: the driver is being dropped, so its body and block are not used afterwards.
            unsafe { drop_live(driver) };
        }
        // Written here in any case, so that the compiler knows that nothing is left to be dropped.
        // SAFETY: the body and the block have been dropped, or have ended.
        unsafe { driver.write(Self::Done) };
    }
}

/// Drops the body and the block of a driver that has not ended. Sets it to `Done`, also if that unwinds.
///
/// # Safety
///
/// The driver must be live, and must not be used again.
#[cold]
#[inline(never)]
unsafe fn drop_live<F, N, S, B, W, Literal>(driver: NonNull<Driver<'_, F, N, S, B, W, Literal>>)
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    // SAFETY: guaranteed by the caller.
    let (parts, body, block) = unsafe { Driver::fields(driver) };
    // SAFETY: guaranteed by the caller. The body and the block have been dropped by then.
    let _done = OnDrop(|| unsafe { driver.write(Driver::Done) });
    // SAFETY: guaranteed by the caller.
    unsafe { drop_unfinished(parts, body, NonNull::from(block)) };
}

/// Calls a function when it is dropped, also during unwinding.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    #[inline]
    fn drop(&mut self) {
        (self.0)();
    }
}
