//! The shared state of a group: its pending tasks, and the failures of the others.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem::{replace, swap};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::vec::Vec;

use super::super::signal::Signal;
use super::super::until::poll_cut_short;
use super::NAME;
use crate::panics::Payload;
use crate::raw::stop_scope::StopScope;
use crate::rescue::{self, Completion, Handle, PendingGuard, RescueEnd};
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, PoisonError};
use crate::user_code;

/// The tasks of a group. While they are locked, only code of this crate runs: no destructor, no waker, no runtime.
pub(super) struct Tasks<E> {
    state: Mutex<TasksState<E>>,
    /// The signals that will stop a scope around the group.
    around: Vec<Handle>,
    /// Whether `around` does not count any more: see [`Tasks::check_around`]. Changed only while the state is locked.
    ignores_around: AtomicBool,
}

pub(super) struct TasksState<E> {
    /// Whether the group accepts more tasks.
    open: bool,
    spawned: u64,
    /// The tasks that are not gone, by their number.
    tasks: BTreeMap<u64, TaskEntry>,
    failures: Failures<E>,
    /// Whether a task has not come to its end because the group was stopped.
    is_cut: bool,
    /// `Some` if the group was dropped. It is completed when the tasks are gone.
    abandoned: Option<Completion>,
    /// The waker of the `with!` that leaves the group.
    waker: Option<Waker>,
}

