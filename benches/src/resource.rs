//! The resource that every contestant acquires, adds to and releases, and the counts of these.

use std::future::{Future, poll_fn};
use std::mem::replace;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

/// A number that is counted only when it has been released.
#[derive(Debug, Default)]
pub(crate) struct Resource {
    sum: u64,
}

impl Resource {
    /// The enter phase. `pends`: it waits once.
    pub(crate) async fn acquire(pends: bool) -> Self {
        if pends {
            pend().await;
        }
        open()
    }

    /// Adds to the resource, in a block. Returns the sum.
    // Like the two below, a function of another crate to the contestants: not to be merged into their own code.
    #[inline(never)]
    pub(crate) fn add(&mut self, number: u64) -> u64 {
        self.sum += number;
        self.sum
    }

    /// The exit phase.
    pub(crate) async fn release(self, pends: bool) {
        if pends {
            pend().await;
        }
        close(self.sum);
    }
}

#[inline(never)]
fn open() -> Resource {
    count(&ACQUIRED, 1);
    Resource::default()
}

#[inline(never)]
fn close(sum: u64) {
    count(&RELEASED, 1);
    count(&SUM, sum);
}

/// Is ready when it is polled for the second time.
pub(crate) fn pend() -> impl Future<Output = ()> + Send {
    let mut pended = false;
    poll_fn(move |cx| {
        if replace(&mut pended, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

static ACQUIRED: AtomicU64 = AtomicU64::new(0);
static RELEASED: AtomicU64 = AtomicU64::new(0);
static SUM: AtomicU64 = AtomicU64::new(0);

/// Not an atomic addition, which would cost more than what is measured. Those who release on another thread are waited
/// for.
fn count(counter: &AtomicU64, number: u64) {
    counter.store(counter.load(Relaxed) + number, Relaxed);
}

/// How often there was an acquiring and a releasing, and the sum of what was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) acquired: u64,
    pub(crate) released: u64,
    pub(crate) sum: u64,
}

impl Books {
    pub(crate) fn look() -> Self {
        Self { acquired: ACQUIRED.load(Relaxed), released: RELEASED.load(Relaxed), sum: SUM.load(Relaxed) }
    }

    /// Nothing is still to be released.
    #[cfg(feature = "full")]
    pub(crate) fn all_released(self) -> bool {
        self.acquired == self.released
    }

    /// Returns the counts since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            acquired: self.acquired - earlier.acquired,
            released: self.released - earlier.released,
            sum: self.sum - earlier.sum,
        }
    }
}
