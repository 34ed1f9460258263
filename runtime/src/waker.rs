//! Tells wakers apart without a clone of them.

use core::task::Waker;

/// Returns the addresses that make up `waker`. Two wakers with the same identity wake the same task, while both are alive.
pub(crate) fn identity(waker: &Waker) -> [usize; 2] {
    [waker.data().addr(), core::ptr::from_ref(waker.vtable()).addr()]
}
