//! In place of the module of this name in the crate.

#[path = "../../../runtime/src/managers/signal.rs"]
mod signal;
#[path = "../../../runtime/src/managers/stopper.rs"]
#[allow(dead_code, reason = "no model races")]
mod stopper;
mod task_group;

mod signal_models;

mod until {
    use std::task::{Context, Poll};

    use crate::raw::stop_scope::StopScope;

    pub(super) fn poll_cut_short(cx: &Context<'_>) -> Poll<()> {
        let Some(around) = StopScope::stopping(cx.waker()) else { return Poll::Pending };
        around.set_cut();
        Poll::Ready(())
    }
}
