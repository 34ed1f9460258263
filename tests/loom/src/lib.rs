//! What the rescuer shares between threads, on the primitives of a model checker: the same files as in the crate.
//!
//! The models are run by `cargo test -p loom-models`. A wake-up that is lost in one of the interleavings is a deadlock
//! there, which fails the test.

#![forbid(unsafe_code)]
#![cfg(test)]

/// In place of the modules of these names in the crate.
mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

mod user_code {
    use std::task::Waker;

    pub(crate) fn call(f: impl FnOnce()) {
        f();
    }

    pub(crate) fn wake(waker: Waker) {
        waker.wake();
    }

    #[expect(clippy::unnecessary_wraps, reason = "as in the crate")]
    pub(crate) fn clone(waker: &Waker) -> Option<Waker> {
        Some(waker.clone())
    }

    pub(crate) fn discard<T>(value: T) {
        drop(value);
    }
}

#[allow(dead_code, reason = "no model collects")]
mod collector {
    use crate::completion::Handle;

    pub(crate) fn add(handle: Handle) {
        drop(handle);
    }

    pub(crate) fn collect(f: &mut dyn FnMut()) -> Vec<Handle> {
        f();
        Vec::new()
    }

    pub(crate) fn before() -> Vec<Handle> {
        Vec::new()
    }
}

#[path = "../../../runtime/src/rescue/completion.rs"]
mod completion;
#[path = "../../../runtime/src/rescue/queue.rs"]
mod queue;
#[path = "../../../runtime/src/rescue/registry.rs"]
#[allow(dead_code, reason = "no model lists the rescues")]
mod registry;
#[path = "../../../runtime/src/rescue/rescues.rs"]
#[allow(dead_code, reason = "no model collects")]
mod rescues;
#[path = "../../../runtime/src/rescue/waiters.rs"]
mod waiters;

mod completion_models;
mod queue_models;
mod registry_models;
