//! A counter, and a future that waits for it to reach zero.

use std::task::{Context, Poll};

use super::waiters::Waiters;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::user_code;

/// A counter with the wakers of those that wait for zero.
#[derive(Default)]
pub(crate) struct Count(Mutex<CountState>);

#[derive(Default)]
struct CountState {
    count: usize,
    waiters: Waiters,
}

impl Count {
    pub(crate) fn add(&self) {
        self.lock().count += 1;
    }

    pub(crate) fn remove(&self) {
        let mut state = self.lock();
        state.count -= 1;
        if state.count == 0 {
            let wakers = state.waiters.take();
            drop(state);
            wakers.for_each(user_code::wake);
        }
    }

    pub(crate) fn get(&self) -> usize {
        self.lock().count
    }

    /// Returns a waiter for zero.
    pub(crate) fn wait(&self) -> WaitForNone<'_> {
        WaitForNone { count: self, key: None }
    }

    /// Locks the state. No code under the lock panics, so poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, CountState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the count to reach zero. Its drop removes its waker.
pub(crate) struct WaitForNone<'c> {
    count: &'c Count,
    key: Option<u64>,
}

impl WaitForNone<'_> {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.count.lock();
        if state.count == 0 {
            return Poll::Ready(());
        }
        if state.waiters.knows(self.key, cx.waker()) {
            return Poll::Pending;
        }
        drop(state);
        let Some(waker) = user_code::clone(cx.waker()) else { return Poll::Pending };
        let mut state = self.count.lock();
        if state.count == 0 {
            drop(state);
            user_code::discard(waker);
            return Poll::Ready(());
        }
        let before = state.waiters.register(&mut self.key, waker);
        drop(state);
        user_code::discard(before);
        Poll::Pending
    }
}

impl Drop for WaitForNone<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.count.lock().waiters.remove(key);
            user_code::discard(waker);
        }
    }
}
