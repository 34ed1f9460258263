//! Stops the block of a `with!`: what is open in it leaves first, then the block is dropped.

use core::ptr::NonNull;
use core::task::Context;

use super::TaskPtr;
use super::any_driver::AnyParts;
use super::header::{Flag, Header, SlotKind, State};
use super::stop_scope::{StopMode, StopPoll, StopScope};

/// Polls the block for its marker, in a scope that can stop it, or while it is being stopped.
///
/// # Safety
///
/// See [`BlockOwner::poll`](super::header::BlockOwner::poll).
#[cold]
pub(super) unsafe fn poll_for_marker(
    parts: &dyn AnyParts,
    value_ptr: Option<NonNull<()>>,
    cx: &mut Context<'_>,
) -> bool {
    let header = parts.header();
    let scope = StopScope::of(cx.waker());
    let is_stopping = scope.is_some_and(|scope| scope.mode() == StopMode::Stopping);
    let can_stop = || parts.enclosing().can_stop() || (value_ptr.is_none() && has_begun(header));
    let stops = header.has(Flag::Stopping) || (is_stopping && can_stop());
    if let Some(value_ptr) = value_ptr {
        // SAFETY: guaranteed by the caller, with the same conditions.
        unsafe { TaskPtr(NonNull::from(header)).lend(value_ptr) };
    }
    match (header.state.get().is_running(), scope) {
        (true, scope) if stops => {
            // SAFETY: the state says that the block has not been dropped. The caller is a marker, which the block does not
            // poll. What is lent is valid, because the marker is the caller.
            let polled = unsafe { stop_block(parts, cx) };
            scope.inspect(|scope| marker_polled(header, scope, polled));
            polled == StopPoll::Ended
        }
        // SAFETY: as above.
        (true, Some(scope)) => unsafe { run_block_in(header, scope, cx) },
        // SAFETY: as above.
        (true, None) => unsafe { poll_block(header, cx) },
        // SAFETY: as above.
        (false, _) => unsafe { cancel_block(header) },
    }
}

/// Returns whether the block has been polled: it then has taken the lent value.
fn has_begun(header: &Header) -> bool {
    header.slot_kind() != SlotKind::Lent
}

/// Drops the block of a `with!` that is being dropped. Returns `true`, because the block has ended.
///
/// # Panics
///
/// Panics if the block has ended before.
///
/// # Safety
///
/// Unless the block has ended, what is lent to it must be valid.
unsafe fn cancel_block(header: &Header) -> bool {
    assert!(header.state.get() == State::Cancelling, "the future of a `yield!` was polled after completion");
    // SAFETY: the state says that the block has not been dropped.
    unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
    true
}

/// Polls the block of the driver with this header, and returns whether it has ended: see [`BlockOwner::poll_block`](super::header::BlockOwner::poll_block).
///
/// # Safety
///
/// The driver must be pinned. The block must not have been dropped, and must not be in use.
pub(super) unsafe fn poll_block(header: &Header, cx: &mut Context<'_>) -> bool {
    // SAFETY: guaranteed by the caller. The owner of the block is the driver, which is alive.
    unsafe { TaskPtr(NonNull::from(header)).poll_block(cx) }
}

/// Polls the block in a scope that may stop it later. Returns whether the block has ended.
///
/// # Safety
///
/// See [`poll_block`].
unsafe fn run_block_in(header: &Header, scope: &StopScope<'_>, cx: &mut Context<'_>) -> bool {
    let trace = scope.trace_open();
    // SAFETY: guaranteed by the caller.
    let has_ended = unsafe { poll_block(header, cx) };
    let is_open = trace.end();
    if !has_ended {
        record_open(header, scope, is_open);
    }
    has_ended
}

/// Begins the poll of a driver in a scope that does not stop it. Returns whether the body is to be polled.
///
/// # Safety
///
/// See [`poll_block`]. While the driver is `Running`, the block must not have been dropped.
#[inline]
pub(super) unsafe fn begin_running(header: &Header, scope: &StopScope<'_>, cx: &mut Context<'_>) -> bool {
    match header.state.get() {
        State::Unpolled => !scope.is_requested(),
        // SAFETY: guaranteed by the caller.
        State::Running => unsafe { run_block_in(header, scope, cx) },
        _ => true,
    }
}

/// Stops the block of a driver that is `Running`. Returns whether the body is to be polled.
///
/// # Safety
///
/// See [`stop_block`]. While the driver is `Running`, the block must not have been dropped.
#[cold]
pub(super) unsafe fn stop_if_running(parts: &dyn AnyParts, scope: &StopScope<'_>, cx: &mut Context<'_>) -> bool {
    let header = parts.header();
    if header.state.get() == State::Running {
        // SAFETY: guaranteed by the caller.
        let polled = unsafe { stop_block(parts, cx) };
        if polled != StopPoll::Ended {
            pass_leaving(header, scope);
            scope.record(polled);
            return false;
        }
    }
    true
}

