//! Waiting for the rescues of this process.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, LazyLock, Weak};
use std::task::Poll;
use std::thread::Builder;
use std::time::Duration;

use super::count::Count;

static COUNT: LazyLock<Count> = LazyLock::new(Count::default);

/// One of the rescues that are under way, as long as it lives.
pub(super) struct UnderWay(());

impl UnderWay {
    pub(super) fn begin() -> Self {
        COUNT.add();
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        COUNT.remove();
    }
}

/// How many rescues are under way in this process: managers whose `with!` was dropped, and that have not ended.
///
/// ```
/// assert_eq!(async_context_manager::rescue::under_way(), 0);
/// ```
#[must_use]
pub fn under_way() -> usize {
    COUNT.get()
}

/// Waits until no rescue is under way in this process; those that begin meanwhile are waited for, too. For the end of
/// `main`; see the [module](super).
///
/// It never ends when it is awaited in what is being rescued.
///
/// # Cancel safety
///
/// It may be dropped at any time; the rescues go on.
pub async fn drain() {
    poll_fn(|cx| COUNT.poll_none(cx)).await;
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
/// if let Err(left) = rescue::drain_for(Duration::from_secs(5)).await {
///     eprintln!("{left} managers have not been left");
/// }
/// # }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
///
/// It needs no executor's timer: a thread keeps the time.
///
/// # Errors
///
/// How many are still under way.
///
/// # Cancel safety
///
/// As that of [`drain`].
pub async fn drain_for(limit: Duration) -> Result<(), usize> {
    let mut alarm = None;
    poll_fn(|cx| {
        // In this order: a rescue that ends in between wakes as well.
        if COUNT.poll_none(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let alarm = alarm.get_or_insert_with(|| Alarm::set(limit));
        if alarm.has_rung() { Poll::Ready(Err(under_way())) } else { Poll::Pending }
    })
    .await
}

/// Wakes those who wait for the count, at a time. Its thread ends when it is dropped.
struct Alarm {
    _stop: Sender<Infallible>,
    thread: Weak<()>,
}

impl Alarm {
    fn set(limit: Duration) -> Self {
        let (stop, stopped) = channel::<Infallible>();
        let alive = Arc::new(());
        let thread = Arc::downgrade(&alive);
        let wait = move || {
            let rings = stopped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            drop(alive);
            if rings {
                COUNT.wake();
            }
        };
        // If there is no thread to be had, it has rung.
        drop(Builder::new().name("rescue-drain".into()).spawn(wait));
        Self { _stop: stop, thread }
    }

    fn has_rung(&self) -> bool {
        self.thread.strong_count() == 0
    }
}
