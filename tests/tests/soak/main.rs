//! Hundreds of thousands of `with!`s on two threads, which end in every way there is, around a pool that forgives
//! nothing: `drops` has scopes that are dropped, `stops` has random programs in which scopes are stopped, too.

#![forbid(unsafe_code)]

use std::panic;
use std::sync::{Mutex, Once, PoisonError};

use async_context_manager::rescue;
use tokio::runtime::{Builder, Runtime};

mod drops;
mod pool;
mod programs;
mod stops;

/// The number of tasks that enter scopes, one after the other.
const CLIENTS: usize = 10;

/// The number of scopes in a test.
const SCOPES: usize = 100_000;

static FAULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records every panic on every thread as a fault, also if the panic is contained. Planned panics call no hook.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            complain(info.to_string());
            usual(info);
        }));
        // What is cut off is counted. It need not be written as well.
        rescue::set_hook(|_loss| {});
    });
}

/// Records a fault. Code that may run in a drop or in a panic uses this in place of an assertion.
fn complain(fault: String) {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
}

/// Records a fault unless `holds`.
fn require(holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        complain(what());
    }
}

/// Returns a copy of the faults: the hook would wait for ever for a lock that a failing assertion holds.
fn faults() -> Vec<String> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The payload of a panic that is meant to happen. It is resumed, because `panic!` would call the hook.
struct Planned;

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).expect("below the limit")
    }

    /// Returns `true` in so many of a hundred cases.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn two_workers() -> Runtime {
    watch_panics();
    Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("it starts")
}
