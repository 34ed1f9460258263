//! Identifies the current thread, and counts what is dropped on it.

/// Returns a number that no other living thread has: the address of a thread-local.
#[cfg(feature = "std")]
pub(crate) fn current_thread() -> usize {
    std::thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| core::ptr::from_ref(here).addr())
}

#[cfg(not(feature = "std"))]
pub(crate) fn current_thread() -> usize {
    0
}

#[cfg(feature = "std")]
std::thread_local! {
    static DROPPED: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// Counts a `with!` that was open, and that is dropped on this thread.
pub(crate) fn count_dropped() {
    #[cfg(feature = "std")]
    DROPPED.with(|dropped| dropped.set(dropped.get().wrapping_add(1)));
}

/// Returns how many open `with!`s have been dropped on this thread.
#[cfg(feature = "std")]
pub(crate) fn dropped() -> usize {
    DROPPED.with(core::cell::Cell::get)
}
