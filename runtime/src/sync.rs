//! The synchronization primitives and cells of shared state. The concurrency model checker replaces them with its own.

pub(crate) use core::cell::Cell;
#[cfg(feature = "tokio")]
pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "std")]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
