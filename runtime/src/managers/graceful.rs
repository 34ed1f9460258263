//! `graceful`: a future that is stopped, and not dropped, when it is dropped.

#[cfg(feature = "tokio")]
mod task;

use std::any::type_name;
use std::boxed::Box;
use std::fmt;
use std::format;
use std::future::Future;
use std::mem::discriminant;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(feature = "tokio")]
pub use self::task::GracefulTask;

use super::stopper::{StopEnd, Stopper};
use crate::panics;
use crate::raw::stop_scope::{StopMode, StopScope};
use crate::rescue::{self, Cleanup, Completion, Limit, Lost, Origin, Rescue, RescueEnd};
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
/// Put it around each request handler, so that a client can hang up. With `axum`, one line does that for all handlers:
/// `router.layer(tower::util::MapFutureLayer::new(graceful))`. In place of `tokio::spawn(future)`, write
/// `graceful(future).spawn()`, so that `abort` is orderly. One allocation protects everything in `future`.
///
/// If `future` returns an `Err` or panics after the drop, this is a [`Loss`](crate::rescue::Loss). It shows only the type
/// of the error.
///
/// # Panics
///
/// Panics if `future` panics.
///
/// # Cancel safety
///
/// The future may be dropped at any time.
pub fn graceful<F>(future: F) -> Graceful<F>
where
    F: IsFuture + Send + 'static,
{
    let (future, stopper) = (Box::pin(future), Stopper::new());
    Graceful { parts: Some(Parts { future, stopper, origin: None, limit: None, completion: None, abandon }) }
}

/// A [`Future`] with an output that is `Send`, as the argument of [`graceful`](graceful()). It says what to write in place of another type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a future whose output is `Send`",
    label = "expected a future",
    note = "call a function or a closure, and pass the future that it returns: `graceful(handler(request))`; a `with!` \
            needs an `async` block around it: `graceful(async {{ with!(...) }})`",
    note = "for all requests of a web server, write a middleware: \
            `from_fn(|request: Request, next: Next| graceful(next.run(request)))`"
)]
pub trait IsFuture: Future<Output: Send> {}

#[diagnostic::do_not_recommend]
impl<F: Future<Output: Send>> IsFuture for F {}

/// The future that [`graceful`](graceful()) returns.
#[must_use = "a future does nothing until it is awaited"]
// The bounds of `graceful` are not repeated, so that the compiler reports a future that does not fulfill them only once.
pub struct Graceful<F: Future> {
    /// `None` once the future has ended.
    parts: Option<Parts<F>>,
}

struct Parts<F: Future> {
    future: Pin<Box<F>>,
    stopper: Stopper<F::Output>,
    /// The origin of the first poll.
    origin: Option<Origin>,
    limit: Option<Duration>,
    /// Completed when the future has ended, or everything in it has been left.
    completion: Option<Completion>,
    /// The function `abandon`, which needs the bounds of `graceful`.
    abandon: fn(Self),
}

impl<F: Future> Graceful<F> {
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

impl<F: Future> Future for Graceful<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let parts = self.parts.as_mut().expect("a `graceful` future was polled after completion");
        match panics::catch(|| parts.poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(ready) => {
                self.parts = None;
                ready
            }
            Err(payload) => {
                // A panic in the drop of the future does not replace this one.
                panics::discard(self.parts.take());
                panics::resume(payload)
            }
        }
    }
}

impl<F: Future> Drop for Graceful<F> {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take().filter(|parts| parts.stopper.is_open()) {
            (parts.abandon)(parts);
        }
    }
}

/// Begins a rescue that stops a future which was dropped.
fn abandon<F: Future<Output: Send> + Send + 'static>(parts: Parts<F>) {
    let Parts { future, stopper, origin, limit, completion, .. } = parts;
    if let Some(origin) = origin {
        let (limit, end) = (Limit::new(limit), RescueEnd::Done);
        let rest = Abandoned { future: Some(future), stopper, limit, end, _completion: completion };
        Rescue::begin(Box::pin(rest), origin, true);
    }
}

impl<F: Future> fmt::Debug for Graceful<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graceful").finish_non_exhaustive()
    }
}

/// A future that was dropped, and that is being stopped.
struct Abandoned<F: Future> {
    /// `None` once it was dropped, while the rescues that began in it have not ended.
    future: Option<Pin<Box<F>>>,
    stopper: Stopper<F::Output>,
    limit: Limit,
    /// How the future has ended, once it was dropped.
    end: RescueEnd,
    _completion: Option<Completion>,
}

impl<F: Future> Abandoned<F> {
    /// Continues to stop the future. Ready once everything in it was left, or the limit has passed.
    fn poll_future(&mut self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<RescueEnd> {
        match panics::catch(|| self.stopper.stop(future, cx)) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(StopEnd::Ended(output) | StopEnd::Cut(Some(output)))) => {
                return Poll::Ready(discard_output(output));
            }
            Ok(Poll::Ready(StopEnd::Cut(None))) => return Poll::Ready(RescueEnd::Done),
            Err(payload) => {
                rescue::panicked(NAME, payload);
                return Poll::Ready(RescueEnd::Failed);
            }
        }
        ready!(self.limit.poll(cx));
        rescue::unfinished(NAME, "was not left within its limit; the rest is dropped");
        Poll::Ready(RescueEnd::Cut)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Cleanup for Abandoned<F> {
    fn name(self: Pin<&mut Self>) -> &'static str {
        NAME
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RescueEnd> {
        let this = &mut *self;
        if let Some(mut future) = this.future.take() {
            match this.poll_future(future.as_mut(), cx) {
                Poll::Ready(end) => this.end = end,
                Poll::Pending => {
                    this.future = Some(future);
                    return Poll::Pending;
                }
            }
            this.stopper.collect(|| user_code::discard(future));
        }
        this.stopper.poll_rescues(cx).map(|()| this.end)
    }

    fn is_waiting(self: Pin<&mut Self>) -> bool {
        self.future.is_none()
    }
}

/// Drops an output that no caller receives, and reports it if it is an `Err`. Returns how the rescue has ended.
fn discard_output<T>(output: T) -> RescueEnd {
    let is_err = is_err(&output);
    if is_err {
        let show: rescue::Show<'_> = &|f| f.write_str(type_name::<T>());
        rescue::failed(NAME, Lost::from(rescue::CANCELLED).show(show));
    }
    user_code::discard(output);
    if is_err { RescueEnd::Failed } else { RescueEnd::Done }
}

/// Returns whether `output` is the `Err` of a `Result`.
///
/// Nothing is known about the type here, and Rust has no specialization. This therefore compares the name of the type, and
/// the text of the discriminant. std guarantees neither of them. If one changes, errors are no longer reported, and the
/// test `is_the_error_that_a_dropped_graceful_future_returns_as_failed` fails.
fn is_err<T>(output: &T) -> bool {
    type_name::<T>().starts_with("core::result::Result<") && format!("{:?}", discriminant(output)) == "Discriminant(1)"
}
