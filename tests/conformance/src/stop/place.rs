//! Where a step runs: its task, and the scopes around it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_context_manager::Outcome;

use super::program::Item;
use super::record::{Record, Scope};
use super::steps::steps;
use super::ways::Way;

/// An error of a program. Its label says who made it, so that equal labels are the same error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) label: String,
}

impl Error {
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.label.split_once('@').is_some_and(|(own, _)| own == code)
    }
}

/// Where a step runs.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) record: Arc<Record>,
    pub(super) way: Way,
    task: Arc<Task>,
    /// The innermost scope. Nothing in an exit phase, which is out of reach of those around it.
    pub(super) scope: Option<Arc<Scope>>,
}

struct Task {
    name: String,
    /// The error that was made or passed on last. If one is under way, it is this.
    error: Mutex<Option<Error>>,
}

impl Task {
    fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), error: Mutex::default() })
    }
}

pub(super) const fn milliseconds(time: u64) -> Duration {
    Duration::from_millis(time)
}

impl Place {
    pub(super) fn new(record: Arc<Record>, way: Way) -> Self {
        Self { record, way, task: Task::new("main"), scope: None }
    }

    /// In the block of a scope.
    pub(super) fn inside(&self, scope: &Arc<Scope>) -> Self {
        Self { scope: Some(Arc::clone(scope)), ..self.clone() }
    }

    /// In an exit phase.
    fn outside(&self) -> Self {
        Self { scope: None, ..self.clone() }
    }

    /// In another task.
    pub(super) fn in_task(&self, name: &str) -> Self {
        Self { task: Task::new(name), ..self.clone() }
    }

    pub(super) fn log(&self, event: impl Into<String>) {
        self.record.log(&self.task.name, event.into());
    }

    pub(super) fn strike(&self, scope: &Scope) {
        self.record.strike(scope);
    }

    /// A new error.
    pub(super) fn fail(&self, code: &str, origin: &str) -> Error {
        let error = Error { label: format!("{code}@{origin}") };
        self.passes(&error);
        error
    }

    /// This error is under way now.
    pub(super) fn passes(&self, error: &Error) {
        *self.task.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
    }

    /// What a manager that errors pass by is not told: which error.
    pub(super) fn reveal(&self, outcome: Outcome) -> Outcome<Error> {
        match outcome {
            Outcome::Completed => Outcome::Completed,
            Outcome::Failed(()) => {
                let error = self.task.error.lock().unwrap_or_else(PoisonError::into_inner);
                Outcome::Failed(error.clone().expect("an error is under way"))
            }
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }

    /// A part of an enter phase.
    pub(super) async fn phase(&self, items: &[Item]) -> Result<(), Error> {
        for item in items {
            match item {
                Item::Wait(time) => tokio::time::sleep(milliseconds(*time)).await,
                Item::Step(step) => {
                    steps(self, std::slice::from_ref(step)).await?;
                }
            }
        }
        Ok(())
    }

    /// An exit phase.
    pub(super) async fn exit_phase(&self, items: &[Item]) -> Result<(), Error> {
        self.outside().phase(items).await
    }
}
