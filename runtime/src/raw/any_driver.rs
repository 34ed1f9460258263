//! A driver without its types, for code that runs rarely: it is compiled once, and not for each `with!`.

use core::ptr::NonNull;
use core::task::Context;

use super::header::{Flag, Header, State};
use super::yield_point::Enclosing;
use crate::named::Named;
use crate::panics::Parcel;
use crate::rescue::Show;

/// A live driver. Its header has its owner, unless it has not been polled.
pub(super) struct AnyDriver<'d> {
    pub(super) header: &'d Header,
    pub(super) parts: &'d dyn AnyParts,
    pub(super) body: &'d mut dyn AnyBody,
    /// Points to the block. It must not be used once the owner in the header has polled the block.
    pub(super) block: NonNull<dyn AnyBlock + 'd>,
}

/// The body of a live driver, and its output once it has ended.
pub(super) trait AnyBody {
    /// Polls the body, and keeps its output.
    ///
    /// # Panics
    ///
    /// Panics if the body has been dropped.
    fn poll(&mut self, cx: &mut Context<'_>) -> BodyPoll;

    /// Drops the output, if there is one. A panic of this drop is contained. If it is an error, and there is a reason `what`
    /// for the loss, the error is reported first.
    fn discard_output(&mut self, what: Option<&str>);

    /// Drops the body. If its marker still has the block, the marker drops the block.
    ///
    /// # Safety
    ///
    /// The body must not have been dropped, and the driver must not use it again.
    unsafe fn drop_body(&mut self);
}

/// The result of a poll of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyPoll {
    Pending,
    Succeeded,
    Failed,
}

/// A block without its type. It can only be dropped.
pub(super) trait AnyBlock {}

impl<B> AnyBlock for B {}

/// The [`DriverParts`](super::driver::DriverParts) of a driver, without their types.
pub(super) trait AnyParts {
    fn header(&self) -> &Header;

    fn enclosing(&self) -> &dyn Enclosing;

    /// Returns whether work is lost when the body is dropped in its exit phase.
    fn can_be_cut(&self) -> bool;

    /// Drops the content of the slot, which no caller receives. If there is a `report`, it is first called with a
    /// function that formats the content. Returns the panic of the block, if it panicked.
    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel>;
}

/// The [`AnyParts`] of a driver whose body returns `O`.
pub(super) trait PartsOf<O>: AnyParts {
    /// Returns these parts without the type of the output.
    fn any(&self) -> &dyn AnyParts;

    /// Returns the name of the manager, together with the function that formats its error.
    fn named(&self) -> Named<O>;
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
