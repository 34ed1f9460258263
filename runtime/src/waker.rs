//! Compares wakers without cloning them.

use core::task::Waker;

use crate::raw::stop_scope::task_waker;

/// Returns the two addresses that the waker of the task consists of. While two wakers with the same identity are alive,
/// they wake the same task.
pub(crate) fn identity(waker: &Waker) -> [usize; 2] {
    let waker = task_waker(waker);
    [waker.data().addr(), core::ptr::from_ref(waker.vtable()).addr()]
}
