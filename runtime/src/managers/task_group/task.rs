//! A task of a group: the future that runs, and the handle that is awaited.

use std::boxed::Box;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use tokio::sync::oneshot;

use super::super::signal::Signal;
use super::super::stopper::{StopEnd, Stopper};
use super::lost;
use super::tasks::{Failure, Tasks};
use crate::panics::{Payload, catch};
use crate::raw::stop_scope::StopScope;
use crate::rescue::{self, Handle, RescueEnd, Wait};
use crate::sync::{AtomicBool, Ordering};
use crate::user_code;

/// A handle to a task of a [`task_group`](crate::task_group()). Await it for the value of the task.
///
/// If the handle is dropped, the task continues, because it belongs to its group. The handle may also be moved out of
/// the block, and be awaited when all tasks have ended.
///
/// The handle completes only if its task succeeds. Code in the group can ignore this, because it is stopped when a task
/// fails. Outside of the group, awaiting the handle of a task that failed or was stopped never completes.
///
/// An exit phase in the block of a group is not stopped, but the tasks of the group are. If it waits for a task, let it
/// await [`join`](Self::join), which also returns if the task was stopped.
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
/// The handle can be awaited by reference, for example in a `select!`, and nothing is lost if that is dropped.
pub struct Task<T> {
    /// `None` if the task cannot succeed any more, or if its value was taken.
    value: Option<oneshot::Receiver<T>>,
    is_aborted: Arc<AtomicBool>,
    stop: Arc<Signal>,
}

impl<T> Task<T> {
    /// Stops the task. The block and the other tasks continue, as if the task had ended.
    ///
    /// The exit phases in the task are awaited, and its group waits for them. If no manager in it is open, the task is
    /// dropped when its runtime next schedules it, unless it has ended before.
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
    ///     heartbeat.abort(); // otherwise the group would wait for it
    ///     answer
    /// });
    /// assert_eq!(answer, Ok(42));
    /// # }
    /// ```
    pub fn abort(self) {
        self.is_aborted.store(true, Ordering::Release);
        self.stop.set();
    }

