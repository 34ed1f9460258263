//! A count that one can wait for: of the rescues that are under way.

use std::mem::take;
use std::task::{Context, Poll, Waker};
use std::vec::Vec;

use crate::sync::{Mutex, MutexGuard, PoisonError};

/// How many there are, and who waits for there to be none.
#[derive(Default)]
pub(crate) struct Count(Mutex<State>);

#[derive(Default)]
struct State {
    count: usize,
    waiting: Vec<Waker>,
}

impl Count {
    pub(crate) fn add(&self) {
        self.lock().count += 1;
    }

    pub(crate) fn remove(&self) {
        let mut state = self.lock();
        state.count -= 1;
        if state.count == 0 {
            drop(state);
            self.wake();
        }
    }

    pub(crate) fn get(&self) -> usize {
        self.lock().count
    }

    /// Has those who wait look again.
    pub(crate) fn wake(&self) {
        let waiting = take(&mut self.lock().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits for there to be none.
    pub(crate) fn poll_none(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.count == 0 {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Nothing under the lock panics but a waker's clone.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
