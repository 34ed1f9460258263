//! The tasks of a group that are under way, and what became of the others.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem::{replace, swap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::vec::Vec;

use tokio::task::AbortHandle;

use crate::panics::Payload;

/// The tasks of a group. Nothing of anybody else's runs while they are locked: no destructor, no waker, no runtime.
pub(super) struct Members<E>(Mutex<State<E>>);

pub(super) struct State<E> {
    /// There may be more tasks.
    open: bool,
    spawned: u64,
    /// Those that are not gone, by their number: how to abort them, if that is known and has not been done.
    tasks: BTreeMap<u64, Option<AbortHandle>>,
    failures: Failures<E>,
    /// Of the one who leaves the group.
    waker: Option<Waker>,
}

/// What tasks have failed with, in this order.
pub(super) struct Failures<E> {
    pub(super) errors: Vec<E>,
    pub(super) panics: Vec<Payload>,
}

/// How a task failed.
pub(super) enum Failure<E> {
    Error(E),
    Panic(Payload),
}

impl<E> State<E> {
    pub(super) fn has_failures(&self) -> bool {
        !self.failures.errors.is_empty() || !self.failures.panics.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<E> Failures<E> {
    const NONE: Self = Self { errors: Vec::new(), panics: Vec::new() };
}

impl<E> Members<E> {
    pub(super) const fn new() -> Self {
        let tasks = BTreeMap::new();
        Self(Mutex::new(State { open: true, spawned: 0, tasks, failures: Failures::NONE, waker: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tasks have not been aborted.
    pub(super) fn are_open(&self) -> bool {
        self.lock().open
    }

    /// A number for one more task, if there may be one.
    pub(super) fn enter(&self) -> Option<u64> {
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        state.spawned += 1;
        let number = state.spawned;
        state.tasks.insert(number, None);
        Some(number)
    }

    /// The task is under way, and can be aborted.
    pub(super) fn entered(&self, number: u64, handle: AbortHandle) {
        let mut state = self.lock();
        let open = state.open;
        match state.tasks.get_mut(&number) {
            Some(place) if open => *place = Some(handle),
            // It is gone already, or the others have been aborted meanwhile.
            _ => {
                drop(state);
                handle.abort();
            }
        }
    }

    /// The task is gone, and all that it had.
    pub(super) fn left(&self, number: u64, failures: impl Iterator<Item = Failure<E>>) {
        let mut state = self.lock();
        let handle = state.tasks.remove(&number);
        for failure in failures {
            match failure {
                Failure::Error(error) => state.failures.errors.push(error),
                Failure::Panic(payload) => state.failures.panics.push(payload),
            }
        }
        let waker = state.waker.take();
        drop(state);
        drop(handle);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until the tasks have come to this. There is one who waits.
    pub(super) async fn until(&self, reached: impl Fn(&State<E>) -> bool) {
        poll_fn(|cx| {
            let mut waker = Some(cx.waker().clone());
            let mut state = self.lock();
            if reached(&state) {
                return Poll::Ready(());
            }
            swap(&mut state.waker, &mut waker);
            Poll::Pending
        })
        .await;
    }

    /// Aborts all tasks, and takes no more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.open = false;
        let handles: Vec<_> = state.tasks.values_mut().filter_map(Option::take).collect();
        drop(state);
        for handle in handles {
            handle.abort();
        }
    }

    /// What tasks have failed with.
    pub(super) fn take_failures(&self) -> Failures<E> {
        replace(&mut self.lock().failures, Failures::NONE)
    }

    /// Nobody waits any more.
    pub(super) fn forget_waker(&self) {
        let waker = self.lock().waker.take();
        drop(waker);
    }
}
