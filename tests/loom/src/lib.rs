//! What the crate shares between threads, on the primitives of a model checker: the same files as in the crate.
//!
//! The models are run by `cargo test -p loom-models`. A wake-up that is lost in one of the interleavings is a deadlock
//! there, which fails the test. So does a cell that two threads use at the same time.

#![deny(unsafe_code)]
#![cfg(test)]

// The tasks of a group name `tokio::spawn` and a channel of tokio, which are replaced by those below.
extern crate self as tokio;

/// In place of the modules of these names in the crate.
mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::cell::Cell;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) use crate::oneshot;
}

mod budget {
    use std::task::Waker;

    pub(crate) const fn is_used_up() -> bool {
        false
    }

    pub(crate) fn wait_for_more(waker: &Waker) {
        waker.wake_by_ref();
    }
}

mod current_thread {
    loom::thread_local! {
        static HERE: u8 = 0;
    }

    pub(crate) fn current_thread() -> usize {
        HERE.with(|here| std::ptr::from_ref(here).addr())
    }

    pub(crate) const fn dropped() -> usize {
        0
    }
}

mod rescue {
    pub(crate) use crate::collector::add;
    pub(crate) use crate::completion::{Completion, Handle, completion};
    use crate::registry::Registry;
    pub(crate) use crate::registry::RescueEnd;
    pub(crate) use crate::rescues::{Rescues, Wait, collect};

    loom::lazy_static! {
        static ref REGISTRY: Registry = Registry::default();
    }

    pub(crate) struct PendingGuard {
        place: usize,
        end: RescueEnd,
    }

    impl PendingGuard {
        pub(crate) fn begin(name: &'static str) -> Self {
            Self { place: REGISTRY.add(name), end: RescueEnd::Done }
        }

        pub(crate) fn set_end(&mut self, end: RescueEnd) {
            self.end = end;
        }
    }

    impl Drop for PendingGuard {
        fn drop(&mut self) {
            REGISTRY.remove(self.place, self.end);
        }
    }

    pub(crate) fn pending() -> usize {
        REGISTRY.list().len()
    }

    pub(crate) fn outside<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}

mod user_code {
    use std::task::Waker;

    pub(crate) fn call(f: impl FnOnce()) {
        f();
    }

    pub(crate) fn wake(waker: Waker) {
        waker.wake();
    }

    pub(crate) fn wake_by_ref(waker: &Waker) {
        waker.wake_by_ref();
    }

    #[expect(clippy::unnecessary_wraps, reason = "as in the crate")]
    pub(crate) fn clone(waker: &Waker) -> Option<Waker> {
        Some(waker.clone())
    }

    pub(crate) fn discard<T>(value: T) {
        drop(value);
    }
}

mod collector {
    use std::cell::RefCell;

    use crate::completion::Handle;

    loom::thread_local! {
        static COLLECTED: RefCell<Vec<Handle>> = RefCell::default();
    }

    pub(crate) fn add(handle: Handle) {
        COLLECTED.with(|collected| collected.borrow_mut().push(handle));
    }

    pub(crate) fn collect(f: &mut dyn FnMut()) -> Vec<Handle> {
        let before = COLLECTED.with(|collected| collected.borrow().len());
        f();
        COLLECTED.with(|collected| collected.borrow_mut().split_off(before))
    }

    pub(crate) fn before() -> Vec<Handle> {
        Vec::new()
    }
}

/// Runs a task on a thread of its own.
fn spawn(task: impl Future<Output = ()> + 'static) -> loom::thread::JoinHandle<()> {
    let mut task = Box::pin(task);
    loom::thread::spawn(move || registry_models::block_on(|cx| task.as_mut().poll(cx)))
}

#[path = "../../../runtime/src/rescue/completion.rs"]
mod completion;
mod managers;
mod oneshot;
#[path = "../../../runtime/src/panics.rs"]
#[allow(dead_code, unused_imports, reason = "no model resumes a panic")]
mod panics;
#[path = "../../../runtime/src/rescue/queue.rs"]
mod queue;
mod raw;
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
mod scope_models;
