//! Calls the user's code: wakers, hooks, spawners, destructors.
//!
//! Such code may panic, block, or run an executor. Its panics are contained. It runs outside of what is being dropped
//! or polled on the thread, so that a rescue that begins in it does not count as part of that. It is never called under
//! a lock. `docs/guide/src/user-code.md` lists the places.

use std::task::Waker;

use crate::panics;
use crate::rescue::context::outside;

/// Runs `f` and contains its panic.
pub(crate) fn call(f: impl FnOnce()) {
    panics::contain(|| outside(f));
}

/// Wakes and drops `waker`.
pub(crate) fn wake(waker: Waker) {
    wake_by_ref(&waker);
    discard(waker);
}

/// Wakes `waker`, which belongs to the current poll.
pub(crate) fn wake_by_ref(waker: &Waker) {
    call(|| waker.wake_by_ref());
}

/// Clones `waker`. If the clone panics, wakes `waker` immediately, so that its task polls again, and returns `None`.
pub(crate) fn clone(waker: &Waker) -> Option<Waker> {
    let mut cloned = None;
    call(|| cloned = Some(waker.clone()));
    if cloned.is_none() {
        wake_by_ref(waker);
    }
    cloned
}

/// Drops `value` and contains the panic of its destructor.
pub(crate) fn discard<T>(value: T) {
    call(move || drop(value));
}
