//! Those who wait for something: their wakers, each under a key of its own.

use std::collections::BTreeMap;
use std::task::Waker;

/// Is kept under a lock, so it neither wakes, clones nor drops a waker: that is left to the caller.
#[derive(Default)]
pub(crate) struct Waiters {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Waiters {
    /// Registers `waker` under `key`, which is given if there is none yet. Returns the waker before.
    pub(crate) fn register(&mut self, key: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let key = *key.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.wakers.insert(key, waker)
    }

    /// Whether `waker` is registered under `key`.
    pub(crate) fn knows(&self, key: Option<u64>, waker: &Waker) -> bool {
        key.and_then(|key| self.wakers.get(&key)).is_some_and(|known| known.will_wake(waker))
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<Waker> {
        self.wakers.remove(&key)
    }

    /// Mostly there are none, and that is cheap.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let wakers = (!self.wakers.is_empty()).then(|| std::mem::take(&mut self.wakers));
        wakers.into_iter().flat_map(BTreeMap::into_values)
    }
}
