//! Blocks that are stopped: what is open in them is left first, and each exit phase is awaited. The time is virtual.

#![forbid(unsafe_code)]

use std::future::{pending, ready};
use std::time::Duration;

use async_context_manager::{Outcome, async_context_manager, rescue, timeout, with};
use tests::Log;
use tokio::time::{Instant, sleep};

mod combinators;
mod graceful;
mod groups;
mod hostile;
mod savepoints;
mod scopes;
mod semantics;
mod soundness;

const MS: Duration = Duration::from_millis(1);

/// Longer than any limit in these tests.
const LONG: Duration = Duration::from_millis(500);

/// A log whose events begin with their time in milliseconds.
#[derive(Clone)]
struct Trace {
    log: Log,
    begin: Instant,
}

impl Trace {
    fn new() -> Self {
        Self { log: Log::new(), begin: Instant::now() }
    }

    fn add(&self, event: impl AsRef<str>) {
        self.log.add(format!("{} {}", self.begin.elapsed().as_millis(), event.as_ref()));
    }

    fn take(&self) -> Vec<String> {
        self.log.take()
    }
}

/// Lends a text of its own, and needs 5 ms to leave.
#[async_context_manager]
async fn resource(trace: &Trace, name: &str) -> &mut String {
    let mut local = name.to_string();
    let outcome = r#yield!(&mut local);
    trace.add(format!("{name} {outcome:?}"));
    sleep(5 * MS).await;
    trace.add(format!("-{local}"));
}

/// Needs 20 ms to enter, and 5 ms to leave.
#[async_context_manager]
async fn slow(trace: &Trace, name: &str) {
    trace.add(format!("({name}"));
    sleep(20 * MS).await;
    trace.add(format!("+{name}"));
    let outcome = r#yield!();
    trace.add(format!("{name} {outcome:?}"));
    sleep(5 * MS).await;
    trace.add(format!("-{name}"));
}

/// Fails after 5 ms of leaving.
#[async_context_manager]
async fn failing(trace: &Trace, name: &str) -> Result<(), String> {
    let outcome = r#yield!();
    trace.add(format!("{name} {outcome:?}"));
    sleep(5 * MS).await;
    Err(format!("{name} failed"))
}

/// Panics after 5 ms of leaving.
#[async_context_manager]
async fn panicking(trace: &Trace, name: &str) {
    let outcome = r#yield!();
    trace.add(format!("{name} {outcome:?}"));
    sleep(5 * MS).await;
    panic!("{name} panicked");
}

/// Owns its log, is shielded, and needs 5 ms to leave.
#[async_context_manager(shielded)]
async fn shielded(trace: Trace, name: &'static str) {
    let outcome = r#yield!();
    trace.add(format!("{name} {outcome:?}"));
    sleep(5 * MS).await;
    trace.add(format!("-{name}"));
}

/// Waits in the block of a resource.
async fn holds(trace: &Trace, name: &str) {
    with!(resource(trace, name) => sleep(LONG).await);
    trace.add(format!("not reached after {name}"));
}

/// The same, and owns the log.
async fn owns(trace: Trace, name: &'static str) {
    holds(&trace, name).await;
}
