//! A small executor: a queue of the tasks that were woken, for threads that poll them.

use std::boxed::Box;
use std::collections::VecDeque;
use std::future::Future;
use std::mem::take;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::user_code;

/// How many threads there may be at a time.
const MOST: usize = 32;

/// For how long a thread waits for a task before it ends.
const IDLE: Duration = Duration::from_secs(5);

type Grow = dyn Fn(&Arc<Queue>) -> bool + Send + Sync;

/// The tasks that were woken and have not been polled since.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    grow: Box<Grow>,
}

#[derive(Default)]
struct QueueState {
    woken: VecDeque<Arc<QueueTask>>,
    threads: usize,
    /// Those of them that wait for a task.
    idle: usize,
}

struct QueueTask {
    state: Mutex<QueueTaskState>,
    queue: Arc<Queue>,
}

struct QueueTaskState {
    /// Nothing while it is polled, and when it has ended.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    is_woken: bool,
    is_polled: bool,
}

impl Queue {
    /// `grow` starts one more thread, which calls [`poll_next`](Self::poll_next) until that is false, or gives false.
    pub(crate) fn new(grow: impl Fn(&Arc<Self>) -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), filled: Condvar::new(), grow: Box::new(grow) })
    }

    /// Has `future` polled. If there is no thread to be had, it is dropped.
    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let state = QueueTaskState { future: Some(Box::pin(future)), is_woken: false, is_polled: false };
        Arc::new(QueueTask { state: Mutex::new(state), queue: Arc::clone(self) }).wake();
    }

    /// Waits for a task to be woken, and polls it. False if there was none for a while: the thread is to end.
    pub(crate) fn poll_next(&self) -> bool {
        let Some(task) = self.next() else { return false };
        task.poll();
        true
    }

    fn next(&self) -> Option<Arc<QueueTask>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(task) = state.woken.pop_front() {
                return Some(task);
            }
            state.idle += 1;
            let (after, waited) = self.filled.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = after;
            state.idle -= 1;
            if waited.timed_out() && state.woken.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    /// Has a task polled by a thread that is idle, or by one more: the others may be blocked.
    fn push(self: &Arc<Self>, task: Arc<QueueTask>) {
        let mut state = lock(&self.state);
        state.woken.push_back(task);
        let grows = state.woken.len() > state.idle && state.threads < MOST;
        state.threads += usize::from(grows);
        drop(state);
        self.filled.notify_one();
        if grows && !(self.grow)(self) {
            self.not_grown();
        }
    }

    /// Where there are no threads at all, what was woken is lost.
    fn not_grown(&self) {
        let mut state = lock(&self.state);
        state.threads -= 1;
        let lost = if state.threads == 0 { take(&mut state.woken) } else { VecDeque::new() };
        drop(state);
        for task in lost {
            let future = lock(&task.state).future.take();
            user_code::discard(future);
        }
    }
}

impl QueueTask {
    fn poll(self: Arc<Self>) {
        let Some(mut future) = self.begin() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let mut polled = Poll::Ready(());
        user_code::call(|| polled = future.as_mut().poll(&mut Context::from_waker(&waker)));
        let kept = if polled.is_pending() {
            Some(future)
        } else {
            // Placement, and not under the lock. One that has panicked has ended, too.
            user_code::discard(future);
            None
        };
        let mut state = lock(&self.state);
        state.is_polled = false;
        let again = kept.is_some() && state.is_woken;
        state.future = kept;
        drop(state);
        if again {
            Arc::clone(&self.queue).push(self);
        }
    }

    fn begin(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let mut state = lock(&self.state);
        // Before the poll: what it is woken for meanwhile may come too late for this one.
        state.is_woken = false;
        state.is_polled = true;
        state.future.take()
    }
}

impl Wake for QueueTask {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.state);
        let was_woken = std::mem::replace(&mut state.is_woken, true);
        let is_polled = state.is_polled;
        drop(state);
        if !was_woken && !is_polled {
            Arc::clone(&self.queue).push(self);
        }
    }
}

/// Nothing under these locks panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
