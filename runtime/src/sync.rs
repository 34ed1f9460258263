//! What is shared between threads is made of these. A model checker of concurrency puts its own in their place.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
