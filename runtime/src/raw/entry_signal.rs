//! Ends the block of a stack entry, and passes its value and its outcome.

use core::fmt;
use core::future::poll_fn;
use core::mem::replace;
use core::task::{Poll, Waker};
use std::boxed::Box;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Enclosing;
use super::header::Route;
use crate::classify::{Classify, Fallible};
use crate::named::Named;
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::stack_exit::{LeavingError, Seen};
use crate::user_code;

/// The current outcome while a stack is left: the value that the next entry receives.
pub(crate) enum StackOutcome<E> {
    Completed,
    Failed(E),
    /// The block has failed, and its error bypasses the stack.
    FailedElsewhere,
    Panicked(Payload),
    Cancelled,
}

impl<E> StackOutcome<E> {
    /// Converts the outcome of a block. Another part of the code holds its panic, and resumes it.
    pub(crate) fn new<C: LeavingError<E, Kind>, Kind>(outcome: Outcome<C>) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed(error) => error.into_error().map_or(Self::FailedElsewhere, Self::Failed),
            Outcome::Panicked => Self::Panicked(Box::new(panics::PayloadElsewhere)),
            Outcome::Cancelled => Self::Cancelled,
        }
    }

    /// Converts what the marker of a stack has returned. `bypassed` is the outcome of the whole block, which may have failed
    /// with an error that the stack does not receive.
    pub(crate) fn of_block(outcome: Outcome<E>, bypassed: Option<Outcome>) -> Self {
        match (outcome, bypassed) {
            (Outcome::Cancelled, Some(Outcome::Failed(()))) => Self::FailedElsewhere,
            (outcome, _) => Self::new::<E, Seen>(outcome),
        }
    }

    /// Returns the error that the stack ends with, or resumes its panic, unless another part of the code does.
    pub(crate) fn into_result(self) -> Result<(), E> {
        match self {
            Self::Completed | Self::FailedElsewhere | Self::Cancelled => Ok(()),
            Self::Failed(error) => Err(error),
            Self::Panicked(payload) if payload.is::<panics::PayloadElsewhere>() => Ok(()),
            Self::Panicked(payload) => panics::resume(payload),
        }
    }

    /// Returns the outcome that bypasses the managers of the stack, so that none of them can end it.
    pub(super) const fn bypassing(&self) -> Option<Outcome> {
        match self {
            Self::FailedElsewhere => Some(Outcome::Failed(())),
            Self::Cancelled => Some(Outcome::Cancelled),
            Self::Completed | Self::Failed(_) | Self::Panicked(_) => None,
        }
    }

    /// Returns what bypasses the stack in place of `Completed`: it continues although a manager has suppressed an error
    /// of another manager.
    pub(super) fn unless_bypassed(self, bypassing: Option<Outcome>) -> Self {
        match (self, bypassing) {
            (Self::Completed, Some(Outcome::Failed(()))) => Self::FailedElsewhere,
            (Self::Completed, Some(Outcome::Cancelled)) => Self::Cancelled,
            (left, _) => left,
        }
    }

    /// Returns the outcome after an entry that `before` has bypassed. An error or a panic of the entry replaces `before`.
    pub(super) fn or(self, before: Self) -> Self {
        match self {
            Self::Completed | Self::FailedElsewhere | Self::Cancelled => before,
            Self::Failed(_) | Self::Panicked(_) => self,
        }
    }

    /// Returns the text of the report about an error that this outcome replaces.
    pub(super) const fn replaces(&self) -> &'static str {
        match self {
            Self::Panicked(_) => "panicked and replaced an earlier error",
            Self::Failed(_) => "failed and replaced an earlier error",
            Self::Completed | Self::FailedElsewhere | Self::Cancelled => {
                "dropped its block and suppressed an earlier error"
            }
        }
    }
}

/// The signal between a stack and the block of one of its entries.
pub(super) trait ExitSignal<E> {
    /// Ends the block with this outcome.
    fn end(&self, outcome: StackOutcome<E>);

    /// Returns the outcome that the block was ended with, if it bypasses the manager.
    fn bypassing(&self) -> Option<Outcome>;

    /// Takes the outcome, if the block has not received it.
    fn take_outcome(&self) -> Option<StackOutcome<E>>;

