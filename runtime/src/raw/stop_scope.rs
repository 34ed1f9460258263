//! The waker with which a scope stops the `with!`s that it polls.
//!
//! A scope that can stop what is in it (a time limit, a task of a group) polls it with the waker of a [`StopScope`] that
//! lives for this one poll. The `with!`s find the scope by the vtable of the waker. While the scope is running, they
//! record that they are open. When the scope stops them, they leave, and record that they have not left yet.
//!
//! A clone of the waker is a clone of the task's waker. So nothing of a scope outlives the poll.

use core::iter::successors;
use core::mem::ManuallyDrop;
use core::ptr;
use core::task::{Context, RawWaker, RawWakerVTable, Waker};

#[cfg(feature = "tokio")]
use std::vec::Vec;

use crate::budget;
use crate::current_thread::current_thread;
#[cfg(feature = "std")]
use crate::rescue::Handle;
use crate::sync::Cell;

/// The mode of a poll by a scope.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// The scope polls it as any future.
    Running,
    /// The scope stops it.
    Stopping,
    /// A scope further out is stopping, and what is polled is an exit phase, which is awaited.
    Leaving,
}

/// The result of a poll that stops something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopPoll {
    /// It has ended, or nothing in it is open any more.
    Ended,
    /// Something open in it has not been left.
    Open,
    /// The poll may have skipped something open: see [`StopScope::may_have_skipped`].
    Skipped,
}

/// One poll by a scope that can stop what it polls.
pub(crate) struct StopScope<'t> {
    /// The waker of the task. It is never the waker of another scope.
    task: &'t Waker,
    /// Only this thread uses the cells. Safe code can poll with the waker on several threads at the same time.
    thread: usize,
    mode: Cell<StopMode>,
    /// Whether the scope contains something that must be left before it can be dropped.
    is_open: Cell<bool>,
    /// Whether the scope contains something that may have been skipped.
    has_skipped: Cell<bool>,
    /// Whether a stop has taken effect in the scope.
    is_cut: Cell<bool>,
    /// Whether the scope contains the marker of a `with!` that a scope further out stops.
    has_stopped_marker: Cell<bool>,
    /// Returns whether the scope will stop what it polls, although it has not begun.
    request: Option<&'t dyn Fn() -> bool>,
    /// The signals that will stop the scope, and those that will stop a scope around it in another task.
    #[cfg(feature = "std")]
    signals: [&'t [Handle]; 2],
    /// The scope in whose poll this one polls, if that is on the same thread.
    around: Option<&'t StopScope<'t>>,
    /// Whether a poll that has used up the budget of the task counts as any other: see [`budget`](crate::budget).
    ignores_budget: bool,
}

impl<'t> StopScope<'t> {
    /// Starts a poll in the poll with `waker`, which may be that of another scope.
    #[inline]
    pub(crate) fn new(waker: &'t Waker, mode: StopMode) -> Self {
        // A scope of another thread may only be asked for its task: its request is not `Sync`.
        let around = Self::of(waker);
        Self {
            task: task_waker(waker),
            thread: current_thread(),
            mode: Cell::new(mode),
            is_open: Cell::new(false),
            has_skipped: Cell::new(false),
            is_cut: Cell::new(false),
            has_stopped_marker: Cell::new(false),
            request: None,
            #[cfg(feature = "std")]
            signals: [&[]; 2],
            around,
            ignores_budget: around.is_some_and(|around| around.ignores_budget),
        }
    }

    /// Starts a poll in a scope that is running.
    #[inline]
    pub(crate) fn running(waker: &'t Waker) -> Self {
        Self::new(waker, StopMode::Running)
    }

    /// Adds a function that returns whether the scope will stop what it polls. The scope may know this in the middle of a
    /// poll, when the block has cancelled it.
    pub(crate) const fn requested_by(mut self, request: &'t dyn Fn() -> bool) -> Self {
        self.request = Some(request);
        self
    }

