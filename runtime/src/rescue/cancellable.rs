//! `cancellable`: marks parts of an enter phase that may be given up.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use super::context::{Watch, replace_watch, watch};
use crate::panics::{self, Payload};
use crate::waker::identity;

/// The phase of a shielded manager in which its body is polled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The manager has not lent, and may be given up at a [`cancellable`] future.
    Entering,
    /// The manager has lent, and its block is running.
    Lent,
    /// The exit phase.
    Leaving,
}

/// Runs `poll`, which polls a shielded body, and counts the [`cancellable`] futures that are pending in it.
///
/// Returns the result of `poll`, and whether such a future is pending. If so, the caller must [count](Counted) the body
/// as one.
#[inline]
pub(crate) fn poll_watched<T>(
    phase: Phase,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> T,
) -> (Result<T, Payload>, bool) {
    let around = match phase {
        Phase::Entering => Some(replace_watch(Watch { waker: identity(cx.waker()), ..Watch::NONE })),
        // A future in the block may be part of the enter phase of a manager around this one.
        Phase::Lent => None,
        Phase::Leaving => Some(replace_watch(Watch::NONE)),
    };
    let polled = panics::catch(|| poll(cx));
    (polled, around.is_some_and(|around| replace_watch(around).pending > 0))
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Awaits `future`, and allows a shielded manager to be given up in its enter phase meanwhile: during the wait for a
/// permit, a lock or a pool.
///
/// The enter phase of a shielded manager is finished even if the future around its `with!` is dropped. A manager that
/// waits for its turn would thus continue to wait for a resource that is no longer needed. `cancellable(future).await`
/// waits like `future.await`, but:
///
/// - If the `with!` is dropped while the manager waits there, the enter phase ends there. The manager is dropped like
///   any future, with `future` and all its locals, and nothing is rescued.
/// - If the `with!` was dropped earlier, and the manager reaches a `cancellable(future)` that is not ready immediately,
///   the enter phase ends there.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use async_context_manager::{async_context_manager, rescue, with};
/// use tokio::sync::Semaphore;
/// # type Pool = Arc<Semaphore>;
/// # async fn begin() { tokio::task::yield_now().await }
/// # async fn end() { tokio::task::yield_now().await }
///
/// #[async_context_manager(shielded)]
/// async fn transaction(pool: Pool) {
///     let _conn = rescue::cancellable(pool.acquire()).await; // may be given up
///     begin().await; // must be finished, and so must everything after it
///     r#yield!();
///     end().await;
/// }
///
/// let pool = Arc::new(Semaphore::new(1));
/// with!(transaction(pool.clone()) => {
///     // The pool has no second permit.
///     let second = async { with!(transaction(pool.clone()) => ()) };
///     tokio::time::timeout(Duration::from_millis(1), second).await.unwrap_err();
///     assert!(rescue::pending().is_empty()); // the second manager does not wait any more
/// });
/// assert_eq!(pool.available_permits(), 1);
/// # }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
///
/// It may be used in a function that the manager calls, in a manager that the manager enters, and in a time limit.
/// Everywhere else it only awaits `future`: in a manager that is not shielded, in a block, in an exit phase, and
/// outside of managers. So a function that gets a connection from a pool may use it regardless of its caller.
///
/// Await it by itself. A manager that awaits it together with another future, as in `join!(cancellable(a), b)`, is
/// given up if `a` was pending in the last poll, no matter how far `b` is. So do not await it together with a future
/// that must not be given up. It has no effect if the manager does not poll it directly, but in a task of its own, or
/// in a `FuturesUnordered`, which polls only woken futures. The enter phase of such a manager is finished.
///
/// # Cancel safety
///
/// It is as cancel safe as `future`, which must lose nothing when it is dropped while it is pending.
///
/// # Panics
///
/// Panics if `future` panics. If a destructor panics when a manager is given up, the panic is contained.
pub async fn cancellable<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut counted = Counted::default();
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        counted.clear();
        if polled.is_pending() {
            counted.set(cx.waker());
        }
        polled
    })
    .await
}

/// The number of the poll in which a future is counted as pending. 0 if it is not counted.
#[derive(Default)]
pub(crate) struct Counted(u64);

impl Counted {
    /// Counts the future as pending in the poll with this waker, if that poll has a watch.
    #[cold]
    pub(crate) fn set(&mut self, waker: &Waker) {
        self.clear();
        let watch = watch();
        if watch.waker == identity(waker) {
            self.0 = if watch.number == 0 { next() } else { watch.number };
            replace_watch(Watch { number: self.0, pending: watch.pending + 1, ..watch });
        }
    }

    /// Removes the future from the count, because it is gone or is polled again.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.0 != 0 {
            self.discount();
        }
    }

    #[cold]
    fn discount(&mut self) {
        let watch = watch();
        if watch.number == mem::take(&mut self.0) {
            replace_watch(Watch { pending: watch.pending - 1, ..watch });
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.clear();
    }
}
