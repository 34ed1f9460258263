//! `race`: runs a block until another future stops it.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::mem::replace;
use core::pin::Pin;
use core::slice;
use core::task::{Context, Poll, Waker, ready};

use super::stopper::{StopEnd, Stopper};
use crate::raw::stop_scope::{StopMode, StopScope, task_waker};
use crate::rescue::Handle;

/// Polls `block` until it ends (`Ok`), or until `stop` ends and everything in the block has been left (`Err`). In the
/// latter case, the caller must drop the block.
///
/// The block is polled once before `stop`. From then on `stop` is polled first, so that of two such races, one in the
/// block of the other, the outer one wins. Both rules are those of `asyncio`: the body of a `timeout` begins in any
/// case, and a cancelled task does not continue even if the result that it waited for is ready.
///
/// While a scope around the race stops it, `stop` is not polled. If it has stopped the block before, that does not count
/// any more, as in trio: the race ends with the output of the block, if there is one. In an exit phase that such a scope
/// waits for, the race is as ever. The first poll there shows whether the block contains a marker that is being stopped.
///
/// `enters` says when `stop` is polled while the block is.
///
/// The caller pins both futures, because an `async fn` would reserve space for its arguments twice.
pub(super) fn race<B: Future, S: Future, E: Enters>(
    mut block: Pin<&mut B>,
    stop: Pin<&mut S>,
    enters: E,
) -> impl Future<Output = Result<B::Output, S::Output>> {
    let mut begun = false;
    let mut is_in_exit_phase = false;
    let mut stopper = Stopper::new();
    let mut stop = StopFuture { future: stop, output: None };
    poll_fn(move |cx| {
        if stop.output.is_none() {
            let mut is_first = !replace(&mut begun, true);
            match StopScope::stopping(cx.waker()) {
                Some(around) if around.mode() == StopMode::Stopping => return block.as_mut().poll(cx).map(Ok),
                Some(around) if !is_in_exit_phase => {
                    let (polled, is_stopped) = stopper.pass_leaving(block.as_mut(), around, cx);
                    if polled.is_ready() || is_stopped {
                        return polled.map(Ok);
                    }
                    // The next poll shows what is open in the block.
                    is_in_exit_phase = true;
                    is_first = true;
                }
                _ => {}
            }
            if is_first || !stop.poll(cx.waker()) {
                let stop = RefCell::new(&mut stop);
                let request = || stop.try_borrow_mut().is_ok_and(|mut stop| stop.poll(cx.waker()));
                let scope = enters.scope(cx.waker(), &request);
                let polled = stopper.run(block.as_mut(), &scope);
                if polled.is_ready() {
                    return polled.map(Ok);
                }
            }
            if stop.output.is_none() && !(is_first && stop.poll(cx.waker())) {
                stopper.pass_on(cx);
                return Poll::Pending;
            }
        }
        let polled = stopper.stop(block.as_mut(), cx);
        stopper.pass_on(cx);
        match ready!(polled) {
            StopEnd::Ended(output) => Poll::Ready(Ok(output)),
            StopEnd::Cut(output) => end_of_stop(&mut stop.output, output, stopper.has_stopped_marker(), cx),
        }
    })
}

/// When a `with!` in the block is entered, although the future that stops the block may be ready.
pub(super) trait Enters {
    /// Returns the scope for a poll of the block. `request` polls the future that stops the block.
    fn scope<'t>(&'t self, waker: &'t Waker, request: &'t dyn Fn() -> bool) -> StopScope<'t>;
}

/// Always. The future is a timer.
#[cfg(feature = "tokio")]
pub(super) struct Always;

/// If the future is not ready when it is polled once more. The block itself may have made it ready.
pub(super) struct UnlessReady;

/// If the signal is not set.
pub(super) struct UnlessSet<'s>(pub(super) &'s Handle);

#[cfg(feature = "tokio")]
impl Enters for Always {
    fn scope<'t>(&'t self, waker: &'t Waker, _request: &'t dyn Fn() -> bool) -> StopScope<'t> {
        StopScope::running(waker)
    }
}

impl Enters for UnlessReady {
    fn scope<'t>(&'t self, waker: &'t Waker, request: &'t dyn Fn() -> bool) -> StopScope<'t> {
        StopScope::running(waker).requested_by(request)
    }
}

impl Enters for UnlessSet<'_> {
    fn scope<'t>(&'t self, waker: &'t Waker, _request: &'t dyn Fn() -> bool) -> StopScope<'t> {
        StopScope::running(waker).signalled_by([slice::from_ref(self.0), &[]])
    }
}

/// The future that stops the block.
struct StopFuture<'s, S: Future> {
    future: Pin<&'s mut S>,
    output: Option<S::Output>,
}

impl<S: Future> StopFuture<'_, S> {
    /// Polls the future outside of all scopes, unless it has ended. Returns whether it has ended.
    fn poll(&mut self, waker: &Waker) -> bool {
        if self.output.is_none() {
            if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(task_waker(waker))) {
                self.output = Some(output);
            }
        }
        self.output.is_some()
    }
}

/// Returns the result of a race whose block was stopped. `is_stopped_outside` says that a scope around the race stops its
/// manager, too. The stop of that scope counts.
fn end_of_stop<T, S>(
    stopped: &mut Option<S>,
    output: Option<T>,
    is_stopped_outside: bool,
    cx: &Context<'_>,
) -> Poll<Result<T, S>> {
    let around = StopScope::stopping(cx.waker());
    if around.is_some_and(|around| around.mode() == StopMode::Stopping) {
        // The code after the race does not run.
        return Poll::Pending;
    }
    let stopped = stopped.take().expect("a race is not polled after completion");
    let Some(around) = around.filter(|_| is_stopped_outside) else { return Poll::Ready(Err(stopped)) };
    around.set_cut();
    Poll::Ready(output.ok_or(stopped))
}
