//! `drain`: waits for the rescues of this process.

use std::future::poll_fn;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use super::count::Count;
use super::timer::Alarm;

static COUNT: LazyLock<Count> = LazyLock::new(Count::default);

/// Counts a rescue or a task as pending until it is dropped.
pub(crate) struct PendingGuard(());

impl PendingGuard {
    pub(crate) fn begin() -> Self {
        COUNT.add();
        Self(())
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        COUNT.remove();
    }
}

/// Returns the number of pending rescues in this process: managers whose `with!` was dropped and that have not ended.
///
/// The tasks of a task group whose `with!` was dropped count as well, until they are gone.
///
/// ```
/// assert_eq!(async_context_manager::rescue::pending(), 0);
/// ```
#[must_use]
pub fn pending() -> usize {
    COUNT.get()
}

/// Waits until no rescue is [`pending`] in this process, including rescues that begin meanwhile.
///
/// Await it at the end of `main`: see the [module](super). If a manager awaits it in its own rescue, it never
/// completes.
///
/// # Cancel safety
///
/// The future may be dropped at any time. The rescues continue, and nothing is left behind.
pub async fn drain() {
    let mut none = COUNT.wait();
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
/// if let Err(left) = rescue::drain_timeout(Duration::from_secs(5)).await {
///     eprintln!("{left} managers have not been left");
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
/// Returns the number of rescues that are still pending after `limit`.
///
/// # Cancel safety
///
/// See [`drain`].
pub async fn drain_timeout(limit: Duration) -> Result<(), usize> {
    let mut none = COUNT.wait();
    let mut alarm = None;
    poll_fn(|cx| {
        if none.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let alarm = alarm.get_or_insert_with(|| Alarm::after(limit));
        alarm.poll(cx).map(|()| Err(pending()))
    })
    .await
}
