//! The end of something that others wait for: of a rescue, or of the tasks of a group.

use std::boxed::Box;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::vec::Vec;

use super::together;
use super::waiters::Waiters;
use crate::foreign;
use crate::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    is_done: bool,
    waiters: Waiters,
}

/// Something is done when this is dropped.
pub(crate) struct Completion(Arc<Shared>);

/// Tells whether something is done.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Shared>);

/// Something that is not done, and what tells when it is.
pub(crate) fn completion() -> (Completion, Handle) {
    let shared = Arc::new(Shared::default());
    (Completion(Arc::clone(&shared)), Handle(shared))
}

impl Shared {
    /// Nothing under the lock panics.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_done = true;
        let wakers = state.waiters.take();
        drop(state);
        wakers.for_each(foreign::wake);
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
        Rescues::new(handles).then(move || drop(completion));
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
        let Some(waker) = foreign::clone(cx.waker()) else { return Poll::Pending };
        let mut state = self.handle.0.lock();
        if state.is_done {
            drop(state);
            foreign::discard(waker);
            return Poll::Ready(());
        }
        let before = state.waiters.register(&mut self.key, waker);
        drop(state);
        foreign::discard(before);
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.handle.0.lock().waiters.remove(key);
            foreign::discard(waker);
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

    /// Has `then` done when all are done, by whoever does the last one, or at once. It must not panic.
    pub(crate) fn then(self, then: impl FnOnce() + Send + 'static) {
        if self.0.is_none() {
            return then();
        }
        Arc::new(Then(Mutex::new(Some((self, Box::new(then)))))).wake();
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
            together::add(wait.handle.clone());
        }
    }
}

/// Is woken by what it waits for, and needs no executor.
struct Then(Mutex<Option<(Rescues, Box<dyn FnOnce() + Send>)>>);

impl Wake for Then {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        // The only waker under this lock is its own.
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((rescues, _then)) = &mut *place else { return };
        if rescues.poll(&mut Context::from_waker(&waker)).is_pending() {
            return;
        }
        let ended = place.take();
        drop(place);
        if let Some((_rescues, then)) = ended {
            then();
        }
    }
}