    /// Returns the name of the manager, and the function that formats its error.
    fn named(&self) -> Named<Result<(), E>>;
}

pub(super) struct EntryShared<K, E> {
    /// The name of the manager.
    pub(super) named: Named<Result<(), E>>,
    state: Mutex<EntryState<K, E>>,
}

pub(super) struct EntryState<K, E> {
    value: Option<K>,
    /// The route from the stack to the marker of the manager. It is `Detached` until the manager has lent its value.
    route: Route,
    outcome: Option<StackOutcome<E>>,
    bypassing: Option<Outcome>,
    waker: Option<Waker>,
}

impl<K, E> EntryShared<K, E> {
    pub(super) fn new(named: Named<Result<(), E>>) -> Self {
        let state = EntryState { value: None, route: Route::Detached, outcome: None, bypassing: None, waker: None };
        Self { named, state: Mutex::new(state) }
    }

    /// Stores the value for `take_value`, until the returned guard is dropped with the block.
    pub(super) fn put(&self, value: K) -> ValueGuard<'_, K, E> {
        lock(&self.state).value = Some(value);
        ValueGuard(self)
    }

    /// Returns whether no code can have leaked the marker.
    pub(super) fn keeps_marker(&self) -> bool {
        lock(&self.state).route != Route::Detached
    }

    pub(super) fn take_value(&self) -> Option<K> {
        lock(&self.state).value.take()
    }

    /// Waits for the end of the block, and returns its result.
    pub(super) async fn ended(&self) -> Result<(), E> {
        let outcome = poll_fn(|cx| {
            let mut state = lock(&self.state);
            if let Some(outcome) = state.outcome.take() {
                return Poll::Ready(outcome);
            }
            // Each poll of the body by the stack also polls the block, except if the marker is in another future, which
            // may poll only what was woken.
            if state.route < Route::Scope {
                return Poll::Pending;
            }
            // The waker's functions must not run under the lock.
            drop(state);
            let waker = user_code::clone(cx.waker());
            let before = replace(&mut lock(&self.state).waker, waker);
            user_code::discard(before);
            Poll::Pending
        });
        match outcome.await {
            StackOutcome::Completed | StackOutcome::FailedElsewhere | StackOutcome::Cancelled => Ok(()),
            StackOutcome::Failed(error) => Err(error),
            StackOutcome::Panicked(payload) => panics::resume(payload),
        }
    }
}

impl<K, E> Enclosing for &EntryShared<K, E> {
    fn is_around_marker(&self) -> bool {
        true
    }

    fn can_stop(&self) -> bool {
        false
    }

    fn outcome(&self) -> Option<Outcome> {
        self.bypassing()
    }

    fn has_lent(&self, route: Route) {
        lock(&self.state).route = route;
    }

    fn wants_marker(&self) -> bool {
        false
    }
}

/// Takes the value back if it was not taken: a manager may drop its block in the same poll in which it has lent.
pub(super) struct ValueGuard<'l, K, E>(&'l EntryShared<K, E>);

impl<K, E> Drop for ValueGuard<'_, K, E> {
    fn drop(&mut self) {
        drop(self.0.take_value());
    }
}

impl<K, E> ExitSignal<E> for EntryShared<K, E> {
    fn end(&self, outcome: StackOutcome<E>) {
        let mut state = lock(&self.state);
        state.bypassing = outcome.bypassing();
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(user_code::wake);
    }

    fn bypassing(&self) -> Option<Outcome> {
        lock(&self.state).bypassing
    }

    fn take_outcome(&self) -> Option<StackOutcome<E>> {
        lock(&self.state).outcome.take()
    }

    fn named(&self) -> Named<Result<(), E>> {
        self.named
    }
}

/// The output of the block of an entry. Its error is formatted like an error of the manager.
pub(super) struct Left<E> {
    pub(super) result: Result<(), E>,
    pub(super) named: Named<Result<(), E>>,
}

impl<E> Classify<i32> for Left<E> {
    type Kind = Fallible;
    type Error = E;

    fn failed(&self) -> bool {
        self.result.is_err()
    }

    fn without_error(self) -> Result<Self, E> {
        self.result.map(|()| Self { result: Ok(()), named: self.named })
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named.show(&self.result, f)
    }
}

/// Locks a mutex. Poisoning is ignored, because no code panics under these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