    /// Waits until the task has ended, and everything in it has been left. Returns `None` if it failed or was stopped, or
    /// if its value was taken before.
    ///
    /// This is for code that is not stopped with the group: an exit phase in its block, or code outside of it.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::future::pending;
    ///
    /// use async_context_manager::{Task, TaskGroup, async_context_manager, move_on_after, task_group, with};
    /// # use std::time::Duration;
    ///
    /// /// Stops the reader before it closes the file.
    /// #[async_context_manager]
    /// async fn reader(group: &TaskGroup<Infallible>) {
    ///     let mut reader: Task<u32> = group.spawn(pending());
    ///     r#yield!();
    ///     let read = reader.join().await; // `None`: the group was stopped
    ///     println!("the file is closed after {read:?}");
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let read = with!(move_on_after(Duration::from_millis(1)) => {
    ///     with!(task_group() as group => with!(reader(group) => pending::<()>().await))
    /// });
    /// assert_eq!(read, None);
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time. No value is lost.
    pub async fn join(&mut self) -> Option<T> {
        let ended = self.value.as_mut()?.await;
        self.value = None;
        ended.ok()
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(value) = &mut self.value else { return Poll::Pending };
        let value = ready!(Pin::new(value).poll(cx));
        self.value = None;
        value.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Spawns a task in the group.
#[track_caller]
pub(super) fn spawn<T, E, F>(tasks: &Arc<Tasks<E>>, future: F) -> Task<T>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let (sender, value) = oneshot::channel();
    let is_aborted = Arc::new(AtomicBool::new(false));
    let stop = Arc::new(Signal::new());
    if let Some(number) = tasks.enter(&stop, &is_aborted) {
        let is_aborted = Arc::clone(&is_aborted);
        let (future, stop, stopped) = (Box::pin(future), Arc::clone(&stop), stop.wait());
        let parts = Some(TaskParts { future, stopper: Stopper::new(), stop, stopped, sender, is_aborted });
        drop(tokio::spawn(TaskFuture { parts, number, tasks: Arc::clone(tasks) }));
    }
    Task { value: Some(value), is_aborted, stop }
}

/// The future that runs as a task. It leaves the group once everything that it owns is dropped, however it ends.
struct TaskFuture<T, E: Send + 'static, F: Future> {
    /// `None` once the task has left the group.
    parts: Option<TaskParts<T, F>>,
    number: u64,
    tasks: Arc<Tasks<E>>,
}

struct TaskParts<T, F: Future> {
    future: Pin<Box<F>>,
    stopper: Stopper<F::Output>,
    stop: Arc<Signal>,
    /// Ready when `stop` is set.
    stopped: Wait,
    sender: oneshot::Sender<T>,
    is_aborted: Arc<AtomicBool>,
}

impl<T, E, F: Future<Output = Result<T, E>>> TaskParts<T, F> {
    /// Polls the future, or continues to stop it. For `around` see [`Tasks::around`].
    fn poll(&mut self, around: &[Handle], cx: &mut Context<'_>) -> Poll<StopEnd<F::Output>> {
        let future = self.future.as_mut();
        match Pin::new(&mut self.stopped).poll(cx) {
            Poll::Ready(()) => self.stopper.stop(future, cx),
            Poll::Pending => {
                let own = slice::from_ref(self.stop.handle());
                let scope = StopScope::running(cx.waker()).signalled_by([own, around]);
                self.stopper.run(future, &scope).map(StopEnd::Ended)
            }
        }
    }
}

impl<T, F: Future> TaskParts<T, F> {
    /// Drops the future, and sends the value if there is one. Returns the first panic of the user's destructors.
    ///
    /// The handle is woken in either case. A panic of its waker goes no further.
    fn finish(self, value: Option<T>) -> Result<(), Payload> {
        let dropped = catch(|| drop(self.future));
        let mut unreceived = None;
        user_code::call(|| match value {
            Some(value) => unreceived = self.sender.send(value).err(),
            None => drop(self.sender),
        });
        let unreceived = catch(|| drop(unreceived));
        match dropped {
            Ok(()) => unreceived,
            Err(first) => {
                user_code::discard(unreceived);
                Err(first)
            }
        }
    }
}

impl<T, E: Send + 'static, F: Future> TaskFuture<T, E, F> {
    fn leave(&mut self, value: Option<T>, failure: Option<Failure<E>>) {
        let mut dropped = Ok(());
        let mut parts = self.parts.take().map(|parts| (parts, value));
        let mut drop_parts = || {
            if let Some((parts, value)) = parts.take() {
                dropped = parts.finish(value);
            }
        };
        // A task belongs to its group alone, even if it is dropped while something else is being dropped on this
        // thread.
        let rescues = rescue::outside(|| rescue::collect(&mut drop_parts));
        let failures: Vec<_> = failure.into_iter().chain(dropped.err().map(Failure::Panic)).collect();
        self.tasks.dropped(self.number, if failures.is_empty() { RescueEnd::Done } else { RescueEnd::Failed });
        let (tasks, number) = (Arc::clone(&self.tasks), self.number);
        // The rescues of the shielded managers in the task belong to the group, too.
        rescues.then(move || {
            let (completion, failures) = tasks.left(number, failures.into_iter())?;
            lost(failures);
            Some(completion)
        });
    }
}

impl<T, E: Send + 'static, F: Future<Output = Result<T, E>>> Future for TaskFuture<T, E, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(parts) = &mut this.parts else { return Poll::Ready(()) };
        let around = this.tasks.around();
        match rescue::outside(|| catch(|| parts.poll(around, cx))) {
            Ok(Poll::Pending) => {
                this.tasks.refused(this.number, around, cx.waker());
                return Poll::Pending;
            }
            Ok(Poll::Ready(StopEnd::Ended(Ok(value)))) => self.leave(Some(value), None),
            Ok(Poll::Ready(StopEnd::Ended(Err(error)))) => self.leave(None, Some(Failure::Error(error))),
            Ok(Poll::Ready(StopEnd::Cut(_))) => {
                if !parts.is_aborted.load(Ordering::Acquire) {
                    self.tasks.set_cut();
                }
                self.leave(None, None);
            }
            Err(payload) => self.leave(None, Some(Failure::Panic(payload))),
        }
        Poll::Ready(())
    }
}

/// Runs when the task is aborted or dropped by its runtime.
impl<T, E: Send + 'static, F: Future> Drop for TaskFuture<T, E, F> {
    fn drop(&mut self) {
        let Some(parts) = &self.parts else { return };
        let expected = parts.is_aborted.load(Ordering::Acquire) || !self.tasks.are_open();
        let failure =
            (!expected).then(|| Failure::Panic(Box::new("the runtime dropped a task of `task_group` before it ended")));
        self.leave(None, failure);
    }
}
