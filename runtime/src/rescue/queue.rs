//! The least executor: a queue of the tasks that were woken, for one thread that polls them.

use std::boxed::Box;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError};

/// The tasks that were woken and have not been polled since.
#[derive(Default)]
pub(crate) struct Queue {
    woken: Mutex<VecDeque<Arc<Task>>>,
    filled: Condvar,
}

struct Task {
    /// Nothing when it has ended.
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    is_woken: AtomicBool,
    queue: Arc<Queue>,
}

impl Queue {
    pub(crate) fn spawn(self: &Arc<Self>, future: impl Future<Output = ()> + Send + 'static) {
        let future = Mutex::new(Some(Box::pin(future) as _));
        Arc::new(Task { future, is_woken: AtomicBool::new(false), queue: Arc::clone(self) }).wake();
    }

    /// Waits for a task to be woken, and polls it. It must not panic.
    pub(crate) fn poll_next(&self) {
        let mut woken = lock(&self.woken);
        let task = loop {
            match woken.pop_front() {
                Some(task) => break task,
                None => woken = self.filled.wait(woken).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(woken);
        task.poll();
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        // Before the poll: what it is woken for meanwhile may come too late for this one.
        self.is_woken.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self));
        let mut future = lock(&self.future);
        if let Some(polled) = &mut *future {
            if let Poll::Ready(()) = polled.as_mut().poll(&mut Context::from_waker(&waker)) {
                *future = None;
            }
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            let queue = Arc::clone(&self.queue);
            lock(&queue.woken).push_back(self);
            queue.filled.notify_one();
        }
    }
}

/// Nothing under these locks panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
