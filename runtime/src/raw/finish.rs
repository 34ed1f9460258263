//! Runs a body whose `yield!` is in an `async` block, and waits for the rescues of a block that the body has dropped.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::body::Name;
use super::detached::DetachedGuard;
use super::header::{Flag, Header};
use crate::output::BodyOutput;
use crate::panics::{self, Payload};
use crate::rescue;

/// Runs the body of a manager whose marker is in an `async` block to its end. Then waits for the rescues of the
/// managers in a block that the body has dropped. `name` is the name of the manager.
#[inline]
pub fn finish<'h, 'b, B, N>(guard: &'h DetachedGuard, body: Pin<&'b mut B>, name: N) -> Finish<'h, 'b, B, N>
where
    B: Future<Output: BodyOutput>,
    N: Name<Output = B::Output>,
{
    Finish { guard, body, name, ended: None }
}

/// The future of [`finish`].
#[must_use = "the body runs only when this is awaited"]
pub struct Finish<'h, 'b, B: Future<Output: BodyOutput>, N: Name<Output = B::Output>> {
    guard: &'h DetachedGuard,
    body: Pin<&'b mut B>,
    name: N,
    /// The result of the body, while the rescues have not ended.
    ended: Option<Result<B::Output, Payload>>,
}

// The pinned body is a local of the caller and not a field.
impl<B: Future<Output: BodyOutput>, N: Name<Output = B::Output>> Unpin for Finish<'_, '_, B, N> {}

impl<B: Future<Output: BodyOutput>, N: Name<Output = B::Output>> Finish<'_, '_, B, N> {
    fn header(&self) -> &Header {
        // SAFETY: the guard is a local of the body, which the header outlives (fact 1).
        unsafe { self.guard.header().header() }
    }

    /// Polls the body. If the `with!` is being dropped and the marker has its own waker, the marker is in a future that
    /// polls only what was woken, or that has several pollers. The body is then polled once with the marker held. This
    /// replaces the waker of the task by the waker of this poll in all futures around the marker, so that the task is
    /// not woken by its own drop. Then the marker is woken and the body is polled once more.
    fn poll_body(&mut self, cx: &mut Context<'_>) {
        if self.header().has(Flag::WantsMarker) && self.guard.has_own_waker() {
            self.header().set(Flag::HoldsMarker, true);
            self.poll_once(cx);
            self.header().set(Flag::HoldsMarker, false);
            if self.ended.is_some() || !self.guard.wake() {
                return;
            }
        }
        self.poll_once(cx);
    }

    fn poll_once(&mut self, cx: &mut Context<'_>) {
        let body = self.body.as_mut();
        self.ended = match panics::catch(|| body.poll(cx)) {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(payload) => Some(Err(payload)),
        };
        self.header().set(Flag::HasEnded, self.ended.is_some());
    }
}

impl<B: Future<Output: BodyOutput>, N: Name<Output = B::Output>> Future for Finish<'_, '_, B, N> {
    type Output = B::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        let this = &mut *self;
        this.guard.enter(cx.waker());
        if this.ended.is_none() {
            this.poll_body(cx);
        }
        ready!(this.guard.poll_rescues(cx));
        match this.ended.take() {
            Some(Ok(output)) => Poll::Ready(output),
            Some(Err(payload)) => panics::resume(payload),
            None => Poll::Pending,
        }
    }
}

/// The body is dropped next, and its marker with it, on the thread that drops the driver. An output that the body has
/// already returned is reported as lost.
impl<B: Future<Output: BodyOutput>, N: Name<Output = B::Output>> Drop for Finish<'_, '_, B, N> {
    fn drop(&mut self) {
        self.guard.enter(core::task::Waker::noop());
        let Some(ended) = self.ended.take() else { return };
        let named = self.name.named();
        match ended {
            Ok(output) => {
                if output.as_error().is_some() {
                    let what = "failed, and was dropped while waiting for the managers in its block";
                    named.report(rescue::failed, what, &output);
                }
                panics::discard(output);
            }
            Err(payload) => rescue::panicked(named.name(), payload),
        }
    }
}