    /// Adds the signals by which the scope may know it.
    #[cfg(feature = "std")]
    pub(crate) const fn signalled_by(mut self, signals: [&'t [Handle]; 2]) -> Self {
        self.signals = signals;
        self
    }

    /// Returns the signals of the scope and of the scopes around it, for a scope in another task.
    #[cfg(feature = "tokio")]
    pub(crate) fn all_signals(&self) -> Vec<Handle> {
        self.and_around().flat_map(|scope| scope.signals.into_iter().flatten()).cloned().collect()
    }

    fn and_around(&self) -> impl Iterator<Item = &Self> {
        successors(Some(self), |scope| scope.around)
    }

    fn is_requested_here(&self) -> bool {
        #[cfg(feature = "std")]
        if self.signals.into_iter().flatten().any(Handle::is_done) {
            return true;
        }
        self.request.is_some_and(|request| request())
    }

    /// Returns whether nothing can be entered any more, because a scope will stop it.
    pub(crate) fn is_requested(&self) -> bool {
        self.and_around().any(Self::is_requested_here)
    }

    /// Returns a scope for which the budget of the task does not matter, if `ignores_budget`.
    pub(crate) const fn ignoring_budget(mut self, ignores_budget: bool) -> Self {
        self.ignores_budget |= ignores_budget;
        self
    }

    /// Returns whether a poll that has just ended may have skipped something that is open, because the task has used up
    /// its budget. Futures of tokio that have several children then poll none of them.
    pub(crate) fn may_have_skipped(&self) -> bool {
        !self.ignores_budget && budget::is_used_up()
    }

    /// Calls `poll` with a context whose waker leads to this scope.
    #[inline]
    pub(crate) fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        // SAFETY: the functions of `VTABLE` keep the contract of a `RawWaker`. `clone` returns a waker of the task, and
        // all of them use `task` only, which is `Sync`. This waker itself is only reachable by references that end with
        // the call, so it does not outlive `self`. It owns nothing and is not dropped.
        let waker = ManuallyDrop::new(unsafe { Waker::new(ptr::from_ref(self).cast(), &VTABLE) });
        poll(&mut Context::from_waker(&waker))
    }

