//! Runs a block until something stops it.

use core::future::{Future, poll_fn};
use core::mem::replace;
use core::pin::Pin;
use core::task::Poll;

/// Polls `block` to its end, `Ok`, or until `stop` has ended, `Err`; the block is to be dropped then.
///
/// The block is polled once before `stop` is looked at; from then on `stop` goes first, so that of two such races, one
/// in the block of the other, the outer one wins. Both are as in `asyncio`, where the body of a `timeout` begins in any
/// case, and what is cancelled does not go on though what it waited for is there.
///
/// Both are pinned where they are made, as an `async fn` would have room for its arguments twice.
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
