//! What the rescuer shares between threads, on the primitives of a model checker: the same files as in the crate.
//!
//! The models are run by `cargo test -p loom-models`. A wake-up that is lost in one of the interleavings is a deadlock
//! there, which fails the test.

#![forbid(unsafe_code)]
#![cfg(test)]

/// In place of the module of this name in the crate.
mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

#[path = "../../../runtime/src/rescue/count.rs"]
mod count;
#[path = "../../../runtime/src/rescue/queue.rs"]
mod queue;

mod count_models;
mod queue_models;
