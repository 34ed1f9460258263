//! `task_group`: tasks that do not outlive a block.

mod error;
mod task;
mod tasks;

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::vec::Vec;

pub use error::TaskGroupError;
pub use task::Task;

use self::tasks::{Failures, Tasks, TasksState};
use super::race::{UnlessReady, race};
use crate::lend::{FnContract, Lend1};
use crate::named::Named;
use crate::raw::Body;
use crate::raw::body::{Name, Renamed};
use crate::raw::stop_scope::StopScope;
use crate::rescue::{self, Lost};
use crate::show::show_static;
use crate::{Manager, Outcome, async_context_manager, panics, user_code};

/// The name of the manager in messages.
const NAME: &str = "task_group";

/// Runs a block that spawns tasks, none of which outlives it.
///
/// ```
/// use async_context_manager::{TaskGroupError, task_group, with};
/// # #[derive(Debug)]
/// # struct Error;
/// # async fn fetch(page: u32) -> Result<u32, Error> { Ok(page * 10) }
///
/// async fn fetch_both() -> Result<u32, TaskGroupError<Error>> {
///     with!(task_group() as group => {
///         let one = group.spawn(fetch(1));
///         let two = group.spawn(fetch(2));
///         one.await + two.await
///     })
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert_eq!(fetch_both().await.unwrap(), 30);
/// # });
/// ```
///
/// Each [`spawn`](TaskGroup::spawn) starts a tokio task, which returns a `Result<T, E>`. If the block reaches its end,
/// or leaves by `break`, `continue` or a `return` of anything but an `Err`, the `with!` waits for all tasks.
///
/// `E` is the error type of the tasks. If it cannot be inferred, name it. If no task can fail, use `Infallible`:
///
/// ```
/// use std::convert::Infallible;
///
/// use async_context_manager::{task_group, with};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = with!(task_group::<Infallible>() as group => {
///     let (one, two) = (group.spawn(async { Ok(1) }), group.spawn(async { Ok(2) }));
///     one.await + two.await
/// });
/// assert_eq!(sum, Ok(3));
/// # }
/// ```
///
/// The first task that fails stops the group: the block and the other tasks are stopped at the same time, the exit phases
/// in them are awaited, and the `with!` ends when all are gone. A block that fails or panics stops the tasks as well,
/// and the error or panic of the block propagates when they are gone. A task is gone when the shielded managers in it
/// have been left.
///
/// On an [`AsyncExitStack`](crate::AsyncExitStack), a group cannot stop the code that uses the stack. A task that fails
/// stops the other tasks when the stack is left.
///
/// # Errors
///
/// Returns a [`TaskGroupError`] with the error of the task that failed first, and those of other tasks that failed
/// while they were stopped. If the block itself has failed, its error propagates, and the errors of the tasks are
/// passed to the hook of [`rescue`].
///
/// # Panics
///
/// Panics if the block panics, and if a task panics: the same panic resumes in the caller when the other tasks are
/// gone. A panic takes precedence over errors. If a runtime drops a task before its end while the caller continues,
/// this is a panic, too.
///
/// A task that never reaches an `.await` cannot be stopped, and the `with!` waits for it.
///
/// # Cancel safety
///
/// If the future around the `with!` is dropped, the block is dropped and the tasks are stopped. A drop cannot wait
/// until they are gone: each task is dropped when its runtime next schedules it, or at the end of its current poll. The
/// scope around the group waits for the tasks if it can, as for a shielded manager: another group that is stopped, a
/// [`timeout`](crate::timeout), the exit phase of a shielded manager. [`drain`](crate::rescue::drain()) waits in any
/// case. Errors of such tasks are passed to the hook of [`rescue`].
///
/// This is Python's `asyncio.TaskGroup`, in which the errors of the block and of the tasks are one `ExceptionGroup`.
///
/// # Signature
///
/// The types above are long. This manager is used like this one:
///
/// ```text
/// #[async_context_manager]
/// async fn task_group<E>() -> Result<&TaskGroup<E>, TaskGroupError<E>>
/// ```
pub fn task_group<E: Send + 'static>()
-> Manager<impl Body<Future = impl Future<Output = Result<(), TaskGroupError<E>>>>, Contract<E>> {
    entered().map(|body| Renamed { body, name: GroupName(PhantomData) })
}

