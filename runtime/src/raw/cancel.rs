//! Drops a `with!` that has not ended, independent of the type of its block.

use core::ptr::{NonNull, null};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::TaskPtr;
use super::header::{Flag, Header, State, abort_leaked};
use crate::budget;
use crate::current_thread::count_dropped;
use crate::panics::{self, Parcel};
use crate::rescue::{self, Lost, Show};
#[cfg(feature = "std")]
use crate::waker::identity;

/// A driver that is dropped before its end, or whose body has ended without lending to the block.
pub(super) trait Cancel {
    fn header(&self) -> &Header;

    fn name(&self) -> &'static str;

    /// Returns whether work is lost when the body is dropped in its exit phase.
    fn can_be_cut(&self) -> bool;

    /// Returns whether the slot holds an error of the block. An error that bypasses the manager is elsewhere.
    fn has_error(&self) -> bool;

    /// Polls the body. If the body ends in an error, the error is reported.
    ///
    /// # Safety
    ///
    /// The body must not have been dropped.
    unsafe fn poll_body(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the body. If its marker still has the block, the marker drops the block.
    ///
    /// # Safety
    ///
    /// The body must not have been dropped, and must not be used again.
    unsafe fn drop_body(&self);

    /// Drops the block.
    ///
    /// # Safety
    ///
    /// The block must not have been dropped, and must not be used again.
    unsafe fn drop_block(&self);

    /// Drops the content of the slot, which no caller receives. If there is a `report`, it is first called with a
    /// function that formats the content. Returns the panic of the block, if it panicked.
    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>;
}

/// Drops a driver that has not ended, or whose body has ended without lending to the block. Never panics.
///
/// # Safety
///
/// The body and the block must be in the state that the header records, and must not be used again.
#[cold]
pub(super) unsafe fn drop_unfinished(driver: &dyn Cancel) {
    let header = driver.header();
    let has_block = header.state.get().is_lent() && !header.has(Flag::Panicked);
    if !matches!(header.state.get(), State::Unpolled | State::EnteringPlain | State::Entering) {
        count_dropped();
    }
    let cut = {
        // The rescues of the block run before the rescue of the manager.
        let _scope = has_block.then(rescue::block_before_manager);
        // SAFETY: the state says that neither the body nor the block has been dropped.
        let has_ended = has_block && unsafe { cancel(driver) }.is_ready();
        let cut = if has_ended { None } else { cut_at(driver) };
        // SAFETY: guaranteed by the caller.
        panics::contain(|| unsafe { driver.drop_body() });
        cut
    };
    match header.state.get() {
        State::Running | State::RunningDetached | State::Cancelling => abort_leaked(driver.name()),
        // SAFETY: the block has not been dropped, because no marker has lent.
        State::Unpolled | State::EnteringPlain | State::Entering => panics::contain(|| unsafe { driver.drop_block() }),
        State::BlockDone | State::BlockDropped | State::Done => {}
    }
    if header.has(Flag::Panicked) {
        replace(driver);
    } else if let Some(parcel) = driver.clear(None) {
        panics::contain(|| parcel.discard());
    }
    if let Some(what) = cut {
        rescue::unfinished(driver.name(), what);
    }
}

/// Returns the report about a body that is dropped now, while it is suspended at an `.await`. `None` if the body is in
/// its enter phase, or if no work is lost.
fn cut_at(driver: &dyn Cancel) -> Option<&'static str> {
    let header = driver.header();
    if header.has(Flag::Panicked) || header.has(Flag::HasEnded) || !driver.can_be_cut() {
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
fn replace(driver: &dyn Cancel) {
    let what = "panicked and replaced the error of its block";
    let report = |show: Show<'_>| rescue::replaced(driver.name(), Lost::from(what).show(show));
    if let Some(parcel) = driver.clear(driver.has_error().then_some(&report)) {
        rescue::replaced_panic(driver.name(), "panicked and replaced the panic of its block", parcel);
    }
}

/// Drops the running block and polls the body once. The body receives `Cancelled` at its marker, and its exit phase
/// runs to the first `.await` that is not ready.
///
/// If the body itself is suspended at the marker, the block is dropped here before that poll, so that dropping uses no
/// more stack than polling. Otherwise the marker drops the block. The body is polled without tokio's budget for the
/// task. Otherwise a future that is ready would return `Pending` if the block has used up the budget.
///
/// # Safety
///
/// The body and the block must not have been dropped.
unsafe fn cancel(driver: &dyn Cancel) -> Poll<()> {
    let header = driver.header();
    if header.state.get() == State::Running {
        // SAFETY: the state says that the block has not been dropped. What is lent to it is valid, because the body is
        // suspended at the marker.
        unsafe { TaskPtr(NonNull::from(header)).cancel_block() };
    } else {
        header.state.set(State::Cancelling);
        header.set(Flag::WantsMarker, true);
    }
    let mut polled = Poll::Pending;
    // SAFETY: guaranteed by the caller.
    let mut poll = || polled = unsafe { driver.poll_body(&mut Context::from_waker(&IN_PLACE)) };
    if let Err(payload) = panics::catch(|| budget::unconstrained(&mut poll)) {
        rescue::panicked(driver.name(), payload);
    }
    polled
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
