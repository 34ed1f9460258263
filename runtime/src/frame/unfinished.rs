//! Drops a `with!` that has not ended, whatever the type of its block.

use core::ptr::{NonNull, null};
use core::task::{Context, RawWaker, RawWakerVTable, Waker};

use super::Link;
use super::header::{Header, State, abort_leaked};
use crate::budget;
use crate::handoff::Cleared;
#[cfg(feature = "std")]
use crate::home::identity;
use crate::outcome::Outcome;
use crate::panics;
use crate::rescue;

/// The parts of a driver that is dropped before its end, or that has ended without a block.
pub(super) trait Unfinished {
    fn header(&self) -> &Header;

    fn name(&self) -> &'static str;

    /// Polls the body. Returns whether it has ended in an error.
    ///
    /// # Safety
    ///
    /// The body is there.
    unsafe fn poll_body(&self, cx: &mut Context<'_>) -> bool;

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

    /// Drops what the block left behind, which nobody receives. Returns what it was.
    fn clear(&self) -> Cleared;
}

/// Drops a driver that has not ended, or that has ended without a block. It never panics.
///
/// # Safety
///
/// Body and block are as the driver was left, and are not used again.
#[cold]
pub(super) unsafe fn drop_unfinished(driver: &dyn Unfinished) {
    let header = driver.header();
    if header.state.get().is_lent() && !header.panicked.get() {
        // What is left of the block goes before what is left of the manager.
        let _level = rescue::block_first();
        // SAFETY: the body is there.
        unsafe { cancel(driver) };
        // SAFETY: the caller says so.
        panics::contain(|| unsafe { driver.drop_body() });
    } else {
        // SAFETY: the caller says so.
        panics::contain(|| unsafe { driver.drop_body() });
    }
    match header.state.get() {
        State::Running | State::RunningDetached | State::Cancelling => abort_leaked(driver.name()),
        // SAFETY: nobody has dropped it, as no marker has lent.
        State::Unpolled | State::Entering => panics::contain(|| unsafe { driver.drop_block() }),
        State::BlockDone | State::BlockDropped | State::Done => {}
    }
    let cleared = driver.clear();
    if !matches!(cleared, Cleared::Nothing) {
        lose(driver, cleared);
    }
}

/// Tells of what the block left behind, if a panic of the manager has replaced it.
#[cold]
#[inline(never)]
fn lose(driver: &dyn Unfinished, cleared: Cleared) {
    let header = driver.header();
    let has_failed = header.outcome.get() == Outcome::Failed(());
    match cleared {
        Cleared::Panic(parcel) if header.panicked.get() => {
            rescue::replaced_panic(driver.name(), "panicked, and its panic replaced that of its block", parcel);
        }
        Cleared::Panic(parcel) => panics::contain(|| parcel.discard()),
        Cleared::Content if header.panicked.get() && has_failed => {
            rescue::replaced(driver.name(), "panicked, and its panic replaced the error of its block");
        }
        Cleared::Content | Cleared::Nothing => {}
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
unsafe fn cancel(driver: &dyn Unfinished) {
    let header = driver.header();
    if header.state.get() == State::Running {
        // SAFETY: the block is there, as the state says, and so is what is lent to it, as the body waits at the marker.
        unsafe { Link(NonNull::from(header)).cancel_block() };
    } else {
        header.state.set(State::Cancelling);
        header.wants_marker.set(true);
    }
    let mut has_failed = false;
    // SAFETY: the caller says so.
    let mut poll = || has_failed = unsafe { driver.poll_body(&mut Context::from_waker(&IN_PLACE)) };
    if let Err(payload) = panics::catch(|| budget::unconstrained(&mut poll)) {
        rescue::panicked(driver.name(), payload);
    } else if has_failed {
        rescue::failed(driver.name(), "failed after a cancellation; its error is lost");
    }
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
