//! The synchronization primitives for shared state. The concurrency model checker replaces them with its own.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