/// The contract of a group: it lends a `&TaskGroup<E>`, and ends with `Result<(), TaskGroupError<E>>`.
type Contract<E> = FnContract<dyn for<'y> Lend1<'y, Out = &'y TaskGroup<E>>, 1, Result<(), TaskGroupError<E>>>;

/// The name of a group.
///
/// A drop in its exit phase is not reported as a loss: the tasks are stopped, and others wait for them.
struct GroupName<E>(PhantomData<fn() -> E>);

impl<E> Clone for GroupName<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for GroupName<E> {}

impl<E: 'static> Name for GroupName<E> {
    const KIND: &'static str = "function";

    type Output = Result<(), TaskGroupError<E>>;

    fn named(&self) -> Named<Self::Output> {
        Named::shown_by(NAME, |ended, f| ended.as_ref().err().map_or(Ok(()), |error| error.show(f)))
    }

    fn can_be_cut(&self) -> bool {
        false
    }
}

#[async_context_manager(crate = crate)]
async fn entered<E: Send + 'static>() -> Result<&TaskGroup<E>, TaskGroupError<E>> {
    __this_manager.keep_marker();
    let around =
        poll_fn(|cx| Poll::Ready(StopScope::of(cx.waker()).map_or_else(Vec::new, StopScope::all_signals))).await;
    let group = TaskGroup { tasks: Arc::new(Tasks::new(around)) };
    let tasks = &*group.tasks;
    let _dropped = StopOnDrop(tasks);
    let has_failed = AtomicBool::new(false);
    let failed = pin!(async {
        tasks.until(TasksState::has_failures).await;
        has_failed.store(true, Ordering::Relaxed);
        tasks.stop();
    });
    let block = pin!(async { r#yield!(&group) });
    let mut block = pin!(race(block, failed, UnlessReady));
    let outcome = poll_fn(|cx| {
        if StopScope::stopping(cx.waker()).is_some() {
            // The tasks leave beside the block.
            tasks.stop();
        } else {
            tasks.check_around(cx);
        }
        block.as_mut().poll(cx)
    });
    let outcome = outcome.await.ok();
    if outcome == Some(Outcome::Completed) {
        tasks.until_or_stopped(|state| state.has_failures() || state.is_empty()).await;
    }
    tasks.stop();
    tasks.until_gone().await;
    conclude(outcome, has_failed.load(Ordering::Relaxed), tasks.take_failures())
}

/// Stops the tasks when the `with!` is dropped. `drain` then waits for them.
struct StopOnDrop<'g, E: Send + 'static>(&'g Tasks<E>);

impl<E: Send + 'static> Drop for StopOnDrop<'_, E> {
    fn drop(&mut self) {
        lost(self.0.abandon());
    }
}

/// Computes the result of the group when all tasks are gone. `outcome` is `None` if a task has stopped the block.
///
/// `has_failed` says that a task had failed before the block ended.
fn conclude<E: Send + 'static>(
    outcome: Option<Outcome>,
    has_failed: bool,
    failures: Failures<E>,
) -> Result<(), TaskGroupError<E>> {
    let mut panics = failures.panics.into_iter();
    let panic = if outcome == Some(Outcome::Panicked) { None } else { panics.next() };
    // The panic hook has reported the others.
    panics.for_each(user_code::discard);
    if let Some(payload) = panic {
        replaced(failures.errors, "lost the error of a task, because another task panicked");
        panics::resume(payload);
    }
    if outcome == Some(Outcome::Failed(())) && !has_failed {
        replaced(failures.errors, "lost the error of a task, because its block failed");
        return Ok(());
    }
    TaskGroupError::new(failures.errors).map_or(Ok(()), Err)
}

/// Reports each of `errors` as replaced.
fn replaced<E: Send + 'static>(errors: Vec<E>, what: &str) {
    for error in errors {
        rescue::replaced(NAME, Lost::from(what).error(&error).show(&|f| show_static(&error, f)));
        user_code::discard(error);
    }
}

