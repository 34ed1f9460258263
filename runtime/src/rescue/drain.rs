//! Waiting for the rescues of this process.

use std::future::poll_fn;
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use super::count::Count;
use super::timer::Alarm;

static COUNT: LazyLock<Count> = LazyLock::new(Count::default);

/// One thing that is under way, as long as it lives.
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

/// How many rescues are under way in this process: managers whose `with!` was dropped, and that have not ended. Tasks of
/// a task group whose `with!` was dropped count as well, until they are gone.
///
/// ```
/// assert_eq!(async_context_manager::rescue::pending(), 0);
/// ```
#[must_use]
pub fn pending() -> usize {
    COUNT.get()
}

/// Waits until nothing is under way in this process, see [`pending`]; what begins meanwhile is waited for, too. For
/// the end of `main`; see the [module](super).
///
/// It never ends when it is awaited in what is being rescued.
///
/// # Cancel safety
///
/// It may be dropped at any time; the rescues go on, and nothing is kept of it.
pub async fn drain() {
    let mut none = COUNT.wait();
    poll_fn(|cx| none.poll(cx)).await;
}

/// As [`drain`], for `limit` at most.
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
/// It needs no executor's timer: one thread of this crate keeps the time of all of them.
///
/// # Errors
///
/// How many are still under way.
///
/// # Cancel safety
///
/// As that of [`drain`].
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
