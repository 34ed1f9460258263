//! Drops a `with!` that has not ended, whatever the type of its block.

use core::ptr::{NonNull, null};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::TaskPtr;
use super::header::{Header, State, abort_leaked};
use crate::budget;
use crate::outcome::Outcome;
use crate::panics::{self, Parcel};
use crate::rescue::{self, Lost, Show};
#[cfg(feature = "std")]
use crate::waker::identity;

/// The parts of a driver that is dropped before its end, or that has ended without a block.
pub(super) trait Cancel {
    fn header(&self) -> &Header;

    fn name(&self) -> &'static str;

    /// Returns whether something is lost when the body is dropped in its exit phase.
    fn can_be_cut(&self) -> bool;

    /// Polls the body. If it has ended in an error, it is told of.
    ///
    /// # Safety
    ///
    /// The body is there.
    unsafe fn poll_body(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the body. A marker that is still there drops the block with it.
    ///
    /// # Safety
    ///
    /// The body is there, and is not used again.
    unsafe fn drop_body(&self);

    /// Drops the block.
    ///
    /// # Safety
    ///
    /// The block is there, and is not used again.
    unsafe fn drop_block(&self);

    /// Drops what the block left behind, which nobody receives. If there is a `report`, that gets before what shows it.
    /// Returns the panic of the block, if it has left one behind.
    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>;
}

/// Drops a driver that has not ended, or that has ended without a block. It never panics.
///
/// # Safety
///
/// Body and block are as the driver was left, and are not used again.
#[cold]
pub(super) unsafe fn drop_unfinished(driver: &dyn Cancel) {
    let header = driver.header();
    let cut;
    if header.state.get().is_lent() && !header.panicked.get() {
        // What is left of the block goes before what is left of the manager.
        let _level = rescue::block_before_manager();
        // SAFETY: the body is there.
        let polled = unsafe { cancel(driver) };
        cut = if polled.is_pending() { cut_at(driver) } else { None };
        // SAFETY: the caller says so.
        panics::contain(|| unsafe { driver.drop_body() });
    } else {
        cut = cut_at(driver);
        // SAFETY: the caller says so.
        panics::contain(|| unsafe { driver.drop_body() });
    }
    match header.state.get() {
        State::Running | State::RunningDetached | State::Cancelling => abort_leaked(driver.name()),
        // SAFETY: nobody has dropped it, as no marker has lent.
        State::Unpolled | State::Entering => panics::contain(|| unsafe { driver.drop_block() }),
        State::BlockDone | State::BlockDropped | State::Done => {}
    }
    if header.panicked.get() {
        replace(driver);
    } else if let Some(parcel) = driver.clear(None) {
        panics::contain(|| parcel.discard());
    }
    if let Some(what) = cut {
        rescue::unfinished(driver.name(), what);
    }
}

/// Returns what is to be told of a body that is dropped now, at an `.await` that is not ready. `None` if it is entering, or
/// if nothing is lost.
fn cut_at(driver: &dyn Cancel) -> Option<&'static str> {
    let header = driver.header();
    if header.panicked.get() || header.has_ended.get() || !driver.can_be_cut() {
        return None;
    }
    match header.state.get() {
        State::Unpolled | State::Entering | State::Done => None,
        State::Running | State::RunningDetached | State::Cancelling => {
            Some("did not wait for its `yield!` when it was cancelled; the rest of it is lost")
        }
        State::BlockDone | State::BlockDropped => Some(CUT),
    }
}

const CUT: &str =
    "was cut off in its exit phase, as its `with!` was dropped; the option `shielded` has it run to its end";

/// Drops what the block left behind, which a panic of the manager replaces. It is told of.
#[cold]
#[inline(never)]
fn replace(driver: &dyn Cancel) {
    let has_failed = driver.header().outcome.get() == Outcome::Failed(());
    let what = "panicked, and its panic replaced the error of its block";
    let report = |show: Show<'_>| rescue::replaced(driver.name(), Lost::from(what).show(show));
    if let Some(parcel) = driver.clear(has_failed.then_some(&report)) {
        rescue::replaced_panic(driver.name(), "panicked, and its panic replaced that of its block", parcel);
    }
}

/// Drops the block that is under way, and polls the body once: it sees `Cancelled` at its marker, and its exit phase runs
/// on from there to the first `.await` that is not ready.
///
/// Where the body itself waits at the marker, the block is dropped first, from here, so that dropping takes no more stack
/// than polling. Elsewhere the marker drops it. The body is polled outside of the budget that tokio gives a task: what is
/// ready is not made to look pending because the block has used the budget up.
///
/// # Safety
///
/// The body and the block are there.
unsafe fn cancel(driver: &dyn Cancel) -> Poll<()> {
    let header = driver.header();
    if header.state.get() == State::Running {
        // SAFETY: the block is there, as the state says, and so is what is lent to it, as the body waits at the marker.
        unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
    } else {
        header.state.set(State::Cancelling);
        header.wants_marker.set(true);
    }
    let mut polled = Poll::Pending;
    // SAFETY: the caller says so.
    let mut poll = || polled = unsafe { driver.poll_body(&mut Context::from_waker(&IN_PLACE)) };
    if let Err(payload) = panics::catch(|| budget::unconstrained(&mut poll)) {
        rescue::panicked(driver.name(), payload);
    }
    polled
}

/// What a body is polled with in the drop of its `with!`: does nothing, and is no other. An executor that runs in such a
/// poll has a waker of its own.
// SAFETY: it has no data, and the functions need none.
static IN_PLACE: Waker = unsafe { Waker::from_raw(raw_in_place()) };

static VTABLE: RawWakerVTable = RawWakerVTable::new(|_| raw_in_place(), |_| {}, |_| {}, |_| {});

const fn raw_in_place() -> RawWaker {
    RawWaker::new(null(), &VTABLE)
}

/// Whether what is polled with this waker leaves in place, in the drop of a `with!`. A rescue that is polled there does
/// not, nor does what an executor polls that runs there.
#[cfg(feature = "std")]
pub(super) fn is_in_place(waker: &Waker) -> bool {
    rescue::is_in_place() && identity(waker) == identity(&IN_PLACE)
}
