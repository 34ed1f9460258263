//! Deadlines that need no executor: one thread serves all of them, by the system's monotonic clock.
//!
//! A timer of tokio would not do, because it needs a runtime that is driven, and its clock may be paused.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::Builder as Thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

use crate::user_code;

/// The process id, and the timer thread of that process.
static TIMER: Mutex<Option<(u32, Arc<Timer>)>> = Mutex::new(None);

#[derive(Default)]
struct Timer {
    state: Mutex<TimerState>,
    changed: Condvar,
}

#[derive(Default)]
struct TimerState {
    last: u64,
    /// The wakers of the alarms, by deadline and number.
    alarms: BTreeMap<(Instant, u64), Waker>,
}

/// Locks `mutex`. No code under these locks panics, so poisoning is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the timer of this process. The child of a `fork` starts its own thread.
fn timer() -> io::Result<Arc<Timer>> {
    let mut running = lock(&TIMER);
    let process = std::process::id();
    if let Some((_, timer)) = running.as_ref().filter(|(of, _)| *of == process) {
        return Ok(Arc::clone(timer));
    }
    let timer = Arc::new(Timer::default());
    let kept = Arc::clone(&timer);
    Thread::new().name("rescue-timer".into()).spawn(move || kept.run())?;
    *running = Some((process, Arc::clone(&timer)));
    Ok(timer)
}

impl Timer {
    fn run(&self) {
        loop {
            self.wait().into_iter().for_each(user_code::wake);
        }
    }

    /// Waits until alarms are due. Returns their wakers.
    fn wait(&self) -> Vec<Waker> {
        let mut state = lock(&self.state);
        loop {
            let now = Instant::now();
            let due = state.due(now);
            if !due.is_empty() {
                return due;
            }
            let next = state.alarms.keys().next().map(|(at, _)| at.saturating_duration_since(now));
            state = match next {
                Some(time) => {
                    let waited = self.changed.wait_timeout(state, time);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl TimerState {
    fn due(&mut self, now: Instant) -> Vec<Waker> {
        let later = self.alarms.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.alarms, later).into_values().collect()
    }
}

/// A future that is ready at a deadline. Its drop removes its waker.
pub(crate) struct Alarm {
    /// `None` if the deadline is too late to be represented, so that the alarm is never due.
    at: Option<Instant>,
    /// The timer in which the alarm is registered, and its number there.
    set: Option<(Arc<Timer>, u64)>,
}

impl Alarm {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { at: Instant::now().checked_add(limit), set: None }
    }

    /// Waits for the deadline.
    ///
    /// # Errors
    ///
    /// Returns an error if the timer thread cannot be started.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Some(at) = self.at else { return Ok(Poll::Pending) };
        if at <= Instant::now() {
            return Ok(Poll::Ready(()));
        }
        let timer = timer()?;
        let Some(waker) = user_code::clone(cx.waker()) else { return Ok(Poll::Pending) };
        let mut state = lock(&timer.state);
        let number = self.set.as_ref().map_or(state.last + 1, |(_, number)| *number);
        state.last = state.last.max(number);
        let before = state.alarms.insert((at, number), waker);
        drop(state);
        timer.changed.notify_one();
        self.set = Some((timer, number));
        user_code::discard(before);
        Ok(Poll::Pending)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let (Some(at), Some((timer, number))) = (self.at, self.set.take()) {
            let waker = lock(&timer.state).alarms.remove(&(at, number));
            user_code::discard(waker);
        }
    }
}
