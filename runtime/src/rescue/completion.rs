//! A one-time event that others wait for: the end of a rescue, or of the tasks of a group.

use std::boxed::Box;
use std::sync::Arc;
use std::task::Waker;
use std::vec::Vec;

use super::waiters::Waiters;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::user_code;

#[derive(Default)]
struct CompletionShared(Mutex<CompletionState>);

#[derive(Default)]
struct CompletionState {
    is_done: bool,
    waiters: Waiters,
    /// The callbacks that wait for this event, and possibly for others.
    callbacks: Vec<Arc<AfterAll>>,
}

/// The completing half of the event: its drop marks the event as done.
pub(crate) struct Completion(Option<Arc<CompletionShared>>);

/// The waiting half of the event.
#[derive(Clone)]
pub(crate) struct Handle(Arc<CompletionShared>);

/// Creates an event that is not done.
pub(crate) fn completion() -> (Completion, Handle) {
    let shared = Arc::new(CompletionShared::default());
    (Completion(Some(Arc::clone(&shared))), Handle(shared))
}

impl CompletionShared {
    /// Locks the state. No code under the lock panics, so poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, CompletionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the event as done. Adds the wakers to be woken and the callbacks to be called to the lists.
    fn complete(&self, wakers: &mut Vec<Waker>, callbacks: &mut Vec<Arc<AfterAll>>) {
        let mut state = self.lock();
        state.is_done = true;
        wakers.extend(state.waiters.take());
        callbacks.append(&mut state.callbacks);
    }
}

/// A callback may complete another event, whose callbacks may complete further ones. They are called in a loop and not
/// recursively, because the chain is as long as the scopes are deeply nested.
impl Drop for Completion {
    fn drop(&mut self) {
        let (mut wakers, mut callbacks) = (Vec::new(), Vec::new());
        let mut done = self.0.take();
        loop {
            if let Some(shared) = done {
                shared.complete(&mut wakers, &mut callbacks);
            }
            let Some(then) = callbacks.pop() else { break };
            done = then.one_is_done().and_then(|mut completion| completion.0.take());
        }
        // Last, because a woken task may block or wait for one of the other events.
        wakers.into_iter().for_each(user_code::wake);
    }
}

impl Handle {
    pub(crate) fn is_done(&self) -> bool {
        self.0.lock().is_done
    }

    /// Returns whether both are handles of the same event.
    #[allow(dead_code, reason = "used only by task groups")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns a handle that is done when all of `handles` are done. `None` if `handles` is empty.
    pub(crate) fn all(handles: &[Self]) -> Option<Self> {
        if handles.len() < 2 {
            return handles.first().cloned();
        }
        let (completion, handle) = completion();
        Self::after(handles, move || Some(completion));
        Some(handle)
    }

    /// Calls `then` when all of `handles` are done: immediately, or in the drop of the last completion. The completion
    /// that `then` returns is dropped after it. `then` must not panic.
    pub(crate) fn after(handles: &[Self], then: impl FnOnce() -> Option<Completion> + Send + 'static) {
        let all = Arc::new(AfterAll(Mutex::new(AfterAllState { left: 1, then: Some(Box::new(then)) })));
        for handle in handles {
            all.waits_for(handle);
        }
        drop(all.one_is_done());
    }

    /// Registers `waker` under `key`, to be woken when the event is done. Returns whether it is done already.
    pub(super) fn poll(&self, key: &mut Option<u64>, waker: &Waker) -> bool {
        let state = self.0.lock();
        if state.is_done || state.waiters.knows(*key, waker) {
            return state.is_done;
        }
        drop(state);
        let Some(waker) = user_code::clone(waker) else { return false };
        let mut state = self.0.lock();
        if state.is_done {
            drop(state);
            user_code::discard(waker);
            return true;
        }
        let before = state.waiters.register(key, waker);
        drop(state);
        user_code::discard(before);
        false
    }

    /// Removes the waker under `key`.
    pub(super) fn forget_waker(&self, key: u64) {
        let waker = self.0.lock().waiters.remove(key);
        user_code::discard(waker);
    }
}

/// A callback that is called when several events are done.
struct AfterAll(Mutex<AfterAllState>);

struct AfterAllState {
    /// The number of events that are not done, plus one while the callback is being registered with them.
    left: usize,
    then: Option<Box<dyn FnOnce() -> Option<Completion> + Send>>,
}

impl AfterAll {
    fn lock(&self) -> MutexGuard<'_, AfterAllState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits_for(self: &Arc<Self>, handle: &Handle) {
        let mut state = handle.0.lock();
        if !state.is_done {
            self.lock().left += 1;
            state.callbacks.push(Arc::clone(self));
        }
    }

    fn one_is_done(&self) -> Option<Completion> {
        let mut state = self.lock();
        state.left -= 1;
        let then = if state.left == 0 { state.then.take() } else { None };
        drop(state);
        then.and_then(|then| then())
    }
}
