//! A small executor: a queue of woken tasks, and threads that poll them.
//!
//! The crate `async-task` would not do. It frees a task that is pending, detached and without a waker, and does not
//! drop the task's future. The rescue would then not be reported as lost, and `drain` would wait forever.

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

/// The maximum number of threads.
const MOST: usize = 32;

/// The time for which a thread waits for a task before it ends.
const IDLE: Duration = Duration::from_secs(5);

type Grow = dyn Fn(&Arc<Queue>) -> bool + Send + Sync;

/// The queue of the tasks that were woken and have not been polled since.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    grow: Box<Grow>,
}

#[derive(Default)]
struct QueueState {
    woken: VecDeque<Arc<QueueTask>>,
    threads: usize,
    /// The number of threads that wait for a task.
    idle: usize,
}

struct QueueTask {
    state: Mutex<QueueTaskState>,
    queue: Arc<Queue>,
}

struct QueueTaskState {
    /// `None` while it is polled, and after it has ended.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    is_woken: bool,
    is_polled: bool,
}

impl Queue {
    /// Creates a queue. `grow` starts one more thread, which calls [`poll_next`](Self::poll_next) until that returns
    /// false. `grow` returns false if no thread can be started.
    pub(crate) fn new(grow: impl Fn(&Arc<Self>) -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), filled: Condvar::new(), grow: Box::new(grow) })
    }

    /// Spawns `future`. Drops it if no thread can be started.
    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let state = QueueTaskState { future: Some(Box::pin(future)), is_woken: false, is_polled: false };
        Arc::new(QueueTask { state: Mutex::new(state), queue: Arc::clone(self) }).wake();
    }

    /// Waits for a woken task and polls it. Returns false if no task was woken for a while: the thread should then end.
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

    /// Queues a task for an idle thread, or starts one more thread, because the others may be blocked.
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

    /// Handles a thread that could not be started. If no thread is running, drops all woken tasks.
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
            // Here, because the lock is not held. A future that has panicked has ended, too.
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
        // Reset before the poll, because this poll may not see the reason for a wake that comes during it.
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

/// Locks `mutex`. No code under these locks panics, so poisoning is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
