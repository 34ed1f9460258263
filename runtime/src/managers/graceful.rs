//! `graceful`: a future that is stopped, and not dropped, when it is dropped.

use std::boxed::Box;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::stopper::{StopEnd, Stopper};
use crate::panics;
use crate::raw::stop_scope::{StopMode, StopScope};
use crate::rescue::{self, Alarm, Cleanup, Origin, Rescue};
use crate::user_code;

/// The name in messages.
const NAME: &str = "graceful";

/// Makes a future that can be dropped at any time: what is open in it is then left in an orderly way.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::{async_context_manager, graceful, rescue, with};
/// use tokio::time::sleep;
///
/// #[async_context_manager]
/// async fn session() {
///     r#yield!();
///     sleep(Duration::from_millis(1)).await; // says goodbye
///     println!("closed");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let work = graceful(async { with!(session() => sleep(Duration::from_secs(60)).await) });
/// tokio::time::timeout(Duration::from_millis(1), work).await.unwrap_err();
/// rescue::drain().await; // "closed"
/// # }
/// ```
///
/// If the future is dropped before its end while managers in it are open, it becomes a [rescue](crate::rescue), which
/// stops it as a time limit stops its block: the innermost block is dropped, its manager sees
/// [`Cancelled`](crate::Outcome::Cancelled), and its exit phase is awaited, then it is the turn of the manager around
/// it. The managers need not be shielded. If no manager is open, the future is dropped.
///
/// Put it around each request handler, and around what is passed to `tokio::spawn`, so that `abort` is orderly. One
/// allocation protects everything in `future`.
///
/// # Panics
///
/// Panics if `future` panics.
///
/// # Cancel safety
///
/// This is what it is for. A panic after the drop is a [`Loss`](crate::rescue::Loss).
pub fn graceful<F>(future: F) -> Graceful<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    Graceful { parts: Some(Parts { future: Box::pin(future), stopper: Stopper::new(), origin: None, limit: None }) }
}

/// The future that [`graceful`](graceful()) returns.
#[must_use = "a future does nothing until it is awaited"]
pub struct Graceful<F: Future<Output: Send> + Send + 'static> {
    /// `None` once the future has ended.
    parts: Option<Parts<F>>,
}

struct Parts<F: Future> {
    future: Pin<Box<F>>,
    stopper: Stopper<F::Output>,
    /// The origin of the first poll.
    origin: Option<Origin>,
    limit: Option<Duration>,
}

impl<F: Future<Output: Send> + Send + 'static> Graceful<F> {
    /// Limits the time in which the future is left after its drop. What has not been left by then is dropped, and
    /// reported as a [`Loss`](crate::rescue::Loss).
    pub fn within(mut self, limit: Duration) -> Self {
        if let Some(parts) = &mut self.parts {
            parts.limit = Some(limit);
        }
        self
    }
}

impl<F: Future> Parts<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.origin.get_or_insert_with(Origin::here);
        let future = self.future.as_mut();
        match StopScope::stopping(cx.waker()) {
            // The scope around it also stops what is in it.
            Some(around) if around.mode() == StopMode::Stopping => self.stopper.pass(future, around, cx),
            _ => {
                let polled = self.stopper.run(future, &StopScope::running(cx.waker()));
                if let (Some(around), true) = (StopScope::of(cx.waker()), self.stopper.is_open()) {
                    around.set_open();
                }
                polled
            }
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Graceful<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let parts = self.parts.as_mut().expect("a `graceful` future was polled after completion");
        let polled = panics::catch(|| parts.poll(cx));
        if matches!(polled, Ok(Poll::Pending)) {
            return Poll::Pending;
        }
        self.parts = None;
        polled.unwrap_or_else(|payload| panics::resume(payload))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Graceful<F> {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take().filter(|parts| parts.stopper.is_open()) else { return };
        let Parts { future, stopper, origin, limit } = parts;
        if let Some(origin) = origin {
            let rest = Abandoned { future: Some(future), stopper, limit, alarm: None };
            Rescue::begin(Box::pin(rest), origin, true);
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> fmt::Debug for Graceful<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graceful").finish_non_exhaustive()
    }
}

/// A future that was dropped, and that is being stopped.
struct Abandoned<F: Future> {
    /// `None` once it was dropped, while the rescues that began in it have not ended.
    future: Option<Pin<Box<F>>>,
    stopper: Stopper<F::Output>,
    limit: Option<Duration>,
    alarm: Option<Alarm>,
}

impl<F: Future> Abandoned<F> {
    /// Continues to stop the future. Ready once everything in it was left, or the limit has passed.
    fn poll_future(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<()> {
        match panics::catch(|| self.stopper.stop(future, cx)) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(StopEnd::Ended(output) | StopEnd::Cut(Some(output)))) => {
                user_code::discard(output);
                return Poll::Ready(());
            }
            Ok(Poll::Ready(StopEnd::Cut(None))) => {
                return Poll::Ready(());
            }
            Err(payload) => {
                rescue::panicked(NAME, payload);
                return Poll::Ready(());
            }
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        ready!(self.alarm.get_or_insert_with(|| Alarm::after(limit)).poll(cx));
        rescue::unfinished(NAME, "was not left within its limit; the rest is dropped");
        Poll::Ready(())
    }
}

impl<F: Future<Output: Send> + Send + 'static> Cleanup for Abandoned<F> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(mut future) = this.future.take() {
            if this.poll_future(future.as_mut(), cx).is_pending() {
                this.future = Some(future);
                return Poll::Pending;
            }
            this.stopper.collect(|| user_code::discard(future));
        }
        this.stopper.poll_rescues(cx)
    }

    fn report_unfinished(&self) {
        rescue::unfinished(NAME, "could not be left: its rescue was dropped");
    }
}
