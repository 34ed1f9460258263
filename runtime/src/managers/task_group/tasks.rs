//! The tasks of a group that are under way, and what became of the others.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem::{replace, swap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::vec::Vec;

use tokio::task::AbortHandle;

use crate::panics::Payload;
use crate::rescue::{self, Completion, PendingGuard};
use crate::user_code;

/// The tasks of a group. Nothing of anybody else's runs while they are locked: no destructor, no waker, no runtime.
pub(super) struct Tasks<E>(Mutex<TasksState<E>>);

pub(super) struct TasksState<E> {
    /// There may be more tasks.
    open: bool,
    spawned: u64,
    /// Those that are not gone, by their number.
    tasks: BTreeMap<u64, TaskEntry>,
    failures: Failures<E>,
    /// Nobody waits for the tasks any more, and these are told when they are gone.
    abandoned: Option<Completion>,
    /// Of the one who leaves the group.
    waker: Option<Waker>,
}

/// A task that is not gone.
#[derive(Default)]
struct TaskEntry {
    /// How to abort it, if that is known and has not been done.
    handle: Option<AbortHandle>,
    /// It has dropped all that it had, but rescues that it has left are under way.
    is_dropped: bool,
    /// Its group was dropped.
    pending: Option<PendingGuard>,
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

impl<E> TasksState<E> {
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

impl<E> Tasks<E> {
    pub(super) const fn new() -> Self {
        let tasks = BTreeMap::new();
        Self(Mutex::new(TasksState {
            open: true,
            spawned: 0,
            tasks,
            failures: Failures::NONE,
            abandoned: None,
            waker: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, TasksState<E>> {
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
        state.tasks.insert(number, TaskEntry::default());
        Some(number)
    }

    /// The task is under way, and can be aborted.
    pub(super) fn entered(&self, number: u64, handle: AbortHandle) {
        let mut state = self.lock();
        let open = state.open;
        match state.tasks.get_mut(&number) {
            Some(entry) if open => entry.handle = Some(handle),
            // It is gone already, or the others have been aborted meanwhile.
            _ => {
                drop(state);
                handle.abort();
            }
        }
    }

    /// The task has dropped all that it had. What it has left is counted by itself.
    pub(super) fn dropped(&self, number: u64) {
        let mut state = self.lock();
        let Some(entry) = state.tasks.get_mut(&number) else { return };
        entry.is_dropped = true;
        let (handle, pending) = (entry.handle.take(), entry.pending.take());
        drop(state);
        user_code::discard(handle);
        drop(pending);
    }

    /// The task is gone, and all that it has left. If it is the last one of a group that was dropped, there is something
    /// to be completed, and what is to be told before.
    pub(super) fn left(
        &self,
        number: u64,
        failures: impl Iterator<Item = Failure<E>>,
    ) -> Option<(Completion, Failures<E>)> {
        let mut state = self.lock();
        let entry = state.tasks.remove(&number);
        for failure in failures {
            match failure {
                Failure::Error(error) => state.failures.errors.push(error),
                Failure::Panic(payload) => state.failures.panics.push(payload),
            }
        }
        let waker = state.waker.take();
        let abandoned = if state.is_empty() { state.abandoned.take() } else { None };
        let last = abandoned.map(|completion| (completion, replace(&mut state.failures, Failures::NONE)));
        drop(state);
        user_code::discard(entry);
        waker.into_iter().for_each(user_code::wake);
        last
    }

    /// Waits until the tasks have come to this. There is one who waits.
    pub(super) async fn until(&self, reached: impl Fn(&TasksState<E>) -> bool) {
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
        let handles = state.take_handles();
        drop(state);
        abort(handles);
    }

    /// The same, where nobody is left to wait for them: what is dropped or polled here waits, if it can, and `drain`.
    /// Gives what has failed if there are none.
    pub(super) fn abandon(&self) -> Failures<E> {
        let mut state = self.lock();
        state.open = false;
        let handles = state.take_handles();
        let waker = state.waker.take();
        let mut failures = Failures::NONE;
        if state.is_empty() {
            swap(&mut failures, &mut state.failures);
        } else {
            let (completion, gone) = rescue::completion();
            state.abandoned = Some(completion);
            for entry in state.tasks.values_mut().filter(|entry| !entry.is_dropped) {
                entry.pending = Some(PendingGuard::begin());
            }
            rescue::add(gone);
        }
        drop(state);
        user_code::discard(waker);
        abort(handles);
        failures
    }

    /// What tasks have failed with.
    pub(super) fn take_failures(&self) -> Failures<E> {
        replace(&mut self.lock().failures, Failures::NONE)
    }
}

impl<E> TasksState<E> {
    fn take_handles(&mut self) -> Vec<AbortHandle> {
        self.tasks.values_mut().filter_map(|entry| entry.handle.take()).collect()
    }
}

fn abort(handles: Vec<AbortHandle>) {
    for handle in handles {
        user_code::call(|| handle.abort());
        user_code::discard(handle);
    }
}
