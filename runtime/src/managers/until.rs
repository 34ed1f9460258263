//! `until` and `stop_when`: stop a block when a future ends.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use super::race::{UnlessReady, race};
use crate::async_context_manager;
use crate::raw::stop_scope::{StopScope, task_waker};

/// Polls `block` until it ends, or until `stop` ends. In the latter case, `block` is stopped, and dropped.
///
/// For managers that race their block. The block of the `with!` is stopped as by a time limit: managers in it are left,
/// and their exit phases are awaited. Then the `yield!` returns [`Cancelled`](crate::Outcome::Cancelled), and the code
/// after it in `block` runs to its end.
///
/// ```
/// use async_context_manager::{async_context_manager, until};
/// # struct Lease;
/// # struct LeaseLost;
/// # async fn acquire() -> Lease { Lease }
/// # impl Lease {
/// #     async fn lost(&self) {}
/// #     async fn release(self) {}
/// # }
///
/// #[async_context_manager]
/// async fn lease() -> Result<(), LeaseLost> {
///     let lease = acquire().await;
///     let kept = until(lease.lost(), async { r#yield!() }).await;
///     lease.release().await;
///     kept.map(drop).map_err(|()| LeaseLost)
/// }
/// ```
///
/// `block` may be any future. Of what is in it, the open managers are left.
///
/// The output of `stop` is kept until the block has been left. If it is a guard or is not `Send`, such as that of
/// `wait_for` of a `watch` channel, drop it: `async { drop(receiver.wait_for(|stop| *stop).await) }`.
///
/// # Errors
///
/// Returns the output of `stop` if it has stopped the block. If a scope around the `with!` stops it as well, that counts,
/// and the result is the output of `block`, if it has one.
///
/// If an exit phase in the block fails because of the stop, its error takes the place of the stop. The `yield!` returns
/// [`Failed`](crate::Outcome::Failed), and the result is the output of `block`.
///
/// # Panics
///
/// Panics if `block` or `stop` panics.
///
/// # Cancel safety
///
/// If the future is dropped, `block` is dropped.
///
/// In Python, this is a task group in a context manager, or `asyncio.wait` with a cancellation.
pub async fn until<S: Future, B: Future>(stop: S, block: B) -> Result<B::Output, S::Output> {
    race(pin!(block), pin!(stop), UnlessReady).await
}

/// Stops the block when the future `stop` ends, for example a cancellation token, a signal, or a lease that is lost.
///
/// ```
/// use async_context_manager::{stop_when, with};
/// # async fn serve() { std::future::pending().await }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// # drop(stop);
/// let served = with!(stop_when(stopped) => { serve().await });
/// assert!(served.is_none());
/// # }
/// ```
///
/// `with!` evaluates to an `Option`, which is `None` if the block was stopped. Managers in the block are left, and their exit
/// phases are awaited. If the block reaches its end, its value counts, even if `stop` has ended as well. The output of `stop` is
/// dropped at once.
///
/// # Panics
///
/// Panics if the block or `stop` panics.
///
/// # Cancel safety
///
/// This manager has no cleanup, so nothing is lost when the future around the `with!` is dropped.
#[async_context_manager(crate = crate, suppress)]
pub async fn stop_when<S: Future>(stop: S) {
    __this_manager.keep_marker();
    let mut stop = pin!(stop);
    // Dropped at once, because it may be a guard that the exit phases wait for, and need not be `Send`.
    let stop = pin!(poll_fn(move |cx| stop.as_mut().poll(cx).map(drop)));
    let _stopped = race(pin!(async { r#yield!() }), stop, UnlessReady).await;
}

/// Ready if a scope around the `with!` is stopping it. The `with!` has no value then.
pub(super) fn poll_cut_short(cx: &Context<'_>) -> Poll<()> {
    match StopScope::stopping(cx.waker()) {
        Some(around) => {
            around.set_cut();
            Poll::Ready(())
        }
        None => Poll::Pending,
    }
}

/// Waits until a scope around the `with!` stops it. For an exit phase that waits for other work, and must give up when it is
/// stopped, as a task group does.
///
/// ```
/// use async_context_manager::{async_context_manager, cut_short};
/// # struct Workers;
/// # impl Workers {
/// #     async fn finish(&self) {}
/// #     fn abandon(&self) {}
/// # }
///
/// #[async_context_manager]
/// async fn workers() -> &Workers {
///     let workers = Workers;
///     r#yield!(&workers);
///     tokio::select! {
///         () = workers.finish() => {}
///         () = cut_short() => workers.abandon(),
///     }
/// }
/// ```
///
/// If it completes, the stop has taken effect: the `with!` has no value, unless its block or its exit phase fails. If the
/// block was stopped already, it completes immediately. In a block, and if no scope stops the `with!`, it never completes.
///
/// # Cancel safety
///
/// The future may be dropped at any time.
pub async fn cut_short() {
    poll_fn(|cx| poll_cut_short(cx)).await;
}

/// Keeps stops out of `future`, which is awaited by reference in a block, and continues after the block was stopped.
///
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
///
/// use async_context_manager::{nullcontext, stop_when, unstopped, with};
/// use tokio::time::sleep;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut work = pin!(async { with!(nullcontext(5) as five => { sleep(Duration::from_secs(9)).await; five }) });
/// let early = with!(stop_when(sleep(Duration::from_secs(1))) => { unstopped(&mut work).await });
/// assert!(early.is_none());
/// assert_eq!(work.await, 5); // without `unstopped`, this would panic
/// # }
/// ```
///
/// The block itself is stopped: it does not wait for `future`.
///
/// # Cancel safety
///
/// If it is dropped, so is `future`.
///
/// This is `asyncio.shield` in a block.
pub async fn unstopped<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| future.as_mut().poll(&mut Context::from_waker(task_waker(cx.waker())))).await
}
