//! Code of the user's that this crate calls: wakers, hooks, spawners, destructors.
//!
//! It may panic, block, or run an executor. A panic of it is contained. It is called apart from what is being dropped or
//! polled on the thread, so that what it begins is not taken for a part of that. It is never called under a lock.
//! `docs/user-code.md` lists the places.

use std::task::Waker;

use crate::panics;
use crate::rescue::context::outside;

/// Runs `f`, whose panic goes no further.
pub(crate) fn call(f: impl FnOnce()) {
    panics::contain(|| outside(f));
}

/// Wakes.
pub(crate) fn wake(waker: Waker) {
    call(|| waker.wake_by_ref());
    discard(waker);
}

/// A clone of `waker`. Where there is none to be had, it is woken at once, so that whoever waits looks again.
pub(crate) fn clone(waker: &Waker) -> Option<Waker> {
    let mut cloned = None;
    call(|| cloned = Some(waker.clone()));
    if cloned.is_none() {
        call(|| waker.wake_by_ref());
    }
    cloned
}

/// Drops `value`.
pub(crate) fn discard<T>(value: T) {
    call(move || drop(value));
}
