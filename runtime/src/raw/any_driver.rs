//! A driver without its types, for code that runs rarely: it is compiled once, and not for each `with!`.

use core::ptr::NonNull;
use core::task::Context;

use super::header::{Flag, Header, State};
use super::yield_point::Enclosing;
use crate::frame::SlotState;
use crate::panics::Parcel;
use crate::rescue::Show;

/// A live driver. Its header has its owner, unless the driver has not been polled.
pub(super) trait AnyDriver {
    fn header(&self) -> &Header;

    fn enclosing(&self) -> &dyn Enclosing;

    /// Returns whether work is lost when the body is dropped in its exit phase.
    fn can_be_cut(&self) -> bool;

    /// Returns what the slot holds. An error that bypasses the manager is elsewhere.
    fn slot_state(&self) -> SlotState;

    /// Drops the content of the slot, which no caller receives. If there is a `report`, it is first called with a
    /// function that formats the content. Returns the panic of the block, if it panicked.
    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>;

    /// Polls the body. If it ends, writes its output to `output`.
    ///
    /// # Safety
    ///
    /// The driver must be pinned. The body must not have been dropped, and must not be in use. `output` must point to an
    /// `Option` of the output of the body.
    unsafe fn poll_body(&self, cx: &mut Context<'_>, output: NonNull<()>) -> BodyPoll;

    /// Drops `output`. A panic of this drop is contained. If it is an error, and there is a reason `what` for the loss,
    /// the error is reported first.
    ///
    /// # Safety
    ///
    /// `output` must point to an `Option` of the output of the body.
    unsafe fn discard(&self, output: NonNull<()>, what: Option<&str>);

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
}

/// The result of a poll of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyPoll {
    Pending,
    Succeeded,
    Failed,
}

/// Prepares a poll of the body, before which the block is not polled.
#[inline]
pub(super) fn before_body(header: &Header, enclosing: &(impl Enclosing + ?Sized)) {
    match header.state.get() {
        // The block contains the marker of a `with!` that is being dropped, and that needs this marker to be polled.
        State::RunningDetached if enclosing.wants_marker() => header.set(Flag::WantsMarker, true),
        State::Done => polled_after_stop(header.name()),
        _ => {}
    }
}

#[cold]
pub(super) fn polled_after_stop(name: &str) -> ! {
    panic!("the `with!` of `{name}` was polled after a stop had ended it: keep the stop out by `unstopped`")
}
