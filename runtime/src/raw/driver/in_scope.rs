//! Polls a driver in a scope that can stop it.

use core::future::Future;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::{Driver, EndOf, Live};
use crate::classify::Classify;
use crate::exit::{CatchesFrom, Exit};
use crate::named::NameAt;
use crate::outcome::Outcome;
use crate::output::{BodyOutput, JoinOutput};
use crate::panics;
use crate::raw::cancel::drop_unfinished;
use crate::raw::header::{BlockOwner, Flag, Header, State};
use crate::raw::stop_block::{StopBlock, begin_running, begin_stop, body_polled, driver_polled, stop_if_running};
use crate::raw::stop_scope::{StopMode, StopScope};
use crate::raw::yield_point::Enclosing;
use crate::scope_types::Scope;
use crate::value::Shape;

impl<F, N, S, B, W, Literal> Live<'_, Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output = <S::Exit as Exit>::Output>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    F::Output: JoinOutput<<S::Rest as Shape>::BodyOutput>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Polls the driver in a scope that can stop it.
    ///
    /// # Safety
    ///
    /// The driver must be pinned, and no other code may use the body.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn poll_in(self, cx: &mut Context<'_>) -> Poll<EndOf<S>> {
        self.header().set_not_plain();
        let Some(scope) = StopScope::of(cx.waker()) else {
            // SAFETY: guaranteed by the caller.
            return unsafe { self.poll_plain_outlined(cx) };
        };
        match scope.mode() {
            // SAFETY: guaranteed by the caller.
            StopMode::Running => unsafe { self.poll_running(scope, cx) },
            // SAFETY: guaranteed by the caller.
            StopMode::Stopping => unsafe { self.poll_stopping(scope, cx) },
            // SAFETY: guaranteed by the caller.
            StopMode::Leaving if self.header().has(Flag::Stopping) => unsafe { self.poll_stopping(scope, cx) },
            // SAFETY: guaranteed by the caller.
            StopMode::Leaving if W::IS_AROUND_MARKER => unsafe { self.poll_plain_outlined(cx) },
            StopMode::Leaving => {
                // The `with!` is in an exit phase, which no stop reaches.
                let cx = &mut Context::from_waker(scope.task());
                // SAFETY: guaranteed by the caller.
                unsafe { self.poll_plain_outlined(cx) }
            }
        }
    }

    /// Polls the driver in a scope that does not stop it.
    ///
    /// # Safety
    ///
    /// The driver must be pinned, and no other code may use the body.
    unsafe fn poll_running(self, scope: &StopScope<'_>, cx: &mut Context<'_>) -> Poll<EndOf<S>> {
        // SAFETY: guaranteed by the caller. While the driver is `Running`, the block has not been dropped.
        if !unsafe { begin_running(&self, scope, cx) } {
            return Poll::Pending;
        }
        let before = scope.begin_trace();
        // SAFETY: guaranteed by the caller. The driver is not `Running` any more.
        let polled = unsafe { self.poll_plain_outlined(cx) };
        let is_open = scope.end_trace(before);
        if polled.is_pending() {
            driver_polled(self.header(), scope, is_open);
        }
        polled
    }

    /// Drops a manager that is in its enter phase, when nothing in it is open. It may hold what the exit phase of another
    /// manager waits for.
    ///
    /// # Safety
    ///
    /// No other code may use the body or the block.
    unsafe fn abandon(self) {
        if self.header().state.get().is_entering() {
            // SAFETY: neither the body nor the block has been dropped. The state below says that they are now.
            unsafe { drop_unfinished(&self) };
            self.header().state.set(State::Done);
        }
    }

    /// Polls the driver in a scope that stops it.
    ///
    /// # Safety
    ///
    /// The driver must be pinned, and no other code may use the body.
    #[cold]
    unsafe fn poll_stopping(self, scope: &StopScope<'_>, cx: &mut Context<'_>) -> Poll<EndOf<S>> {
        let header = self.header();
        let Some(mode) = begin_stop(header, W::CAN_STOP) else {
            // SAFETY: no other code uses the body or the block, which is not polled before the marker has lent.
            unsafe { self.abandon() };
            return Poll::Pending;
        };
        // SAFETY: guaranteed by the caller. While the driver is `Running`, what is lent is valid, because the body is suspended
        // at its marker.
        if !unsafe { stop_if_running(&self, scope, cx) } {
            return Poll::Pending;
        }
        let inner = StopScope::new(cx.waker(), mode);
        // SAFETY: guaranteed by the caller.
        let polled = inner.poll(|cx| unsafe { self.poll_body(cx) });
        body_polled(header, &inner, scope, polled.is_ready());
        if polled.is_pending() && !header.has(Flag::HasOpen) {
            // SAFETY: as above.
            unsafe { self.abandon() };
        }
        let output = ready!(polled);
        let has_result = !header.has(Flag::Cut)
            || output.as_error().is_some()
            || matches!(self.frame().outcome(), Outcome::Failed(()) | Outcome::Panicked)
            || (self.enclosing().outcome().is_some() && self.frame().is_over())
            || header.state.get().is_entering();
        if has_result {
            return Poll::Ready(self.conclude(output));
        }
        if !header.conclude() {
            header.conclude_without_end(self.named().name());
        }
        panics::discard(output);
        StopBlock::clear(&self);
        Poll::Pending
    }
}

impl<F, N, S, B, W, Literal> StopBlock for Live<'_, Driver<'_, F, N, S, B, W, Literal>>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    fn header(&self) -> &Header {
        Live::header(*self)
    }

    unsafe fn run_block(&self, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe { self.run_block_outlined(cx) }
    }

    unsafe fn lend(&self, value_ptr: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        unsafe { <Driver<'_, F, N, S, B, W, Literal> as BlockOwner>::lend(self.driver.cast(), value_ptr) };
    }

    fn has_begun(&self) -> bool {
        !self.frame().is_lent()
    }

    fn clear(&self) {
        if let Some(parcel) = self.frame().clear::<N, _>(None) {
            panics::contain(|| parcel.discard());
        }
    }
}