    /// Returns the scope that polls with `waker`. `None` if there is none, or if it polls on another thread.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<&StopScope<'_>> {
        scope_of(waker).filter(|scope| scope.thread == current_thread())
    }

    /// Returns the scope that polls with `waker`, if it is stopping, or if a scope around it is.
    pub(crate) fn stopping(waker: &Waker) -> Option<&StopScope<'_>> {
        Self::of(waker).filter(|scope| scope.mode() != StopMode::Running)
    }

    pub(crate) fn mode(&self) -> StopMode {
        self.mode.get()
    }

    /// Returns whether no scope is around this one.
    #[cfg(feature = "std")]
    pub(crate) const fn is_outermost(&self) -> bool {
        self.around.is_none()
    }

    /// Returns the waker of the task.
    pub(crate) const fn task(&self) -> &'t Waker {
        self.task
    }

    /// Records that the marker of an enclosing manager has returned: the rest of the poll is part of an exit phase.
    pub(crate) fn leave(&self) {
        if self.mode() == StopMode::Stopping {
            self.mode.set(StopMode::Leaving);
        }
    }

    /// Records that the scope contains something that must be left.
    #[inline]
    pub(crate) fn set_open(&self) {
        self.is_open.set(true);
    }

    /// Forgets what was recorded since `is_open` returned `was_open`.
    #[cfg(feature = "std")]
    pub(crate) fn restore_open(&self, was_open: bool) {
        self.is_open.set(was_open);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Records the result of a stop of something in the scope.
    pub(crate) fn record(&self, polled: StopPoll) {
        match polled {
            StopPoll::Ended => {}
            StopPoll::Open => self.set_open(),
            StopPoll::Skipped => self.has_skipped.set(true),
        }
    }

    /// Returns the result of a stopping poll that is pending. `None` if nothing in the scope is open.
    pub(crate) fn stop_poll(&self) -> Option<StopPoll> {
        if self.is_open.get() {
            Some(StopPoll::Open)
        } else if self.has_skipped.get() || self.may_have_skipped() {
            Some(StopPoll::Skipped)
        } else {
            None
        }
    }

    /// Records that a stop has taken effect in the scope: what is in it has no result any more.
    pub(crate) fn set_cut(&self) {
        self.is_cut.set(true);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    /// Records that the scope contains the marker of a `with!` that a scope further out stops.
    pub(crate) fn set_stopped_marker(&self) {
        self.has_stopped_marker.set(true);
    }

    pub(crate) fn has_stopped_marker(&self) -> bool {
        self.has_stopped_marker.get()
    }

    /// Calls `poll`. Returns its result, and whether such a marker was recorded meanwhile.
    #[cfg(feature = "std")]
    pub(crate) fn trace_marker<T>(&self, poll: impl FnOnce() -> T) -> (T, bool) {
        let trace = Trace::begin(&self.has_stopped_marker);
        (poll(), trace.end())
    }

    /// Calls `poll`. Returns its result, and whether something open was recorded meanwhile.
    #[inline]
    pub(crate) fn trace<T>(&self, poll: impl FnOnce() -> T) -> (T, bool) {
        let trace = self.trace_open();
        (poll(), trace.end())
    }

    /// Returns a guard that knows whether something open is recorded from now on.
    #[inline]
    pub(super) fn trace_open(&self) -> Trace<'_> {
        Trace::begin(&self.is_open)
    }
}

/// Knows whether something was recorded in a scope since the trace began. When dropped, restores what was recorded before, also
/// if a poll has panicked: other code may catch the panic and go on.
pub(super) struct Trace<'s> {
    recorded: &'s Cell<bool>,
    before: bool,
}

impl<'s> Trace<'s> {
    #[inline]
    fn begin(recorded: &'s Cell<bool>) -> Self {
        Self { recorded, before: recorded.replace(false) }
    }

    /// Returns whether something was recorded.
    #[inline]
    pub(super) fn end(self) -> bool {
        self.recorded.get()
    }
}

impl Drop for Trace<'_> {
    #[inline]
    fn drop(&mut self) {
        self.recorded.set(self.before || self.recorded.get());
    }
}

/// Returns the waker of the task, also if `waker` is that of a scope.
#[inline]
pub(crate) fn task_waker(waker: &Waker) -> &Waker {
    scope_of(waker).map_or(waker, |scope| scope.task)
}

/// Returns whether `waker` is the waker of a scope, possibly on another thread.
#[inline]
pub(super) fn is_scope(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &raw const VTABLE)
}

#[inline]
fn scope_of(waker: &Waker) -> Option<&StopScope<'_>> {
    // SAFETY: only `StopScope::poll` makes wakers with this vtable, from a reference to a scope that outlives the waker.
    // The reference to the waker is alive, so the scope is alive. Other threads only use `task` and `thread`, which never
    // change and are `Sync`.
    is_scope(waker).then(|| unsafe { &*waker.data().cast::<StopScope<'_>>() })
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| {});

/// Returns a clone of the task's waker, which outlives the poll.
fn clone(scope: *const ()) -> RawWaker {
    // SAFETY: the pointer comes from `StopScope::poll`, and the scope outlives the waker.
    let scope = unsafe { &*scope.cast::<StopScope<'_>>() };
    let waker = ManuallyDrop::new(scope.task.clone());
    RawWaker::new(waker.data(), waker.vtable())
}

fn wake(scope: *const ()) {
    // SAFETY: as in `clone`.
    unsafe { &*scope.cast::<StopScope<'_>>() }.task.wake_by_ref();
}
