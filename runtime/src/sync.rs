//! What is shared between threads is made of these. A model checker of concurrency puts its own in their place.

#[cfg(not(feature = "tokio"))]
pub(crate) use std::sync::Condvar;
#[cfg(not(feature = "tokio"))]
pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
