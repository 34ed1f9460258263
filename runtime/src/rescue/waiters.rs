//! A set of wakers, each under its own key.

use std::collections::BTreeMap;
use std::task::Waker;

/// The wakers of the tasks that wait. They are kept under a lock, so the methods never wake, clone or drop a waker; the
/// caller does that without the lock.
#[derive(Default)]
pub(crate) struct Waiters {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Waiters {
    /// Registers `waker` under `key`, and assigns a key if `key` is `None`. Returns the previous waker.
    pub(crate) fn register(&mut self, key: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let key = *key.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.wakers.insert(key, waker)
    }

    /// Returns whether `waker` is registered under `key`.
    pub(crate) fn knows(&self, key: Option<u64>, waker: &Waker) -> bool {
        key.and_then(|key| self.wakers.get(&key)).is_some_and(|known| known.will_wake(waker))
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<Waker> {
        self.wakers.remove(&key)
    }

    /// Removes and returns all wakers. This is cheap in the usual case, in which the set is empty.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let wakers = (!self.wakers.is_empty()).then(|| std::mem::take(&mut self.wakers));
        wakers.into_iter().flat_map(BTreeMap::into_values)
    }
}
