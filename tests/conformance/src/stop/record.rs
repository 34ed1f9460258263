//! The trace of a run, and which scopes have struck in it.

use std::iter::successors;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_context_manager::CancelScope;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::program::Event;

/// The trace of a run. Its clock starts at 0.
pub(super) struct Record {
    start: Instant,
    trace: Mutex<Vec<Event>>,
}

/// A scope that is open, or was.
pub(super) struct Scope {
    pub(super) id: String,
    is_group: bool,
    parent: Option<Arc<Scope>>,
    /// Stops the scope by a call.
    pub(super) handle: OnceLock<ScopeHandle>,
    state: Mutex<ScopeState>,
}

/// What a step `cancel` calls.
pub(super) enum ScopeHandle {
    Ready(CancelScope),
    Own(Arc<Notify>),
}

#[derive(Default)]
struct ScopeState {
    has_struck: bool,
    is_closed: bool,
    block_has_ended: bool,
    /// How many children of a group have not ended.
    children: usize,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), trace: Mutex::default() }
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        let nanos = self.start.elapsed().as_nanos();
        assert_eq!(nanos % 1_000_000, 0, "paused time has whole milliseconds");
        u64::try_from(nanos / 1_000_000).expect("it is no eternity")
    }

    pub(super) fn log(&self, task: &str, event: String) {
        let now = self.now();
        self.events().push(Event(now, task.to_owned(), event));
    }

    pub(super) fn trace(&self) -> Vec<Event> {
        self.events().clone()
    }

    /// Logs that a scope strikes. It does not if it is closed, and in a block that is being stopped.
    pub(super) fn strike(&self, scope: &Scope) {
        if scope.can_strike() {
            scope.state().has_struck = true;
            self.log(&format!("*{}", scope.id), format!("stop:{}", scope.id));
        }
    }
}

impl Scope {
    pub(super) fn new(id: &str, is_group: bool, parent: Option<&Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            is_group,
            parent: parent.cloned(),
            handle: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, ScopeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This scope, and those around it.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Self> {
        successors(Some(self), |scope| scope.parent.as_deref())
    }

    fn can_strike(&self) -> bool {
        let state = self.state();
        let nothing_is_left = self.is_group && state.children == 0 && state.block_has_ended;
        if state.is_closed || nothing_is_left {
            return false;
        }
        drop(state);
        !self.chain().any(|scope| scope.state().has_struck)
    }

    /// The `Arc` of a scope in the chain.
    pub(super) fn find(self: &Arc<Self>, id: &str) -> Option<Arc<Self>> {
        if self.id == id { Some(Arc::clone(self)) } else { self.parent.as_ref()?.find(id) }
    }

    /// The handle is called.
    pub(super) fn cancel(&self) {
        match self.handle.get().expect("the scope can be cancelled") {
            ScopeHandle::Ready(scope) => scope.cancel(),
            ScopeHandle::Own(notify) => notify.notify_one(),
        }
    }

    pub(super) fn child_begins(&self) {
        self.state().children += 1;
    }

    pub(super) fn child_ends(&self) {
        self.state().children -= 1;
    }
}

/// Closes a scope when it is dropped, and ends the task outside that would call its handle.
pub(super) struct Open {
    pub(super) scope: Arc<Scope>,
    pub(super) caller: OnceLock<AbortHandle>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.scope.state().is_closed = true;
        if let Some(caller) = self.caller.get() {
            caller.abort();
        }
    }
}

/// Notes the end of a block when it is dropped.
pub(super) struct OpenBlock<'s>(pub(super) &'s Scope);

impl Drop for OpenBlock<'_> {
    fn drop(&mut self) {
        self.0.state().block_has_ended = true;
    }
}
