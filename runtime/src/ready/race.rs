//! Runs a block until something stops it.

use core::future::{Future, poll_fn};
use core::mem::replace;
use core::pin::pin;
use core::task::Poll;

/// Polls `block` to its end, `Ok`, or until `stop` has ended, `Err`; then the block has been dropped.
///
/// The block is polled once before `stop` is looked at; from then on `stop` goes first, so that of two such races, one
/// in the block of the other, the outer one wins. Both are as in `asyncio`, where the body of a `timeout` begins in any
/// case, and what is cancelled does not go on though what it waited for is there.
pub(super) async fn race<B: Future, S: Future>(block: B, stop: S) -> Result<B::Output, S::Output> {
    let (mut block, mut stop) = (pin!(block), pin!(stop));
    let mut begun = false;
    poll_fn(|cx| {
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
    .await
}
