//! `drain`: waits for the rescues of this process.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use std::vec::Vec;

use super::pending::{PendingRescue, REGISTRY, pending};
use super::timer::Alarm;

/// Waits until no rescue is [`pending`] in this process, including rescues that begin meanwhile.
///
/// Await it at the end of `main`: see the [module](super). If a manager awaits it in its own rescue, it never
/// completes.
///
/// A task that was aborted is dropped only when its runtime next schedules it, so its rescue may begin after `drain` has
/// returned. Await the handle of the task first.
///
/// # Cancel safety
///
/// The future may be dropped at any time. The rescues continue, and nothing is left behind.
pub async fn drain() {
    let mut none = REGISTRY.wait();
    poll_fn(|cx| none.poll(cx)).await;
}

/// Waits like [`drain`], but at most for `limit`.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// use async_context_manager::rescue;
///
/// if let Err(error) = rescue::drain_timeout(Duration::from_secs(5)).await {
///     eprintln!("{error}"); // "2 managers have not been left: `lease` (5.0s), `transaction` (1.2s)"
/// }
/// # }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
///
/// It needs no timer of an executor. One thread of this crate serves all such timeouts.
///
/// # Errors
///
/// Returns the rescues that are still pending after `limit`. They continue.
///
/// # Cancel safety
///
/// See [`drain`].
pub async fn drain_timeout(limit: Duration) -> Result<(), DrainError> {
    let mut none = REGISTRY.wait();
    let mut alarm = None;
    poll_fn(|cx| {
        if none.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let alarm = alarm.get_or_insert_with(|| Alarm::after(limit));
        // Without a timer it does not wait, because it could wait forever.
        let passed = alarm.poll(cx).unwrap_or(Poll::Ready(()));
        passed.map(|()| Err(DrainError(pending())))
    })
    .await
}

/// The error of [`drain_timeout`]: rescues are still pending.
#[derive(Clone, Debug)]
pub struct DrainError(Vec<PendingRescue>);

impl DrainError {
    /// Returns the rescues that are still pending. The oldest is the first.
    #[must_use]
    pub fn pending(&self) -> &[PendingRescue] {
        &self.0
    }
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let managers = if self.0.len() == 1 { "manager has" } else { "managers have" };
        write!(f, "{} {managers} not been left", self.0.len())?;
        for (position, rescue) in self.0.iter().enumerate() {
            write!(f, "{} {rescue}", if position == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

impl Error for DrainError {}