/// Continues to stop the block. A block that has ended has been dropped. A block that has not been polled runs to its
/// first `.await` that waits, like all code that continues during a stop.
///
/// # Safety
///
/// The driver must be pinned. The block must not have been dropped, and must not be in use. What is lent to it must be
/// valid.
#[cold]
unsafe fn stop_block(parts: &dyn AnyParts, cx: &mut Context<'_>) -> StopPoll {
    let header = parts.header();
    if !has_begun(header) || header.has(Flag::Leaving) || header.has(Flag::HasOpen) {
        // SAFETY: guaranteed by the caller.
        if let Some(polled) = unsafe { leave_block(parts, cx) } {
            return polled;
        }
    }
    header.set(Flag::Cut, true);
    // SAFETY: guaranteed by the caller.
    unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
    StopPoll::Ended
}

/// Polls the block, so that what is open in it leaves. `None` if nothing in it is open any more, so that it can be
/// dropped.
///
/// # Safety
///
/// See [`stop_block`].
unsafe fn leave_block(parts: &dyn AnyParts, cx: &mut Context<'_>) -> Option<StopPoll> {
    let header = parts.header();
    let mode = if header.has(Flag::Leaving) { StopMode::Leaving } else { StopMode::Stopping };
    let scope = StopScope::new(cx.waker(), mode);
    // SAFETY: guaranteed by the caller.
    let has_ended = scope.poll(|cx| unsafe { poll_block(header, cx) });
    if scope.is_cut() {
        header.set(Flag::Cut, true);
    }
    if scope.has_stopped_marker() {
        StopScope::of(cx.waker()).inspect(|around| around.set_stopped_marker());
    }
    let is_leaving = scope.mode() == StopMode::Leaving;
    if is_leaving {
        // Also if the block has ended: the scope around the `with!` does not know it yet.
        header.set(Flag::Leaving, true);
    }
    if has_ended {
        return Some(StopPoll::Ended);
    }
    if is_leaving { Some(StopPoll::Open) } else { scope.stop_poll() }
}

/// Records whether the block, which was polled in a running scope, contains something open.
fn record_open(header: &Header, scope: &StopScope<'_>, is_open: bool) {
    scope.set_open();
    let is_hidden = header.has(Flag::HasOpen) && scope.may_have_skipped();
    header.set(Flag::HasOpen, is_open || is_hidden);
}

/// Records the result of a poll of a driver, which is pending, in the running scope that polls it.
pub(super) fn driver_polled(header: &Header, scope: &StopScope<'_>, is_open: bool) {
    if header.state.get().is_entering() {
        let is_hidden = header.has(Flag::HasOpen) && scope.may_have_skipped();
        header.set(Flag::HasOpen, is_open || is_hidden);
    } else {
        scope.set_open();
    }
}

/// Records the result of a poll of the marker, whose block is being stopped, in the scope that polls the marker.
fn marker_polled(header: &Header, scope: &StopScope<'_>, polled: StopPoll) {
    if header.has(Flag::Stopping) {
        scope.set_stopped_marker();
    }
    if polled != StopPoll::Ended {
        scope.record(polled);
        return;
    }
    // The code after the marker is part of the exit phase.
    scope.leave();
    if header.has(Flag::Cut) {
        scope.set_cut();
    }
}

/// Begins or continues the stop of a driver. Returns the mode in which the driver must poll its body. `None` if it must
/// not poll the body: nothing is entered any more, and an enter phase in which nothing is open is abandoned.
pub(super) fn begin_stop(parts: &dyn AnyParts) -> Option<StopMode> {
    let header = parts.header();
    let state = header.state.get();
    let mode = match state {
        State::Unpolled | State::Done => return None,
        _ if state.is_entering() && !header.has(Flag::HasOpen) => return None,
        _ if state.is_entering() => StopMode::Stopping,
        _ => StopMode::Leaving,
    };
    if parts.enclosing().can_stop() && !header.has(Flag::Stopping) {
        header.set(Flag::Stopping, true);
        header.set(Flag::WantsMarker, state == State::RunningDetached);
    }
    Some(mode)
}

/// Records the result of a poll of the body of a driver that is being stopped, in the scope that stops it. The body was
/// polled in `inner`.
pub(super) fn body_polled(header: &Header, inner: &StopScope<'_>, scope: &StopScope<'_>, has_ended: bool) {
    if inner.is_cut() {
        header.set(Flag::Cut, true);
    }
    pass_leaving(header, scope);
    let polled = match header.state.get() {
        _ if has_ended => None,
        state if state.is_entering() => {
            let polled = inner.stop_poll();
            header.set(Flag::HasOpen, polled.is_some());
            polled
        }
        // A body that has put its marker aside is open, too.
        state if state.is_lent() => inner.stop_poll().or(Some(StopPoll::Open)),
        _ => Some(StopPoll::Open),
    };
    polled.inspect(|polled| scope.record(*polled));
}

/// Passes on that the marker of an enclosing manager, which is in the block, has returned.
fn pass_leaving(header: &Header, scope: &StopScope<'_>) {
    if header.has(Flag::Leaving) {
        scope.leave();
        if header.has(Flag::Cut) {
            scope.set_cut();
        }
    }
}
