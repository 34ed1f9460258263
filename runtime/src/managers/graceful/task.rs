//! `GracefulTask`: a tokio task whose abort is orderly.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::{AbortHandle, JoinError, JoinHandle};

use super::Graceful;
use crate::rescue::{Wait, completion};

impl<F: Future<Output: Send> + Send + 'static> Graceful<F> {
    /// Spawns the future as a tokio task, whose abort is orderly.
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// use async_context_manager::{async_context_manager, graceful, with};
    ///
    /// #[async_context_manager]
    /// async fn session() {
    ///     r#yield!();
    ///     tokio::task::yield_now().await; // says goodbye
    ///     println!("closed");
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = graceful(async { with!(session() => pending::<()>().await) }).spawn();
    /// tokio::task::yield_now().await;
    /// task.abort();
    /// let error = task.await.unwrap_err(); // "closed" was printed before
    /// assert!(error.is_cancelled());
    /// # }
    /// ```
    ///
    /// For a `JoinSet`, write `set.spawn(graceful(future))`. It does not wait for what is left after an abort, but
    /// [`drain`](crate::rescue::drain()) does.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    #[track_caller]
    pub fn spawn(mut self) -> GracefulTask<F::Output> {
        let (completion, handle) = completion();
        if let Some(parts) = &mut self.parts {
            parts.completion = Some(completion);
        }
        GracefulTask { task: tokio::spawn(self), result: None, left: Wait::new(handle) }
    }
}

/// The handle to a task that [`Graceful::spawn`] has spawned. Await it for the output of the task.
///
/// It is ready when the task has ended and everything in it has been left, also after an [`abort`](Self::abort), as the
/// `await` of a cancelled task in Python's `asyncio` is. Tokio's own `JoinHandle` is ready when the future of an aborted
/// task was dropped.
///
/// If the handle is dropped, the task continues.
///
/// # Errors
///
/// The error is tokio's: the task panicked, was aborted, or its runtime was shut down.
///
/// # Cancel safety
///
/// The handle can be awaited by reference, for example in a `select!`, and nothing is lost if that is dropped.
pub struct GracefulTask<T> {
    task: JoinHandle<T>,
    /// The result of the task, while what it has held has not been left.
    result: Option<Result<T, JoinError>>,
    left: Wait,
}

impl<T> GracefulTask<T> {
    /// Aborts the task: what is open in it is left as described at [`graceful`](crate::graceful()), in the background.
    /// Await the handle to wait for it.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Returns a handle that can abort the task, and that can be cloned and sent.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.task.abort_handle()
    }

    /// Returns whether the task has ended and everything in it has been left.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished() && self.left.is_done()
    }
}

// The result is not pinned.
impl<T> Unpin for GracefulTask<T> {}

impl<T> Future for GracefulTask<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.result.is_none() {
            self.result = Some(ready!(Pin::new(&mut self.task).poll(cx)));
        }
        ready!(Pin::new(&mut self.left).poll(cx));
        self.result.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> fmt::Debug for GracefulTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GracefulTask").finish_non_exhaustive()
    }
}