/// A task that is not gone.
struct TaskEntry {
    /// The signal that stops the task. `None` if the task was stopped with its group.
    stop: Option<Arc<Signal>>,
    is_aborted: Arc<AtomicBool>,
    /// The waker of the task, if a signal around the group may have kept it from entering a manager.
    refused: Option<Waker>,
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
    pub(super) fn new(around: Vec<Handle>) -> Self {
        let state = TasksState {
            open: true,
            spawned: 0,
            tasks: BTreeMap::new(),
            failures: Failures::NONE,
            is_cut: false,
            abandoned: None,
            waker: None,
        };
        Self { state: Mutex::new(state), around, ignores_around: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, TasksState<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the signals that will stop a scope around the group.
    pub(super) fn around(&self) -> &[Handle] {
        if self.ignores_around.load(Ordering::Acquire) { &[] } else { &self.around }
    }

    /// Registers the waker of a task that is pending, if one of the signals `around` the group is set. Such a task enters
    /// nothing until it is stopped, or until the group finds that the signals do not count any more.
    pub(super) fn refused(&self, number: u64, around: &[Handle], waker: &Waker) {
        if !around.iter().any(Handle::is_done) {
            return;
        }
        let mut waker = user_code::clone(waker);
        let mut state = self.lock();
        if self.ignores_around.load(Ordering::Relaxed) {
            drop(state);
            return waker.into_iter().for_each(user_code::wake);
        }
        if let Some(entry) = state.tasks.get_mut(&number) {
            swap(&mut entry.refused, &mut waker);
        }
        let group = state.waker.take();
        drop(state);
        user_code::discard(waker);
        group.into_iter().for_each(user_code::wake);
    }

    /// Looks whether a scope around the group has been stopped, although the group is not: the group is in an exit phase.
    /// Its tasks enter managers as usual then. `cx` is that of the group, which no scope is stopping.
    pub(super) fn check_around(&self, cx: &Context<'_>) {
        let mut set = self.around().iter().filter(|signal| signal.is_done()).peekable();
        if set.peek().is_none() {
            return;
        }
        let now = StopScope::of(cx.waker()).map_or_else(Vec::new, StopScope::all_signals);
        if set.all(|signal| now.iter().any(|other| other.is_same(signal))) {
            return;
        }
        let mut state = self.lock();
        self.ignores_around.store(true, Ordering::Release);
        let wakers: Vec<_> = state.tasks.values_mut().filter_map(|entry| entry.refused.take()).collect();
        drop(state);
        wakers.into_iter().for_each(user_code::wake);
    }

    /// Returns whether the tasks have not been aborted.
    pub(super) fn are_open(&self) -> bool {
        self.lock().open
    }

    /// Adds a task, which `stop` stops, and returns its number. `None` if the group accepts no more tasks.
    pub(super) fn enter(&self, stop: &Arc<Signal>, is_aborted: &Arc<AtomicBool>) -> Option<u64> {
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        state.spawned += 1;
        let number = state.spawned;
        let (stop, is_aborted) = (Some(Arc::clone(stop)), Arc::clone(is_aborted));
        let entry = TaskEntry { stop, is_aborted, refused: None, is_dropped: false, pending: None };
        state.tasks.insert(number, entry);
        Some(number)
    }

    /// Marks a task whose future is dropped. The rescues that began in it count by themselves.
    pub(super) fn dropped(&self, number: u64, end: RescueEnd) {
        let mut state = self.lock();
        let Some(entry) = state.tasks.get_mut(&number) else { return };
        entry.is_dropped = true;
        let (stop, pending) = (entry.stop.take(), entry.pending.take());
        drop(state);
        drop(stop);
        if let Some(mut pending) = pending {
            pending.set_end(end);
        }
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
        poll_fn(|cx| self.poll_until(&reached, cx)).await;
    }

    /// Waits until `reached` returns true, or until a scope around the group stops it.
    pub(super) async fn until_or_stopped(&self, reached: impl Fn(&TasksState<E>) -> bool) {
        poll_fn(|cx| match self.poll_until(&reached, cx) {
            Poll::Pending if StopScope::stopping(cx.waker()).is_some() => Poll::Ready(()),
            polled => {
                self.check_around(cx);
                polled
            }
        })
        .await;
    }

    /// Waits until all tasks are gone. If a scope around the group has stopped one of them, its `with!` has no value.
    pub(super) async fn until_gone(&self) {
        poll_fn(|cx| {
            let polled = self.poll_until(TasksState::is_empty, cx);
            if polled.is_ready() && self.lock().is_cut {
                let _in_a_stop = poll_cut_short(cx);
            }
            polled
        })
        .await;
    }

    /// Records that a task has not come to its end because the group was stopped.
    pub(super) fn set_cut(&self) {
        self.lock().is_cut = true;
    }

    fn poll_until(&self, reached: impl Fn(&TasksState<E>) -> bool, cx: &Context<'_>) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if reached(&state) {
            return Poll::Ready(());
        }
        swap(&mut state.waker, &mut waker);
        Poll::Pending
    }

    /// Stops all tasks that have been spawned, as if each of them had been aborted.
    pub(super) fn abort_all(&self) {
        let entries = |entry: &TaskEntry| Some((entry.stop.clone()?, Arc::clone(&entry.is_aborted)));
        let running: Vec<_> = self.lock().tasks.values().filter_map(entries).collect();
        for (stop, is_aborted) in running {
            is_aborted.store(true, Ordering::Release);
            stop.set();
        }
    }

    /// Stops all tasks, and accepts no more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.open = false;
        let signals = state.take_signals();
        drop(state);
        for signal in signals {
            signal.set();
        }
    }

    /// Aborts all tasks of a group that was dropped. The innermost collecting scope waits for them, if any, and so does
    /// `drain`. Returns the failures if no task is left.
    pub(super) fn abandon(&self) -> Failures<E> {
        let mut state = self.lock();
        state.open = false;
        let signals = state.take_signals();
        let waker = state.waker.take();
        let mut failures = Failures::NONE;
        if state.is_empty() {
            swap(&mut failures, &mut state.failures);
        } else {
            let (completion, gone) = rescue::completion();
            state.abandoned = Some(completion);
            for entry in state.tasks.values_mut().filter(|entry| !entry.is_dropped) {
                entry.pending = Some(PendingGuard::begin(NAME));
            }
            rescue::add(gone);
        }
        drop(state);
        user_code::discard(waker);
        for signal in signals {
            signal.set();
        }
        failures
    }

    /// Removes and returns the failures of the tasks.
    pub(super) fn take_failures(&self) -> Failures<E> {
        replace(&mut self.lock().failures, Failures::NONE)
    }
}

impl<E> TasksState<E> {
    fn take_signals(&mut self) -> Vec<Arc<Signal>> {
        self.tasks.values_mut().filter_map(|entry| entry.stop.take()).collect()
    }
}
