//! Heap allocations and bytes, counted by the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, Ordering::Relaxed};

/// The allocations of all threads.
pub(crate) struct Used {
    pub(crate) allocations: u64,
    /// The most that was allocated at once, beyond what was there before.
    pub(crate) peak_bytes: usize,
}

/// Runs `run`, and returns what was allocated meanwhile.
pub(crate) fn used(run: impl FnOnce()) -> Used {
    ALLOCATIONS.store(0, Relaxed);
    BYTES.store(0, Relaxed);
    PEAK_BYTES.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    run();
    COUNTING.store(false, Relaxed);
    Used { allocations: ALLOCATIONS.load(Relaxed), peak_bytes: PEAK_BYTES.load(Relaxed).unsigned_abs() }
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicIsize = AtomicIsize::new(0);
static PEAK_BYTES: AtomicIsize = AtomicIsize::new(0);

/// Asked first: counting costs more than asking, and is not to be in what else is measured.
#[expect(clippy::cast_possible_wrap, reason = "no layout is larger than an `isize`")]
fn count_if_asked(allocations: u64, more: usize, less: usize) {
    if COUNTING.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        let change = more as isize - less as isize;
        let bytes = BYTES.fetch_add(change, Relaxed) + change;
        PEAK_BYTES.fetch_max(bytes, Relaxed);
    }
}

struct Counting;

// SAFETY: all that is done to memory is done by `System`, with the arguments as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_if_asked(1, layout.size(), 0);
        // SAFETY: the caller keeps to the contract of this function, which is that of the other.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count_if_asked(0, 0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_if_asked(1, size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
