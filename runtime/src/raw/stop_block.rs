//! Stops the block of a `with!`: what is open in it leaves first, then the block is dropped.

use core::ptr::NonNull;
use core::task::Context;

use super::TaskPtr;
use super::header::{Flag, Header, State};
use super::stop_scope::{StopMode, StopPoll, StopScope};

/// A driver whose block is stopped.
pub(super) trait StopBlock {
    fn header(&self) -> &Header;

    /// Polls the block and returns whether it has ended.
    ///
    /// # Safety
    ///
    /// The driver must be pinned. The block must not have been dropped, and must not be in use.
    unsafe fn run_block(&self, cx: &mut Context<'_>) -> bool;

    /// Returns whether the block has been polled: it then has taken the lent value.
    fn has_begun(&self) -> bool;

    /// Drops what the block and the body have left, such as the lent value.
    fn clear(&self);
}

/// Continues to stop the block. A block that has ended has been dropped. A block that has not been polled runs to its
/// first `.await` that waits, like all code that continues during a stop.
///
/// # Safety
///
/// The driver must be pinned. The block must not have been dropped, and must not be in use. What is lent to it must be
/// valid.
#[cold]
pub(super) unsafe fn stop_block(driver: &dyn StopBlock, cx: &mut Context<'_>) -> StopPoll {
    let header = driver.header();
    if !driver.has_begun() || header.has(Flag::Leaving) || header.has(Flag::HasOpen) {
        // SAFETY: guaranteed by the caller.
        if let Some(polled) = unsafe { leave_block(driver, cx) } {
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
unsafe fn leave_block(driver: &dyn StopBlock, cx: &mut Context<'_>) -> Option<StopPoll> {
    let header = driver.header();
    let mode = if header.has(Flag::Leaving) { StopMode::Leaving } else { StopMode::Stopping };
    let scope = StopScope::new(cx.waker(), mode);
    // SAFETY: guaranteed by the caller.
    let has_ended = scope.poll(|cx| unsafe { driver.run_block(cx) });
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
pub(super) fn record_open(header: &Header, scope: &StopScope<'_>, is_open: bool) {
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
pub(super) fn marker_polled(header: &Header, scope: &StopScope<'_>, polled: StopPoll) {
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
/// not poll the body: nothing is entered any more, and an enter phase in which nothing is open is abandoned. `can_stop` is
/// `false` for an entry of a stack: see [`Enclosing`](super::Enclosing::CAN_STOP).
pub(super) fn begin_stop(header: &Header, can_stop: bool) -> Option<StopMode> {
    let state = header.state.get();
    let mode = match state {
        State::Unpolled | State::Done => return None,
        _ if state.is_entering() && !header.has(Flag::HasOpen) => return None,
        _ if state.is_entering() => StopMode::Stopping,
        _ => StopMode::Leaving,
    };
    if can_stop && !header.has(Flag::Stopping) {
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
pub(super) fn pass_leaving(header: &Header, scope: &StopScope<'_>) {
    if header.has(Flag::Leaving) {
        scope.leave();
        if header.has(Flag::Cut) {
            scope.set_cut();
        }
    }
}
