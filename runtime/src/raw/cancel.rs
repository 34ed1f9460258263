//! Drops a `with!` that has not ended, independent of the type of its block.

use core::future::Future;
use core::pin::Pin;
use core::ptr::{NonNull, drop_in_place, null};
use core::task::{Context, RawWaker, RawWakerVTable, Waker};

use super::TaskPtr;
use super::any_body::BodyOf;
use super::any_driver::{AnyBlock, AnyDriver, AnyParts, BodyPoll, PartsOf};
use super::header::{Flag, State, abort_leaked};
use crate::budget;
use crate::current_thread::count_dropped;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Parcel};
use crate::rescue::{self, Lost, Show};
#[cfg(feature = "std")]
use crate::waker::identity;

/// Drops a driver that has not ended, or whose body has ended without lending to the block. Never panics.
///
/// # Safety
///
/// The body and the block must be those of the driver with these parts, in the state that its header records, and must not be
/// used again. The driver must be the owner in its header, unless it has not been polled.
#[cold]
pub(super) unsafe fn drop_unfinished<'d, O: BodyOutput>(
    parts: &'d dyn PartsOf<O>,
    body: Pin<&'d mut (dyn Future<Output = O> + 'd)>,
    block: NonNull<dyn AnyBlock + 'd>,
) {
    let header = parts.header();
    let mut body = BodyOf::new(header, parts, body);
    // SAFETY: guaranteed by the caller.
    unsafe { drop_in_state(&mut AnyDriver { header, parts: parts.any(), body: &mut body, block }) };
}

/// Same as [`drop_unfinished`], without the type of the output.
///
/// # Safety
///
/// See there.
pub(super) unsafe fn drop_in_state(driver: &mut AnyDriver<'_>) {
    let header = driver.header;
    let has_block = header.state.get().is_lent() && !header.has(Flag::Panicked);
    if !matches!(header.state.get(), State::Unpolled | State::EnteringPlain | State::Entering) {
        count_dropped();
    }
    let cut = {
        // The rescues of the block run before the rescue of the manager.
        let _scope = has_block.then(rescue::block_before_manager);
        // SAFETY: the state says that neither the body nor the block has been dropped.
        let has_ended = has_block && unsafe { cancel(driver) };
        let cut = if has_ended { None } else { cut_at(driver) };
        // SAFETY: guaranteed by the caller.
        panics::contain(|| unsafe { driver.body.drop_body() });
        cut
    };
    match header.state.get() {
        State::Running | State::RunningDetached | State::Cancelling => abort_leaked(header.name()),
        State::Unpolled | State::EnteringPlain | State::Entering => {
            let block = driver.block.as_ptr();
            // SAFETY: the block has not been dropped, because no marker has lent.
            panics::contain(|| unsafe { drop_in_place(block) });
        }
        State::BlockDone | State::BlockDropped | State::Done => {}
    }
    if header.has(Flag::Panicked) {
        replace(driver.parts);
    } else if let Some(parcel) = driver.parts.clear(None) {
        panics::discard(parcel);
    }
    if let Some(what) = cut {
        rescue::unfinished(header.name(), what);
    }
}

/// Returns the report about a body that is dropped now, while it is suspended at an `.await`. `None` if the body is in
/// its enter phase, or if no work is lost.
fn cut_at(driver: &AnyDriver<'_>) -> Option<&'static str> {
    let header = driver.header;
    if header.has(Flag::Panicked) || header.has(Flag::HasEnded) || !driver.parts.can_be_cut() {
        return None;
    }
    match header.state.get() {
        State::Unpolled | State::EnteringPlain | State::Entering | State::Done => None,
        State::Running | State::RunningDetached | State::Cancelling => Some(NOT_AWAITED),
        State::BlockDone | State::BlockDropped => Some(CUT),
    }
}

/// Describes a body that is dropped because it waits for something else than its marker, which has the block.
pub(super) const NOT_AWAITED: &str = "did not await its `yield!` when it was cancelled; the rest of its body is lost";

/// Describes a body that is dropped in its exit phase.
const CUT: &str = "was cut off in its exit phase, because its `with!` was dropped; add the option `shielded`, or put \
                   `graceful` around it, to complete it";

/// Drops the end of the block, which the panic of the manager replaces, and reports the loss.
#[cold]
#[inline(never)]
fn replace(parts: &dyn AnyParts) {
    if let Some(parcel) = discard_end(parts, "panicked and replaced the error of its block") {
        let what = "panicked and replaced the panic of its block";
        rescue::replaced_panic(parts.header().name(), what, parcel);
    }
}

/// Drops the end of the block. If the block has failed, its error is reported as replaced, with the reason `what`. Returns
/// the panic of the block, if it panicked.
pub(super) fn discard_end(parts: &dyn AnyParts, what: &str) -> Option<Parcel> {
    let has_failed = parts.header().slot_kind().outcome() == Some(Outcome::Failed(()));
    let report = |show: Show<'_>| rescue::replaced(parts.header().name(), Lost::from(what).show(show));
    parts.clear(has_failed.then_some(&report))
}

/// Drops the running block and polls the body once. Returns whether the body has ended. The body receives `Cancelled` at
/// its marker, and its exit phase runs to the first `.await` that is not ready.
///
/// If the body itself is suspended at the marker, the block is dropped here before that poll, so that dropping uses no
/// more stack than polling. Otherwise the marker drops the block. The body is polled without tokio's budget for the
/// task. Otherwise a future that is ready would return `Pending` if the block has used up the budget.
///
/// # Safety
///
/// The body and the block must not have been dropped. The driver must be the owner in its header.
unsafe fn cancel(driver: &mut AnyDriver<'_>) -> bool {
    let header = driver.header;
    if header.state.get() == State::Running {
        // SAFETY: the state says that the block has not been dropped. What is lent to it is valid, because the body is
        // suspended at the marker.
        unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
    } else {
        header.state.set(State::Cancelling);
        header.set(Flag::WantsMarker, true);
    }
    let mut polled = BodyPoll::Pending;
    let mut poll = || {
        polled = driver.body.poll(&mut Context::from_waker(&IN_PLACE));
        driver.body.discard_output(Some(rescue::CANCELLED));
    };
    if let Err(payload) = panics::catch(|| budget::unconstrained(&mut poll)) {
        rescue::panicked(header.name(), payload);
    }
    polled != BodyPoll::Pending
}

/// The waker that a body is polled with while its `with!` is dropped. It does nothing, and differs from every other
/// waker. An executor that runs in such a poll uses its own waker.
// SAFETY: the waker has no data, and its functions need none.
static IN_PLACE: Waker = unsafe { Waker::from_raw(raw_in_place()) };

static VTABLE: RawWakerVTable = RawWakerVTable::new(|_| raw_in_place(), |_| {}, |_| {}, |_| {});

const fn raw_in_place() -> RawWaker {
    RawWaker::new(null(), &VTABLE)
}

/// Returns whether the future that is polled with this waker leaves in place, in the drop of a `with!`. It is `false`
/// for a rescue that is polled there, and for a future that an executor polls there.
#[cfg(feature = "std")]
pub(super) fn is_in_place(waker: &Waker) -> bool {
    rescue::is_in_place() && identity(waker) == identity(&IN_PLACE)
}
