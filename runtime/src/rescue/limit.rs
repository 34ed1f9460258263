//! `set_limit`: the time that a rescue may take.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::timer::Alarm;

/// `None` if there is no limit.
static LIMIT: Mutex<Option<Duration>> = Mutex::new(None);

/// Sets the time that each rescue may take that begins in this process from now on. `Duration::MAX` is no limit, which
/// is the default.
///
/// A rescue that has not ended within `limit` is dropped: its manager gets no further than the `.await` at which it is.
/// This is a [`Loss`](super::Loss) of the kind [`Unfinished`](super::LossKind::Unfinished), and counts as
/// [`cut`](super::Metrics::cut). What waits for the rescue goes on when everything in it is gone.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::rescue;
///
/// rescue::set_limit(Duration::from_secs(30)); // at the beginning of `main`
/// # rescue::set_limit(Duration::MAX);
/// ```
///
/// The time of a rescue begins when the rescues have ended for which it waits: those in its block. It is measured by the
/// system's clock, and not by that of an executor. A rescue that blocks its thread, or whose executor does not poll it,
/// is not dropped.
///
/// For the limit of one [`graceful`](crate::graceful()) future, see [`within`](crate::Graceful::within). The shorter of
/// the two limits counts.
pub fn set_limit(limit: Duration) {
    let limit = (limit != Duration::MAX).then_some(limit);
    *LIMIT.lock().unwrap_or_else(PoisonError::into_inner) = limit;
}

/// The limit of a rescue. Its time begins with the first poll.
pub(crate) struct Limit {
    duration: Option<Duration>,
    alarm: Option<Alarm>,
}

impl Limit {
    /// Creates a limit. With `None` it never passes.
    pub(crate) const fn new(duration: Option<Duration>) -> Self {
        Self { duration, alarm: None }
    }

    /// Creates the limit that applies to rescues which begin now.
    pub(super) fn of_rescues() -> Self {
        Self::new(*LIMIT.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ready once the time has passed. If there can be no timer, the time does not pass, because nothing should be
    /// dropped then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(duration) = self.duration else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Alarm::after(duration));
        alarm.poll(cx).unwrap_or(Poll::Pending)
    }
}
