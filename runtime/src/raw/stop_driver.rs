//! Polls a driver in a scope that can stop it.

use core::ptr::NonNull;
use core::task::Context;

use super::any_driver::{AnyDriver, BodyPoll, before_body};
use super::cancel::drop_in_state;
use super::header::{Flag, Header, State};
use super::stop_block::{begin_running, begin_stop, body_polled, driver_polled, poll_block, stop_if_running};
use super::stop_scope::{StopMode, StopScope};
use crate::frame::SlotState;
use crate::outcome::Outcome;
use crate::panics;

/// Polls the driver. If its body ends, and its `with!` has a result, writes the output of the body to `output`.
///
/// # Safety
///
/// See [`AnyDriver::poll_body`]. `header` must be that of the driver, and must have its owner.
#[cold]
pub(super) unsafe fn poll_driver(driver: &dyn AnyDriver, header: &Header, cx: &mut Context<'_>, output: NonNull<()>) {
    header.set_not_plain();
    let Some(scope) = StopScope::of(cx.waker()) else {
        // SAFETY: guaranteed by the caller.
        unsafe { poll_plain(driver, header, cx, output) };
        return;
    };
    match scope.mode() {
        // SAFETY: guaranteed by the caller.
        StopMode::Running => unsafe { poll_running(driver, header, scope, cx, output) },
        StopMode::Leaving if !header.has(Flag::Stopping) => {
            let mut around = Context::from_waker(scope.task());
            // A `with!` that is not around a marker is in an exit phase, which no stop reaches.
            let cx = if driver.enclosing().is_around_marker() { cx } else { &mut around };
            // SAFETY: guaranteed by the caller.
            unsafe { poll_plain(driver, header, cx, output) };
        }
        // SAFETY: guaranteed by the caller.
        StopMode::Stopping | StopMode::Leaving => unsafe { poll_stopping(driver, scope, cx, output) },
    }
}

/// Polls the driver as [`Driver::poll`](super::Driver) does in no scope. Returns whether its body has ended.
///
/// # Safety
///
/// See [`poll_driver`].
unsafe fn poll_plain(driver: &dyn AnyDriver, header: &Header, cx: &mut Context<'_>, output: NonNull<()>) -> bool {
    match header.state.get() {
        State::Unpolled => header.begin(false),
        // SAFETY: the state says that the block has not been dropped, and that the body is suspended at its marker.
        State::Running if !unsafe { poll_block(header, cx) } => return false,
        _ => before_body(header, driver.enclosing()),
    }
    // SAFETY: guaranteed by the caller.
    unsafe { driver.poll_body(cx, output) != BodyPoll::Pending }
}

/// Polls a driver in a scope that does not stop it.
///
/// # Safety
///
/// See [`poll_driver`].
unsafe fn poll_running(
    driver: &dyn AnyDriver,
    header: &Header,
    scope: &StopScope<'_>,
    cx: &mut Context<'_>,
    output: NonNull<()>,
) {
    // SAFETY: guaranteed by the caller. While the driver is `Running`, the block has not been dropped.
    if !unsafe { begin_running(header, scope, cx) } {
        return;
    }
    let trace = scope.trace_open();
    // SAFETY: guaranteed by the caller. The driver is not `Running` any more.
    let has_ended = unsafe { poll_plain(driver, header, cx, output) };
    let is_open = trace.end();
    if !has_ended {
        driver_polled(header, scope, is_open);
    }
}

/// Polls a driver in a scope that stops it.
///
/// # Safety
///
/// See [`poll_driver`].
unsafe fn poll_stopping(driver: &dyn AnyDriver, scope: &StopScope<'_>, cx: &mut Context<'_>, output: NonNull<()>) {
    let header = driver.header();
    let Some(mode) = begin_stop(driver) else {
        // SAFETY: guaranteed by the caller. The block is not polled before the marker has lent.
        return unsafe { abandon(driver, output) };
    };
    // SAFETY: guaranteed by the caller. While the driver is `Running`, what is lent is valid, because the body is suspended
    // at its marker.
    if !unsafe { stop_if_running(driver, scope, cx) } {
        return;
    }
    let inner = StopScope::new(cx.waker(), mode);
    // SAFETY: guaranteed by the caller.
    let polled = inner.poll(|cx| unsafe { driver.poll_body(cx, output) });
    body_polled(header, &inner, scope, polled != BodyPoll::Pending);
    match polled {
        // SAFETY: as above.
        BodyPoll::Pending if !header.has(Flag::HasOpen) => unsafe { abandon(driver, output) },
        BodyPoll::Succeeded if !has_result(driver) => {
            header.conclude();
            // SAFETY: guaranteed by the caller.
            unsafe { driver.discard(output, None) };
            panics::discard(driver.clear(None));
        }
        _ => {}
    }
}

/// Drops a manager that is in its enter phase, when nothing in it is open. It may hold what the exit phase of another
/// manager waits for.
///
/// # Safety
///
/// No other code may use the body or the block. For `output`, see [`poll_driver`].
unsafe fn abandon(driver: &dyn AnyDriver, output: NonNull<()>) {
    let header = driver.header();
    if header.state.get().is_entering() {
        // SAFETY: neither the body nor the block has been dropped. The state below says that they are now.
        unsafe { drop_in_state(driver, output) };
        header.state.set(State::Done);
    }
}

/// Returns whether a `with!` that a scope stops has a result, although its body has not failed.
fn has_result(driver: &dyn AnyDriver) -> bool {
    let header = driver.header();
    let content = driver.slot_state();
    let is_over = matches!(content, SlotState::End(_));
    !header.has(Flag::Cut)
        || matches!(content, SlotState::End(Outcome::Failed(()) | Outcome::Panicked))
        || (is_over && driver.enclosing().outcome().is_some())
        || header.state.get().is_entering()
}
