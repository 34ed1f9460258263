//! The registry of what is pending in this process, and a future that waits until nothing is.

use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::Instant;
use std::vec::Vec;

use super::waiters::Waiters;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::user_code;

/// The pending rescues and tasks, the totals, and the wakers of those that wait until nothing is pending.
#[derive(Default)]
pub(crate) struct Registry(Mutex<RegistryState>);

#[derive(Default)]
struct RegistryState {
    /// The name of each pending rescue, and the time at which it began, by number. The numbers count up.
    pending: BTreeMap<u64, (&'static str, Instant)>,
    totals: Totals,
    waiters: Waiters,
}

/// How many rescues and tasks there have been since the process began.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// Those of `ended` that returned an error or panicked.
    pub(crate) failed: u64,
    /// Those of `ended` that were dropped before their end.
    pub(crate) cut: u64,
}

/// How a rescue has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RescueEnd {
    /// It has come to its end.
    Done,
    /// It has returned an error, or has panicked.
    Failed,
    /// It was dropped before its end.
    Cut,
}

impl Registry {
    /// Adds a pending rescue, and returns its number.
    pub(crate) fn add(&self, name: &'static str) -> u64 {
        let now = Instant::now();
        let mut state = self.lock();
        state.totals.begun += 1;
        let number = state.totals.begun;
        state.pending.insert(number, (name, now));
        number
    }

    /// Removes a rescue that has ended.
    pub(crate) fn remove(&self, number: u64, end: RescueEnd) {
        let mut state = self.lock();
        state.pending.remove(&number);
        state.totals.ended += 1;
        state.totals.failed += u64::from(end == RescueEnd::Failed);
        state.totals.cut += u64::from(end == RescueEnd::Cut);
        if state.pending.is_empty() {
            let wakers = state.waiters.take();
            drop(state);
            wakers.for_each(user_code::wake);
        }
    }

    /// Returns the name of each pending rescue, and the time at which it began. The oldest is the first.
    pub(crate) fn list(&self) -> Vec<(&'static str, Instant)> {
        self.lock().pending.values().copied().collect()
    }

    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Returns a waiter for the moment in which nothing is pending.
    pub(crate) fn wait(&self) -> WaitForNone<'_> {
        WaitForNone { registry: self, key: None }
    }

    /// Locks the state. No code under the lock panics, so poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until nothing is pending. Its drop removes its waker.
pub(crate) struct WaitForNone<'r> {
    registry: &'r Registry,
    key: Option<u64>,
}

impl WaitForNone<'_> {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.registry.lock();
        if state.pending.is_empty() {
            return Poll::Ready(());
        }
        if state.waiters.knows(self.key, cx.waker()) {
            return Poll::Pending;
        }
        drop(state);
        let Some(waker) = user_code::clone(cx.waker()) else { return Poll::Pending };
        let mut state = self.registry.lock();
        if state.pending.is_empty() {
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
            let waker = self.registry.lock().waiters.remove(key);
            user_code::discard(waker);
        }
    }
}
