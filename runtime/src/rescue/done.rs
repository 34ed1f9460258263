//! The end of something that others wait for: of a rescue, or of the tasks of a group.

use std::boxed::Box;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::vec::Vec;

use super::collector;
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
    thens: Vec<Arc<Then>>,
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
    fn complete(&self, wakers: &mut Vec<Waker>, thens: &mut Vec<Arc<Then>>) {
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

    /// One for all of these: nothing if there are none.
    pub(crate) fn all(handles: Vec<Self>) -> Option<Self> {
        if handles.len() < 2 {
            return handles.into_iter().next();
        }
        let (completion, handle) = completion();
        Rescues::new(handles).then(move || Some(completion));
        Some(handle)
    }
}

/// One who waits for something. Nothing is kept of one that is dropped.
struct Wait {
    handle: Handle,
    key: Option<u64>,
}

impl Wait {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.handle.0.lock();
        if state.is_done {
            return Poll::Ready(());
        }
        if state.waiters.knows(self.key, cx.waker()) {
            return Poll::Pending;
        }
        drop(state);
        let Some(waker) = user_code::clone(cx.waker()) else { return Poll::Pending };
        let mut state = self.handle.0.lock();
        if state.is_done {
            drop(state);
            user_code::discard(waker);
            return Poll::Ready(());
        }
        let before = state.waiters.register(&mut self.key, waker);
        drop(state);
        user_code::discard(before);
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.handle.0.lock().waiters.remove(key);
            user_code::discard(waker);
        }
    }
}

/// Rescues that somebody waits for. They run by themselves.
///
/// They are waited for one after the other: a poll looks at the one that is waited for, and not at all.
///
/// Most polls and scopes leave none, so an empty one has no memory and is cheap to drop.
#[derive(Default)]
pub(crate) struct Rescues(Option<Box<Waits>>);

/// When it is dropped, whoever waited for them does not any more: what is being dropped or polled here does, as for those
/// that begin.
struct Waits {
    list: Vec<Wait>,
    /// When there are that many, those that are done are forgotten.
    prune_at: usize,
}

impl Rescues {
    /// Those of them that are not done.
    pub(crate) fn new(handles: Vec<Handle>) -> Self {
        let not_done = handles.into_iter().filter(|handle| !handle.is_done());
        let list: Vec<_> = not_done.map(|handle| Wait { handle, key: None }).collect();
        Self((!list.is_empty()).then(|| Box::new(Waits { list, prune_at: 0 })))
    }

    #[allow(dead_code, reason = "a model checker does not ask")]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    #[allow(dead_code, reason = "a model checker does not ask")]
    pub(crate) fn extend(&mut self, other: Self) {
        let Some(mut others) = other.0 else { return };
        match &mut self.0 {
            Some(waits) => waits.append(&mut others.list),
            none => *none = Some(others),
        }
    }

    /// Waits for all to be done.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(waits) = &mut self.0 else { return Poll::Ready(()) };
        while let Some(last) = waits.list.last_mut() {
            ready!(last.poll(cx));
            drop(waits.list.pop());
        }
        self.0 = None;
        Poll::Ready(())
    }

    /// Has `then` done when all are done, by whoever does the last one, or at once, and what it returns is done then as
    /// well. It must not panic.
    pub(crate) fn then(self, then: impl FnOnce() -> Option<Completion> + Send + 'static) {
        let Some(mut waits) = self.0 else { return drop(then()) };
        let all = Arc::new(Then(Mutex::new(ThenState { left: 1, then: Some(Box::new(then)) })));
        for wait in waits.list.drain(..) {
            all.waits_for(&wait.handle);
        }
        drop(all.one_is_done());
    }
}

impl Waits {
    fn append(&mut self, others: &mut Vec<Wait>) {
        self.list.append(others);
        if self.list.len() > self.prune_at {
            self.list.retain(|wait| !wait.handle.is_done());
            self.prune_at = 2 * self.list.len() + 8;
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        for wait in self.list.drain(..).filter(|wait| !wait.handle.is_done()) {
            collector::add(wait.handle.clone());
        }
    }
}

/// What is to be done when others are done.
struct Then(Mutex<ThenState>);

struct ThenState {
    /// How many others, and one more while it is told of them.
    left: usize,
    then: Option<Box<dyn FnOnce() -> Option<Completion> + Send>>,
}

impl Then {
    fn lock(&self) -> MutexGuard<'_, ThenState> {
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
