//! A task of a group: the one end of it that runs, and the other that is awaited.

use std::boxed::Box;
use std::fmt;
use std::future::Future;
use std::mem::swap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::AbortHandle;

use super::lost;
use super::tasks::{Failure, Tasks};
use crate::panics::catch;
use crate::{rescue, user_code};

/// A task of a [`task_group`](crate::task_group()): await it for what it gives.
///
/// It may be dropped, and the task goes on: a task belongs to its group. It may also be taken out of the block, and be
/// awaited when all tasks have ended.
///
/// It only ends when its task has succeeded. One that waits in the group need not care, as it is stopped when a task
/// fails; anyone else who waits for a task that failed, or that was aborted, waits for ever.
///
/// ```
/// use async_context_manager::{TaskGroupError, task_group, with};
/// # #[derive(Debug)]
/// # struct Error;
/// # async fn fetch(page: u32) -> Result<u32, Error> { Ok(page * 10) }
///
/// async fn fetch_all(pages: u32) -> Result<Vec<u32>, TaskGroupError<Error>> {
///     with!(task_group() as group => {
///         let tasks: Vec<_> = (0..pages).map(|page| group.spawn(fetch(page))).collect();
///         let mut fetched = Vec::new();
///         for task in tasks {
///             fetched.push(task.await); // without a `?`: an `Err` has stopped this block
///         }
///         fetched
///     })
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert_eq!(fetch_all(3).await.unwrap(), [0, 10, 20]);
/// # });
/// ```
///
/// # Cancel safety
///
/// It can be awaited by reference, in a `select!` say, and nothing is lost.
pub struct Task<T> {
    place: Arc<ResultSlot<T>>,
    /// Nothing when the group was being left, and took no more tasks.
    handle: Option<AbortHandle>,
}

impl<T> Task<T> {
    /// Aborts the task, as if it had ended: the others and the block go on.
    ///
    /// It is dropped the next time that its runtime gets to it, if it has not ended before.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::future::pending;
    ///
    /// use async_context_manager::{task_group, with};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let answer = with!(task_group::<Infallible>() as group => {
    ///     let heartbeat = group.spawn(pending::<Result<(), _>>());
    ///     let answer = group.spawn(async { Ok(42) }).await;
    ///     heartbeat.abort(); // or the group would wait for it
    ///     answer
    /// });
    /// assert_eq!(answer, Ok(42));
    /// # }
    /// ```
    pub fn abort(self) {
        self.place.aborted.store(true, Ordering::Release);
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.place.poll(cx)
    }
}

/// Where a task puts what it gives.
struct ResultSlot<T> {
    aborted: AtomicBool,
    state: Mutex<ResultState<T>>,
}

struct ResultState<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> ResultSlot<T> {
    const fn new() -> Self {
        Self { aborted: AtomicBool::new(false), state: Mutex::new(ResultState { value: None, waker: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, ResultState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, value: T) {
        let mut state = self.lock();
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(user_code::wake);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if let Some(value) = state.value.take() {
            return Poll::Ready(value);
        }
        swap(&mut state.waker, &mut waker);
        Poll::Pending
    }
}

/// Starts a task.
#[track_caller]
pub(super) fn spawn<T, E, F>(tasks: &Arc<Tasks<E>>, future: F) -> Task<T>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let place = Arc::new(ResultSlot::new());
    let handle = tasks.enter().map(|number| {
        let parts = Some((Box::pin(future), Arc::clone(&place)));
        let task = tokio::spawn(TaskFuture { parts, number, tasks: Arc::clone(tasks) });
        tasks.entered(number, task.abort_handle());
        task.abort_handle()
    });
    Task { place, handle }
}

/// The future that runs as a task. It leaves the group when all that it has is gone, by whatever way.
struct TaskFuture<T, E: Send + 'static, F> {
    /// Nothing when it has left.
    parts: Option<(Pin<Box<F>>, Arc<ResultSlot<T>>)>,
    number: u64,
    tasks: Arc<Tasks<E>>,
}

impl<T, E: Send + 'static, F> TaskFuture<T, E, F> {
    fn leave(&mut self, failure: Option<Failure<E>>) {
        let mut dropped = Ok(());
        let mut drop_parts = || dropped = catch(|| drop(self.parts.take()));
        // Also when it is dropped where something else is, it is a part of its group alone.
        let rescues = rescue::outside(|| rescue::collect(&mut drop_parts));
        self.tasks.dropped(self.number);
        let failures = failure.into_iter().chain(dropped.err().map(Failure::Panic));
        let (tasks, number) = (Arc::clone(&self.tasks), self.number);
        // What is left of the shielded managers in it is of the group, too.
        rescues.then(move || {
            let (completion, failures) = tasks.left(number, failures)?;
            lost(failures);
            Some(completion)
        });
    }
}

impl<T, E: Send + 'static, F: Future<Output = Result<T, E>>> Future for TaskFuture<T, E, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some((future, place)) = &mut self.parts else { return Poll::Ready(()) };
        let failure = match rescue::outside(|| catch(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => {
                place.fill(value);
                None
            }
            Ok(Poll::Ready(Err(error))) => Some(Failure::Error(error)),
            Err(payload) => Some(Failure::Panic(payload)),
        };
        self.leave(failure);
        Poll::Ready(())
    }
}

/// Aborted, or dropped by the runtime.
impl<T, E: Send + 'static, F> Drop for TaskFuture<T, E, F> {
    fn drop(&mut self) {
        let Some((_, place)) = &self.parts else { return };
        let expected = place.aborted.load(Ordering::Acquire) || !self.tasks.are_open();
        let failure =
            (!expected).then(|| Failure::Panic(Box::new("a task of `task_group` was dropped by its runtime")));
        self.leave(failure);
    }
}
