//! The shared state of a group: its pending tasks, and the failures of the others.

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

/// The tasks of a group. While they are locked, only code of this crate runs: no destructor, no waker, no runtime.
pub(super) struct Tasks<E>(Mutex<TasksState<E>>);

pub(super) struct TasksState<E> {
    /// Whether the group accepts more tasks.
    open: bool,
    spawned: u64,
    /// The tasks that are not gone, by their number.
    tasks: BTreeMap<u64, TaskEntry>,
    failures: Failures<E>,
    /// `Some` if the group was dropped. It is completed when the tasks are gone.
    abandoned: Option<Completion>,
    /// The waker of the `with!` that leaves the group.
    waker: Option<Waker>,
}

/// A task that is not gone.
#[derive(Default)]
struct TaskEntry {
    /// The handle that aborts the task. `None` if it is not known yet, or was used.
    handle: Option<AbortHandle>,
    /// Whether the task's future is dropped, while rescues that began in it are still pending.
    is_dropped: bool,
    /// `Some` if the group was dropped.
    pending: Option<PendingGuard>,
}

/// The failures of tasks, in the order in which they occurred.
pub(super) struct Failures<E> {
    pub(super) errors: Vec<E>,
    pub(super) panics: Vec<Payload>,
}

/// The failure of a task.
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

    /// Returns whether the tasks have not been aborted.
    pub(super) fn are_open(&self) -> bool {
        self.lock().open
    }

    /// Adds a task and returns its number. `None` if the group accepts no more tasks.
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

    /// Stores the handle that aborts a task that was spawned.
    pub(super) fn entered(&self, number: u64, handle: AbortHandle) {
        let mut state = self.lock();
        let open = state.open;
        match state.tasks.get_mut(&number) {
            Some(entry) if open => entry.handle = Some(handle),
            // The task is gone already, or all tasks have been aborted meanwhile.
            _ => {
                drop(state);
                handle.abort();
            }
        }
    }

    /// Marks a task whose future is dropped. The rescues that began in it count by themselves.
    pub(super) fn dropped(&self, number: u64) {
        let mut state = self.lock();
        let Some(entry) = state.tasks.get_mut(&number) else { return };
        entry.is_dropped = true;
        let (handle, pending) = (entry.handle.take(), entry.pending.take());
        drop(state);
        user_code::discard(handle);
        drop(pending);
    }

    /// Removes a task that is gone, together with its rescues. If it is the last task of a group that was dropped,
    /// returns the completion, and the failures that must be reported before it.
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

    /// Waits until `reached` returns true. There is only one waiter.
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

    /// Aborts all tasks, and accepts no more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.open = false;
        let handles = state.take_handles();
        drop(state);
        abort(handles);
    }

    /// Aborts all tasks of a group that was dropped. The innermost collecting scope waits for them, if any, and so does
    /// `drain`. Returns the failures if no task is left.
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

    /// Removes and returns the failures of the tasks.
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
