//! The end of a rescue, or of the tasks of a group, for which others wait.

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
    /// What is to be done then, when others are done as well.
    thens: Vec<Arc<AfterAll>>,
}

/// Something is done when this is dropped.
pub(crate) struct Completion(Option<Arc<CompletionShared>>);

/// Tells whether something is done.
#[derive(Clone)]
pub(crate) struct Handle(Arc<CompletionShared>);

/// Something that is not done, and what tells when it is.
pub(crate) fn completion() -> (Completion, Handle) {
    let shared = Arc::new(CompletionShared::default());
    (Completion(Some(Arc::clone(&shared))), Handle(shared))
}

impl CompletionShared {
    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, CompletionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is done: who is to be woken, and what is to be done then.
    fn complete(&self, wakers: &mut Vec<Waker>, thens: &mut Vec<Arc<AfterAll>>) {
        let mut state = self.lock();
        state.is_done = true;
        wakers.extend(state.waiters.take());
        thens.append(&mut state.thens);
    }
}

/// What is done then may be the end of something else, and so on: one after the other, and not one in another, as there
/// may be as many as scopes are nested.
impl Drop for Completion {
    fn drop(&mut self) {
        let (mut wakers, mut thens) = (Vec::new(), Vec::new());
        let mut done = self.0.take();
        loop {
            if let Some(shared) = done {
                shared.complete(&mut wakers, &mut thens);
            }
            let Some(then) = thens.pop() else { break };
            done = then.one_is_done().and_then(|mut completion| completion.0.take());
        }
        // What is woken may block, or wait for one of the others.
        wakers.into_iter().for_each(user_code::wake);
    }
}

impl Handle {
    pub(crate) fn is_done(&self) -> bool {
        self.0.lock().is_done
    }

    /// Returns one handle for all of these. `None` if there are none.
    pub(crate) fn all(handles: &[Self]) -> Option<Self> {
        if handles.len() < 2 {
            return handles.first().cloned();
        }
        let (completion, handle) = completion();
        Self::after(handles, move || Some(completion));
        Some(handle)
    }

    /// Calls `then` when all of these are done: now, or where the last one ends. What it returns is then done as well. It
    /// must not panic.
    pub(crate) fn after(handles: &[Self], then: impl FnOnce() -> Option<Completion> + Send + 'static) {
        let all = Arc::new(AfterAll(Mutex::new(AfterAllState { left: 1, then: Some(Box::new(then)) })));
        for handle in handles {
            all.waits_for(handle);
        }
        drop(all.one_is_done());
    }

    /// Registers `waker` under `key`, to be woken when it is done. Returns whether it is done already.
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

    /// Forgets the waker under `key`.
    pub(super) fn forget_waker(&self, key: u64) {
        let waker = self.0.lock().waiters.remove(key);
        user_code::discard(waker);
    }
}

/// What is to be done when others are done.
struct AfterAll(Mutex<AfterAllState>);

struct AfterAllState {
    /// How many others, and one more while it is told of them.
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
            state.thens.push(Arc::clone(self));
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
