//! Compares wakers without cloning them.

use core::task::Waker;

/// Returns the two addresses that `waker` consists of. While two wakers with the same identity are alive, they wake the
/// same task.
pub(crate) fn identity(waker: &Waker) -> [usize; 2] {
    [waker.data().addr(), core::ptr::from_ref(waker.vtable()).addr()]
}
