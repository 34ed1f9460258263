//! The driver as the owner of the block: the functions that the marker calls.

use core::future::Future;
use core::hint::unreachable_unchecked;
use core::pin::Pin;
use core::ptr::{NonNull, drop_in_place};
use core::task::Context;

use super::{Driver, DriverParts};
use crate::classify::Classify;
use crate::exit::{CatchesFrom, Exit};
use crate::frame::Frame;
use crate::named::NameAt;
use crate::output::BodyOutput;
use crate::panics::{self, Payload};
use crate::raw::TaskPtr;
use crate::raw::header::BlockOwner;
use crate::raw::stop_block::poll_for_marker;
use crate::raw::yield_point::Enclosing;
use crate::scope_types::Scope;

/// Evaluates to a reference to a field of a live driver. Creates no reference to another field. To know that the driver is
/// live, it reads the parts only: the body of a driver has no value left in which `Done` could be encoded.
macro_rules! field {
    ($driver:expr, [$($field:tt)*] => $value:ident) => {
        match *$driver.as_ptr() {
            Driver::Live { $($field)*, .. } => $value,
            Driver::Done => unreachable_unchecked(),
        }
    };
}

impl<'h, F, N, S, B, W, Literal> Driver<'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// # Safety
    ///
    /// `this` must point to such a driver, which must be live during `'p`.
    #[inline]
    pub(super) unsafe fn parts<'p>(this: NonNull<()>) -> &'p DriverParts<'h, N, S, W, Literal> {
        // SAFETY: the driver is live, so it is not `Done`. This field is not written while it is.
        unsafe { field!(this.cast::<Self>(), [ref parts] => parts) }
    }

    /// # Safety
    ///
    /// See [`parts`](Self::parts). The block must not have been dropped, and must not be in use during `'p`.
    #[inline]
    unsafe fn block<'p>(this: NonNull<()>) -> &'p mut B {
        // SAFETY: as in `parts`. The rest is guaranteed by the caller.
        unsafe { field!(this.cast::<Self>(), [ref mut block] => block) }
    }
}

impl<F, N, S, B, W, Literal> Driver<'_, F, N, S, B, W, Literal>
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
    /// `this` must point to such a driver, which must be pinned. The caller must be the marker, or the driver while the body is
    /// suspended at the marker. The block must not have been dropped.
    #[inline]
    pub(super) unsafe fn run_block(this: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let parts = unsafe { Self::parts(this) };
        let header = parts.frame.header();
        let header_ptr = TaskPtr(NonNull::from(header));
        let ran = if cfg!(debug_assertions) {
            // SAFETY: guaranteed by the caller.
            unsafe { catch_call(Self::poll_and_drop, this, cx) }
        } else {
            // SAFETY: guaranteed by the caller.
            panics::catch(|| unsafe { Self::poll_and_drop(this, cx) })
        };
        match ran {
            Ok(false) => return false,
            Ok(true) => parts.enclosing.pass(&header.outcome),
            // SAFETY: the driver is the owner of the block, which is not in use any more.
            Err(payload) => unsafe { header_ptr.fail(payload) },
        }
        true
    }

    /// Polls the block and returns whether it has ended. A block that has ended is dropped.
    ///
    /// # Safety
    ///
    /// See [`run_block`](Self::run_block).
    #[inline]
    unsafe fn poll_and_drop(this: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let frame = unsafe { Self::parts(this) }.frame;
        // SAFETY: the caller is the marker, or the driver while the body is suspended at the marker. The block polls neither
        // of them, so only one such reference exists at a time (fact 3).
        let block = unsafe { Self::block(this) };
        // SAFETY: the block is a field of the pinned driver and is dropped in place.
        let has_ended = frame.end_block(unsafe { Pin::new_unchecked(&mut *block) }.poll(cx));
        if has_ended {
            // SAFETY: the block has not been dropped before: only this poll has set the state to `BlockDone`, and nothing
            // else drops the block while it is polled (fact 3).
            unsafe { drop_in_place(block) };
        }
        has_ended
    }
}

/// Calls `poll` with the other arguments, and catches its panic. This is compiled only once, so that the debug build of a
/// `with!` takes less time.
///
/// # Safety
///
/// The conditions of `poll` apply.
unsafe fn catch_call(
    poll: unsafe fn(NonNull<()>, &mut Context<'_>) -> bool,
    this: NonNull<()>,
    cx: &mut Context<'_>,
) -> Result<bool, Payload> {
    // SAFETY: guaranteed by the caller.
    panics::catch(|| unsafe { poll(this, cx) })
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
        unsafe { Self::parts(this) }.name.named().name()
    }

    unsafe fn lend(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let parts = unsafe { Self::parts(this) };
        // SAFETY: guaranteed by the caller.
        unsafe { lend(parts, value_ptr) };
    }

    unsafe fn begin(this: NonNull<()>, value_ptr: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let parts = unsafe { Self::parts(this) };
        // SAFETY: guaranteed by the caller.
        unsafe { lend(parts, value_ptr) };
        // SAFETY: the driver is pinned: see `Header::set_owner`. The marker has only begun to lend, so the block has not been
        // dropped. The caller is the marker.
        unsafe { Self::run_block(this, cx) }
    }

    unsafe fn poll_block(this: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller. The driver is pinned: see `Header::set_owner`.
        unsafe { Self::run_block(this, cx) }
    }

    unsafe fn poll(this: NonNull<()>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let parts = unsafe { Self::parts(this) };
        // SAFETY: guaranteed by the caller.
        unsafe { poll_for_marker(parts, value_ptr, cx) }
    }

    unsafe fn drop_block(this: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let block = unsafe { Self::block(this) };
        // SAFETY: guaranteed by the caller.
        unsafe { drop_in_place(block) };
    }

    unsafe fn set_panic(this: NonNull<()>, payload: &mut Option<Payload>) {
        // SAFETY: guaranteed by the caller.
        unsafe { Self::parts(this) }.frame.set_panic(payload);
    }

    unsafe fn take_error(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: the caller guarantees that it points to an `Option` of the caught error.
        let value_ptr = unsafe { value_ptr.cast::<Option<<S::Exit as Exit>::Caught>>().as_mut() };
        // SAFETY: guaranteed by the caller.
        *value_ptr = unsafe { Self::parts(this) }.frame.take_error();
    }
}

/// Takes the value out of `value_ptr`, and lends it to the block.
///
/// # Safety
///
/// See [`BlockOwner::lend`].
#[inline]
unsafe fn lend<N, S, W, Literal>(parts: &DriverParts<'_, N, S, W, Literal>, value_ptr: NonNull<()>)
where
    S: Scope,
    W: Enclosing,
{
    // SAFETY: guaranteed by the caller.
    unsafe { lend_in(parts.frame, value_ptr) };
    parts.enclosing.has_lent(parts.frame.header().route.get());
}

/// Takes the value out of `value_ptr`, and puts it into the slot of the frame.
///
/// # Safety
///
/// See [`BlockOwner::lend`].
#[inline]
unsafe fn lend_in<S: Scope>(frame: &Frame<S>, value_ptr: NonNull<()>) {
    // SAFETY: the caller guarantees that it points to an `Option` of what the manager lends. That is `S::Lent`, by the
    // signature of `run`. The lifetime of the value changes to that of the frame, which ends when the block and the exit
    // phase have ended. The value is valid that long (fact 2).
    let value_ptr = unsafe { value_ptr.cast::<Option<S::Lent>>().as_mut() };
    // SAFETY: guaranteed by the caller.
    frame.lend(unsafe { value_ptr.take().unwrap_unchecked() });
}