/// Reports the failures of the tasks of a group whose `with!` was dropped.
fn lost<E: Send + 'static>(failures: Failures<E>) {
    for error in failures.errors {
        let lost = Lost::from("lost the error of a task, because its `with!` was dropped");
        rescue::failed(NAME, lost.error(&error).show(&|f| show_static(&error, f)));
        user_code::discard(error);
    }
    failures.panics.into_iter().for_each(|payload| rescue::panicked(NAME, payload));
}

/// A handle to a [`task_group`](crate::task_group()), which spawns tasks in it. The group lends it to the block.
///
/// A clone of the handle can be moved into a task, which can then spawn further tasks.
///
/// ```
/// use async_context_manager::{TaskGroup, TaskGroupError, task_group, with};
/// # #[derive(Debug)]
/// # struct Error;
/// # async fn serve(_port: u16) -> Result<(), Error> { Ok(()) }
///
/// fn serve_all(ports: &[u16], group: &TaskGroup<Error>) {
///     for &port in ports {
///         group.spawn(serve(port));
///     }
/// }
///
/// async fn run() -> Result<(), TaskGroupError<Error>> {
///     with!(task_group() as group => serve_all(&[80, 443], group))
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
/// ```
pub struct TaskGroup<E> {
    tasks: Arc<Tasks<E>>,
}

impl<E: Send + 'static> TaskGroup<E> {
    /// Spawns a task in the group. The [`Task`] can be awaited for the task's value. If it is dropped, the task
    /// continues.
    ///
    /// As with `tokio::spawn`, `future` must be `Send` and own its data. If it returns an `Err`, the group is stopped.
    ///
    /// A group that has been left, or is aborting its tasks, accepts no more tasks: `future` is dropped, and the `Task`
    /// never completes.
    ///
    /// ```
    /// use async_context_manager::{TaskGroup, TaskGroupError, task_group, with};
    /// # #[derive(Debug)]
    /// # struct Error;
    /// # async fn links(page: u32) -> Result<Vec<u32>, Error> { Ok((2 * page..=2 * page + 1).filter(|&n| n < 16).collect()) }
    ///
    /// /// Visits a page, and then all pages that it links to, concurrently.
    /// async fn visit(page: u32, group: TaskGroup<Error>) -> Result<(), Error> {
    ///     for link in links(page).await? {
    ///         group.spawn(visit_boxed(link, group.clone()));
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
    /// # fn visit_boxed(page: u32, group: TaskGroup<Error>) -> Boxed { Box::pin(visit(page, group)) }
    /// async fn visit_all() -> Result<(), TaskGroupError<Error>> {
    ///     with!(task_group() as group => { group.spawn(visit(1, group.clone())); })
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(visit_all()).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> Task<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        task::spawn(&self.tasks, future)
    }

    /// Stops all tasks that have been spawned in the group, as [`Task::abort`] does. The block continues, and may spawn
    /// further tasks.
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
    ///     for _ in 0..3 {
    ///         group.spawn(pending::<Result<(), _>>());
    ///     }
    ///     let answer = group.spawn(async { Ok(42) }).await;
    ///     group.abort_all(); // otherwise the group would wait for them
    ///     answer
    /// });
    /// assert_eq!(answer, Ok(42));
    /// # }
    /// ```
    ///
    /// This is `abort_all` of tokio's `JoinSet`.
    pub fn abort_all(&self) {
        self.tasks.abort_all();
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self { tasks: Arc::clone(&self.tasks) }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").finish_non_exhaustive()
    }
}
