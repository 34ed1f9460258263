//! Parts of an enter phase that may be given up.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use super::context::{Watch, replace_watch, watch};
use crate::waker::identity;

/// What a poll of a shielded body is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The manager has not lent, and may be given up at a [`cancellable`] future.
    Entering,
    /// The manager has lent, and its block is under way.
    Lent,
    /// The exit phase.
    Leaving,
}

/// A poll of a shielded body that is watched. It must be ended, also when the poll panics.
#[must_use]
pub(crate) struct Watched {
    /// The poll around it. `None` if it is not watched by itself.
    around: Option<Watch>,
}

impl Watched {
    #[inline]
    pub(crate) fn begin(phase: Phase, waker: &Waker) -> Self {
        let around = match phase {
            Phase::Entering => Some(replace_watch(Watch { waker: identity(waker), ..Watch::NONE })),
            // What is polled in the block may be in the enter phase of a manager around this one.
            Phase::Lent => None,
            Phase::Leaving => Some(replace_watch(Watch::NONE)),
        };
        Self { around }
    }

    /// Returns whether the body is pending in a [`cancellable`] future. It is to be [counted](Counted) as one then.
    #[inline]
    pub(crate) fn end(self) -> bool {
        self.around.is_some_and(|around| replace_watch(around).pending > 0)
    }
}

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Marks a part of the enter phase of a shielded manager that may be given up: the wait for a permit, a lock or a pool.
///
/// A shielded manager is entered to its end, though the future around its `with!` is dropped. For a manager that waits
/// for its turn that means that it goes on waiting for a thing that nobody wants any more. `cancellable(future).await`
/// waits like `future.await`, but:
///
/// - When the `with!` is dropped while the manager waits there, the entering ends there. The manager is dropped like any
///   future, with `future` and all its locals, and nothing is rescued.
/// - When the `with!` was dropped earlier, and the manager comes to a `cancellable(future)` that is not ready at once,
///   the entering ends there.
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
///     begin().await; // has to be finished, and so has all that follows
///     r#yield!();
///     end().await;
/// }
///
/// let pool = Arc::new(Semaphore::new(1));
/// with!(transaction(pool.clone()) => {
///     // There is no second one.
///     let second = async { with!(transaction(pool.clone()) => ()) };
///     tokio::time::timeout(Duration::from_millis(1), second).await.unwrap_err();
///     assert_eq!(rescue::pending(), 0); // it does not wait any more
/// });
/// assert_eq!(pool.available_permits(), 1);
/// # }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
///
/// It may stand in a function that the manager calls, in a manager that is entered by it, and in a time limit. In any
/// other place it only awaits `future`: in a manager that is not shielded, in a block, in an exit phase, outside of
/// managers. So a function that gets a connection from a pool may use it whoever calls it.
///
/// Await it by itself. A manager that awaits it next to something else, as in `join!(cancellable(a), b)`, is given up
/// when `a` is pending in the last poll, however far `b` is: what can't be given up must not be awaited at the same time.
/// A future that is not polled by the manager itself, but as a task or in a `FuturesUnordered` that polls only what was
/// woken, is not seen; such a manager is entered to its end.
///
/// # Cancel safety
///
/// That of `future`: it must lose nothing when it is dropped while it is pending.
///
/// # Panics
///
/// When `future` does. A panic of a destructor of what is given up goes no further.
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

/// The number of the poll in which something is counted as pending. 0 if there is none.
#[derive(Default)]
pub(crate) struct Counted(u64);

impl Counted {
    /// Counts it as pending in the poll with this waker, if that is watched.
    #[cold]
    pub(crate) fn set(&mut self, waker: &Waker) {
        self.clear();
        let watch = watch();
        if watch.waker == identity(waker) {
            self.0 = if watch.number == 0 { next() } else { watch.number };
            replace_watch(Watch { number: self.0, pending: watch.pending + 1, ..watch });
        }
    }

    /// Counts it no more: it is gone, or is polled again.
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
