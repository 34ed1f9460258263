//! Polls a driver in a scope that can stop it.

use core::task::Context;

use super::any_driver::{AnyDriver, BodyPoll, before_body};
use super::cancel::drop_in_state;
use super::header::{Flag, State};
use super::stop_block::{begin_running, begin_stop, body_polled, driver_polled, poll_block, stop_if_running};
use super::stop_scope::{StopMode, StopScope};
use crate::outcome::Outcome;
use crate::panics;

/// Polls the driver. If its body ends, and its `with!` has a result, the body keeps its output.
///
/// # Safety
///
/// The driver must be pinned, and must be the owner in its header. The block must not be in use.
#[cold]
pub(super) unsafe fn poll_driver(driver: &mut AnyDriver<'_>, cx: &mut Context<'_>) {
    let header = driver.header;
    header.set_not_plain();
    let Some(scope) = StopScope::of(cx.waker()) else {
        // SAFETY: guaranteed by the caller.
        unsafe { poll_plain(driver, cx) };
        return;
    };
    match scope.mode() {
        // SAFETY: guaranteed by the caller.
        StopMode::Running => unsafe { poll_running(driver, scope, cx) },
        StopMode::Leaving if !header.has(Flag::Stopping) => {
            let mut around = Context::from_waker(scope.task());
            // A `with!` that is not around a marker is in an exit phase, which no stop reaches.
            let cx = if driver.parts.enclosing().is_around_marker() { cx } else { &mut around };
            // SAFETY: guaranteed by the caller.
            unsafe { poll_plain(driver, cx) };
        }
        // SAFETY: guaranteed by the caller.
        StopMode::Stopping | StopMode::Leaving => unsafe { poll_stopping(driver, scope, cx) },
    }
}

/// Polls the driver as [`Driver::poll`](super::Driver) does in no scope. Returns whether its body has ended.
///
/// # Safety
///
/// See [`poll_driver`].
unsafe fn poll_plain(driver: &mut AnyDriver<'_>, cx: &mut Context<'_>) -> bool {
    let header = driver.header;
    match header.state.get() {
        State::Unpolled => header.begin(false),
        // SAFETY: the state says that the block has not been dropped, and that the body is suspended at its marker.
        State::Running if !unsafe { poll_block(header, cx) } => return false,
        _ => before_body(header, driver.parts.enclosing()),
    }
    driver.body.poll(cx) != BodyPoll::Pending
}

/// Polls a driver in a scope that does not stop it.
///
/// # Safety
///
/// See [`poll_driver`].
unsafe fn poll_running(driver: &mut AnyDriver<'_>, scope: &StopScope<'_>, cx: &mut Context<'_>) {
    let header = driver.header;
    // SAFETY: guaranteed by the caller. While the driver is `Running`, the block has not been dropped.
    if !unsafe { begin_running(header, scope, cx) } {
        return;
    }
    let trace = scope.trace_open();
    // SAFETY: guaranteed by the caller. The driver is not `Running` any more.
    let has_ended = unsafe { poll_plain(driver, cx) };
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
unsafe fn poll_stopping(driver: &mut AnyDriver<'_>, scope: &StopScope<'_>, cx: &mut Context<'_>) {
    let header = driver.header;
    let Some(mode) = begin_stop(driver.parts) else {
        // SAFETY: guaranteed by the caller. The block is not polled before the marker has lent.
        return unsafe { abandon(driver) };
    };
    // SAFETY: guaranteed by the caller. While the driver is `Running`, what is lent is valid, because the body is suspended
    // at its marker.
    if !unsafe { stop_if_running(driver.parts, scope, cx) } {
        return;
    }
    let inner = StopScope::new(cx.waker(), mode);
    let polled = inner.poll(|cx| driver.body.poll(cx));
    body_polled(header, &inner, scope, polled != BodyPoll::Pending);
    match polled {
        // SAFETY: as above.
        BodyPoll::Pending if !header.has(Flag::HasOpen) => unsafe { abandon(driver) },
        BodyPoll::Succeeded if !has_result(driver) => {
            header.conclude();
            driver.body.discard_output(None);
            panics::discard(driver.parts.clear(None));
        }
        _ => {}
    }
}

/// Drops a manager that is in its enter phase, when nothing in it is open. It may hold what the exit phase of another
/// manager waits for.
///
/// # Safety
///
/// See [`poll_driver`].
unsafe fn abandon(driver: &mut AnyDriver<'_>) {
    let header = driver.header;
    if header.state.get().is_entering() {
        // SAFETY: neither the body nor the block has been dropped. The state below says that they are now.
        unsafe { drop_in_state(driver) };
        header.state.set(State::Done);
    }
}

/// Returns whether a `with!` that a scope stops has a result, although its body has not failed.
fn has_result(driver: &AnyDriver<'_>) -> bool {
    let header = driver.header;
    let outcome = header.slot_kind().outcome();
    !header.has(Flag::Cut)
        || matches!(outcome, Some(Outcome::Failed(()) | Outcome::Panicked))
        || (outcome.is_some() && driver.parts.enclosing().outcome().is_some())
        || header.state.get().is_entering()
}
