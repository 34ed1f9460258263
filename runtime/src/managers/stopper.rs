//! `Stopper`: polls a future, and stops what is in it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::budget;
use crate::current_thread::dropped;
use crate::raw::stop_scope::{StopMode, StopPoll, StopScope};
use crate::rescue::{self, Rescues};
use crate::user_code;

/// How often in a row a stop is put off because the task has used up its budget.
const PATIENCE: u8 = 8;

/// The end of a future that was being stopped.
pub(super) enum StopEnd<T> {
    /// The future has ended by itself, and its output counts.
    Ended(T),
    /// The stop has ended the future. There is an output if the rest of the future was an exit phase.
    Cut(Option<T>),
}

/// The state of a future that can be stopped.
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(super) struct Stopper<T> {
    /// Whether the future contained something open when it was last polled.
    is_open: bool,
    /// Whether the rest of the future is an exit phase, because a marker in it has returned.
    is_leaving: bool,
    is_cut: bool,
    /// Whether the future contains the marker of a `with!` that a scope further out stops.
    has_stopped_marker: bool,
    /// How often in a row the stop was put off.
    delays: u8,
    /// The output of a future that was cut.
    output: Option<T>,
    /// The rescues that have begun during the stop.
    rescues: Rescues,
}

// The output is not pinned.
impl<T> Unpin for Stopper<T> {}

impl<T> Stopper<T> {
    pub(super) fn new() -> Self {
        Self {
            is_open: false,
            is_leaving: false,
            is_cut: false,
            has_stopped_marker: false,
            delays: 0,
            output: None,
            rescues: Rescues::default(),
        }
    }

    /// Polls `future` in `scope`, which is running.
    pub(super) fn run<F: Future<Output = T>>(&mut self, mut future: Pin<&mut F>, scope: &StopScope<'_>) -> Poll<T> {
        let before = dropped();
        let (mut polled, mut is_open) = scope.trace(|| scope.poll(|cx| future.as_mut().poll(cx)));
        if is_open && polled.is_pending() && must_repeat(scope, before) {
            (polled, is_open) = scope.trace(|| scope.poll(|cx| future.poll(cx)));
        }
        self.is_open = is_open || (self.is_open && scope.may_have_skipped());
        polled
    }

    /// Polls `future`, which the scope `around` stops.
    pub(super) fn pass<F: Future<Output = T>>(
        &mut self,
        future: Pin<&mut F>,
        around: &StopScope<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<T> {
        let (polled, is_open) = around.trace(|| future.poll(cx));
        self.is_open = is_open;
        polled
    }

    /// Polls `future`, which may be part of an exit phase, or contain the marker of a `with!` that the scope `around` stops.
    /// Returns whether it does contain such a marker.
    pub(super) fn pass_leaving<F: Future<Output = T>>(
        &mut self,
        future: Pin<&mut F>,
        around: &StopScope<'_>,
        cx: &mut Context<'_>,
    ) -> (Poll<T>, bool) {
        let (polled, has_stopped_marker) = around.trace_marker(|| future.poll(cx));
        self.has_stopped_marker |= has_stopped_marker;
        (polled, self.has_stopped_marker)
    }

    /// Returns whether the future contains the marker of a `with!` that a scope further out stops.
    pub(super) const fn has_stopped_marker(&self) -> bool {
        self.has_stopped_marker
    }

    /// Records in the scope around the poll what is known about the future.
    pub(super) fn pass_on(&self, cx: &Context<'_>) {
        let Some(around) = StopScope::of(cx.waker()) else { return };
        if self.is_open {
            around.set_open();
        }
        if self.is_leaving {
            around.leave();
        }
        if self.is_cut {
            around.set_cut();
        }
    }

    /// Returns whether the future contained something open when it was last polled.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Calls `f`. The rescues that begin in it belong to the stop.
    pub(super) fn collect(&mut self, f: impl FnOnce()) {
        let mut f = Some(f);
        self.rescues.extend(rescue::collect(&mut || f.take().into_iter().for_each(|f| f())));
    }

    /// Waits for the rescues that have begun during the stop.
    pub(super) fn poll_rescues(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.rescues.poll(cx)
    }

    /// Continues to stop `future`. Once nothing in it is open any more, the caller can drop it.
    pub(super) fn stop<F: Future<Output = T>>(
        &mut self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<StopEnd<T>> {
        if self.is_open {
            let output = ready!(self.poll_stopping(future, cx));
            self.is_open = false;
            match output {
                Some(output) if !self.is_cut => return Poll::Ready(StopEnd::Ended(output)),
                output => self.output = output,
            }
        }
        self.rescues.poll(cx).map(|()| StopEnd::Cut(self.output.take()))
    }

    /// Polls `future` in a scope that stops. Ready with `None` if nothing in it is open any more.
    fn poll_stopping<F: Future<Output = T>>(
        &mut self,
        mut future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        let mode = if self.is_leaving { StopMode::Leaving } else { StopMode::Stopping };
        let scope = StopScope::new(cx.waker(), mode).ignoring_budget(self.delays >= PATIENCE);
        if scope.may_have_skipped() {
            return self.delay(cx);
        }
        let before = dropped();
        let mut polled = self.poll_and_collect(&scope, future.as_mut());
        if scope.is_open() && polled.is_pending() && must_repeat(&scope, before) {
            scope.restore_open(false);
            polled = self.poll_and_collect(&scope, future);
        }
        let has_dropped = dropped() != before;
        self.is_leaving |= scope.mode() == StopMode::Leaving;
        self.is_cut |= scope.is_cut();
        self.has_stopped_marker |= scope.has_stopped_marker();
        match polled {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.is_leaving => Poll::Pending,
            Poll::Pending => match scope.stop_poll() {
                Some(StopPoll::Skipped) => self.delay(cx),
                Some(_) => self.wait(has_dropped, cx),
                None => Poll::Ready(None),
            },
        }
    }

    /// Polls `future` in `scope`. The rescues that begin in the poll belong to the stop.
    fn poll_and_collect<F: Future<Output = T>>(&mut self, scope: &StopScope<'_>, future: Pin<&mut F>) -> Poll<T> {
        let mut polled = Poll::Pending;
        self.collect(|| polled = scope.poll(|cx| future.poll(cx)));
        polled
    }

    /// Waits for what is open. If a `with!` was dropped in the poll, it may be the one that was recorded as open. It will
    /// not wake the task, so the task is woken here, and its next poll shows what is open.
    fn wait<P>(&mut self, has_dropped: bool, cx: &Context<'_>) -> Poll<P> {
        self.delays = 0;
        if has_dropped {
            user_code::wake_by_ref(cx.waker());
        }
        Poll::Pending
    }

    /// Polls again in the next poll of the task, which has a new budget.
    fn delay<P>(&mut self, cx: &mut Context<'_>) -> Poll<P> {
        self.delays += 1;
        budget::wait_for_more(cx.waker());
        Poll::Pending
    }
}

/// Returns whether a poll in `scope` must be repeated: a `with!` that was recorded as open may have been dropped in the
/// same poll. `before` is the value of [`dropped`] before the poll. Only the outermost scope repeats it, for all scopes.
fn must_repeat(scope: &StopScope<'_>, before: usize) -> bool {
    scope.is_outermost() && dropped() != before
}
