//! Records what runs, when, where, and how it ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_context_manager::Outcome;
use tokio::runtime::Builder;
use tokio::task;
use tokio::time::Instant;

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Enter,
    Block,
    Exit,
    /// The future that the caller awaits.
    Whole,
    /// What comes after it.
    Rest,
}

/// How it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Ready,
    Panicked,
    Dropped,
}

/// A phase that was polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) lane: &'static str,
    pub(crate) phase: Phase,
    pub(crate) begin: u64,
    /// When it was first polled in another task than that of the caller.
    pub(crate) in_background: Option<u64>,
    pub(crate) polls: usize,
    pub(crate) end: u64,
    pub(crate) how: End,
}

/// What was recorded.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) spans: Vec<Span>,
    /// What managers have seen, in the order in which they were left.
    pub(crate) outcomes: Vec<(&'static str, Outcome)>,
}

impl Record {
    pub(crate) fn find(&self, lane: &str, phase: Phase) -> Option<&Span> {
        self.spans.iter().find(|span| span.lane == lane && span.phase == phase)
    }

    /// Describes what was recorded, for those who do not see the picture.
    pub(crate) fn describe(&self) -> String {
        let spans: Vec<_> = self.spans.iter().map(Span::describe).collect();
        spans.join("; ")
    }
}

impl Span {
    fn describe(&self) -> String {
        let Self { lane, begin, end, .. } = self;
        let phase = match self.phase {
            Phase::Enter => ", enter phase",
            Phase::Exit => ", exit phase",
            Phase::Whole => ", awaited",
            Phase::Block | Phase::Rest => "",
        };
        let place = match self.in_background {
            Some(since) => format!(", in the background from {since}"),
            None => String::new(),
        };
        let how = match self.how {
            End::Ready => "",
            End::Panicked => ", where it panicked",
            End::Dropped => ", where it was dropped",
        };
        format!("{lane}{phase}: from {begin} to {end}{place}{how}")
    }
}

/// A handle on a record.
#[derive(Clone)]
pub(crate) struct Log {
    start: Instant,
    record: Arc<Mutex<Record>>,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis().try_into().expect("a short time")
    }

    pub(crate) fn saw(&self, lane: &'static str, outcome: Outcome) {
        self.lock().outcomes.push((lane, outcome));
    }

    /// Records the polls and the end of a future.
    pub(crate) fn record<F: Future>(&self, lane: &'static str, phase: Phase, future: F) -> Recorded<F> {
        Recorded { log: self.clone(), lane, phase, index: None, future: Box::pin(future) }
    }
}

/// A future that is recorded.
pub(crate) struct Recorded<F> {
    log: Log,
    lane: &'static str,
    phase: Phase,
    /// Where its span is, once it was polled.
    index: Option<usize>,
    future: Pin<Box<F>>,
}

impl<F> Recorded<F> {
    fn polled(&mut self) {
        let now = self.log.now();
        let mut record = self.log.lock();
        let index = *self.index.get_or_insert_with(|| {
            let (lane, phase) = (self.lane, self.phase);
            let span = Span { lane, phase, begin: now, in_background: None, polls: 0, end: now, how: End::Dropped };
            record.spans.push(span);
            record.spans.len() - 1
        });
        let span = &mut record.spans[index];
        span.polls += 1;
        // The caller is no task: `block_on` polls it.
        if task::try_id().is_some() {
            span.in_background.get_or_insert(now);
        }
        // Until the poll returns.
        span.how = End::Panicked;
    }

    fn note(&self, how: End) {
        let now = self.log.now();
        if let Some(index) = self.index {
            let span = &mut self.log.lock().spans[index];
            (span.how, span.end) = (how, now);
        }
    }
}

impl<F: Future> Future for Recorded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polled();
        let polled = self.future.as_mut().poll(cx);
        self.note(if polled.is_ready() { End::Ready } else { End::Dropped });
        if polled.is_ready() {
            self.index = None;
        }
        polled
    }
}

impl<F> Drop for Recorded<F> {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            let how = self.log.lock().spans[index].how;
            self.note(how);
        }
    }
}

/// Runs a program with a clock that only moves when everything waits, and returns what it recorded.
pub(crate) fn run<T, F: Future<Output = T>>(program: impl FnOnce(Log) -> F) -> (T, Record) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let log = Log { start: Instant::now(), record: Arc::default() };
        let value = program(log.clone()).await;
        let record = std::mem::take(&mut *log.lock());
        (value, record)
    })
}

/// The unit of time.
pub(crate) fn units(number: u64) -> Duration {
    Duration::from_millis(number)
}
