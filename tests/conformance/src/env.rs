//! Where a program runs: the trace, the errors and panics that it makes, and the driver that drops it.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_context_manager::Outcome;

use crate::rescues;
use crate::scenario::Ended;

/// An error of a program. Its label says who made it, so that equal labels are the same error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) code: String,
    pub(crate) label: String,
}

/// What a panic of a program carries.
struct Payload(String);

/// What Python says of a manager that ends before its `yield`, and the label of the crate's panic.
pub(crate) const NO_YIELD: &str = "RuntimeError(generator didn't yield)";
/// What Python says of a second `yield`, and the label of the crate's panic.
pub(crate) const NO_STOP: &str = "RuntimeError(generator didn't stop)";

/// A clone is the same environment.
#[derive(Clone, Default)]
pub(crate) struct Env(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    trace: Vec<String>,
    /// The error that was made last, but for those while the program was dropped. If one is under way, it is this.
    error: Option<Error>,
    is_being_dropped: bool,
    /// The panic that was made last, likewise.
    panic: Option<String>,
    /// The value of the block that was the last to end; nothing if it was suppressed.
    last: Option<i64>,
}

impl Env {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self, event: impl Into<String>) {
        self.state().trace.push(event.into());
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    pub(crate) fn last(&self) -> Option<i64> {
        self.state().last
    }

    /// A block has come to its end: what follows it.
    pub(crate) fn after(&self, id: &str, value: Option<i64>) {
        self.log(value.map_or(format!("after:{id}:suppressed"), |value| format!("after:{id}:ok({value})")));
        self.state().last = value;
    }

    /// Logs, and is pending once.
    pub(crate) async fn suspend(&self, event: String) {
        self.log(event);
        let mut suspended = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut suspended, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// A new error.
    pub(crate) fn fail(&self, code: &str, origin: &str) -> Error {
        let error = Error { code: code.to_owned(), label: format!("{code}@{origin}") };
        let mut state = self.state();
        if !state.is_being_dropped {
            state.error = Some(error.clone());
        }
        drop(state);
        error
    }

    /// Panics.
    pub(crate) fn panic(&self, origin: &str) -> ! {
        let label = format!("P@{origin}");
        self.will_panic(&label);
        resume_unwind(Box::new(Payload(label)))
    }

    /// The crate is about to panic: so the managers will call it.
    pub(crate) fn will_panic(&self, label: &str) {
        self.state().panic = Some(label.to_owned());
    }

    /// What a manager that errors pass by is not told: which error.
    pub(crate) fn reveal(&self, outcome: Outcome) -> Outcome<Error> {
        match outcome {
            Outcome::Completed => Outcome::Completed,
            Outcome::Failed(()) => Outcome::Failed(self.state().error.clone().expect("an error is under way")),
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }

    /// The outcome in an event.
    pub(crate) fn describe(&self, outcome: &Outcome<Error>) -> String {
        match outcome {
            Outcome::Completed => "completed".to_owned(),
            Outcome::Failed(error) => format!("failed({})", error.label),
            Outcome::Panicked => format!("panicked({})", self.state().panic.as_deref().expect("a panic is under way")),
            Outcome::Cancelled => "cancelled".to_owned(),
        }
    }

    /// Runs a program, or drops it at its `cancel_at`-th suspension; and what is rescued of it.
    pub(crate) fn drive<F>(&self, cancel_at: Option<usize>, program: F) -> Ended
    where
        F: Future<Output = Result<Option<i64>, Error>>,
    {
        let mut program = Box::pin(program);
        for suspensions in 0.. {
            if cancel_at == Some(suspensions) {
                self.log(format!("cancel:{suspensions}"));
                self.state().is_being_dropped = true;
                drop(program);
                self.state().is_being_dropped = false;
                rescues::run();
                return Ended::Cancelled;
            }
            let polled = || program.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match catch_unwind(AssertUnwindSafe(polled)) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(Ok(value))) => return Ended::Ok(value),
                Ok(Poll::Ready(Err(error))) => return Ended::Err(error.label),
                Err(payload) => return Ended::Panic(label(payload.as_ref())),
            }
        }
        unreachable!("no program is as long")
    }
}

/// What a panic is called.
pub(crate) fn label(payload: &(dyn Any + Send)) -> String {
    if let Some(Payload(label)) = payload.downcast_ref() {
        return label.clone();
    }
    match payload.downcast_ref::<String>().map(String::as_str) {
        Some("`lawless` ended without reaching its `yield!`: return an `Err` to skip the block") => NO_YIELD.to_owned(),
        Some("`lawless` reached its `yield!` a second time") => NO_STOP.to_owned(),
        other => format!("unexpected: {other:?}"),
    }
}
