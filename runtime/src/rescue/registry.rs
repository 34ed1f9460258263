//! The registry of what is pending in this process, and a future that waits until nothing is.

use std::mem::take;
use std::task::{Context, Poll};
use std::time::Instant;
use std::vec::Vec;

use super::waiters::Waiters;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::user_code;

/// The number of free places that a registry without rescues keeps.
const KEPT: usize = 1024;

/// The pending rescues and tasks, the totals, and the wakers of those that wait until nothing is pending.
#[derive(Default)]
pub(crate) struct Registry(Mutex<RegistryState>);

#[derive(Default)]
struct RegistryState {
    /// The name of each pending rescue, and the time at which it began. `None` if the place is free.
    places: Vec<Option<(&'static str, Instant)>>,
    /// The free places.
    free: Vec<usize>,
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
    /// Adds a pending rescue, and returns its place.
    pub(crate) fn add(&self, name: &'static str) -> usize {
        let entry = Some((name, Instant::now()));
        let mut state = self.lock();
        state.totals.begun += 1;
        let Some(place) = state.free.pop() else {
            state.places.push(entry);
            return state.places.len() - 1;
        };
        state.places[place] = entry;
        place
    }

    /// Removes a rescue that has ended.
    pub(crate) fn remove(&self, place: usize, end: RescueEnd) {
        let mut state = self.lock();
        state.places[place] = None;
        state.free.push(place);
        state.totals.ended += 1;
        state.totals.failed += u64::from(end == RescueEnd::Failed);
        state.totals.cut += u64::from(end == RescueEnd::Cut);
        if state.is_empty() {
            let unused = state.shrink();
            let wakers = state.waiters.take();
            drop(state);
            drop(unused);
            wakers.for_each(user_code::wake);
        }
    }

    /// Returns the name of each pending rescue, and the time at which it began. The oldest is the first.
    pub(crate) fn list(&self) -> Vec<(&'static str, Instant)> {
        let mut list: Vec<_> = self.lock().places.iter().copied().flatten().collect();
        list.sort_by_key(|(_, since)| *since);
        list
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

impl RegistryState {
    fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Returns the memory of a registry without rescues, if it is large.
    fn shrink(&mut self) -> Option<(Vec<Option<(&'static str, Instant)>>, Vec<usize>)> {
        (self.places.len() > KEPT).then(|| (take(&mut self.places), take(&mut self.free)))
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
        if state.is_empty() {
            return Poll::Ready(());
        }
        if state.waiters.knows(self.key, cx.waker()) {
            return Poll::Pending;
        }
        drop(state);
        let Some(waker) = user_code::clone(cx.waker()) else { return Poll::Pending };
        let mut state = self.registry.lock();
        if state.is_empty() {
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
