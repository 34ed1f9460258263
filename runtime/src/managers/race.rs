//! `race`: runs a block until another future stops it.

use core::future::{Future, poll_fn};
use core::mem::replace;
use core::pin::Pin;
use core::task::Poll;

/// Polls `block` until it ends (`Ok`) or `stop` ends (`Err`). In the latter case, the caller must drop the block.
///
/// The block is polled once before `stop`. From then on `stop` is polled first, so that of two such races, one in the
/// block of the other, the outer one wins. Both rules are those of `asyncio`: the body of a `timeout` begins in any
/// case, and a cancelled task does not continue even if the result that it waited for is ready.
///
/// The caller pins both futures, because an `async fn` would reserve space for its arguments twice.
pub(super) fn race<B: Future, S: Future>(
    mut block: Pin<&mut B>,
    mut stop: Pin<&mut S>,
) -> impl Future<Output = Result<B::Output, S::Output>> {
    let mut begun = false;
    poll_fn(move |cx| {
        if !replace(&mut begun, true) {
            if let Poll::Ready(output) = block.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            return stop.as_mut().poll(cx).map(Err);
        }
        match stop.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Err(output)),
            Poll::Pending => block.as_mut().poll(cx).map(Ok),
        }
    })
}
