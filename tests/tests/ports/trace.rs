//! The log of a program, with its virtual time; how its block ends; and the errors.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_context_manager::{TaskGroupError, graceful, timeout, with};
use futures::FutureExt;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep};

use super::Port;

/// How long a call of a library takes.
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What a program ends with.
pub(super) type Ended = Result<u32, Error>;

/// An error, named as its class in `ports.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    Bad,
    Net,
    Lost,
    Timeout,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bad => "Bad",
            Self::Net => "Net",
            Self::Lost => "Lost",
            Self::Timeout => "TimeoutError",
        })
    }
}

impl std::error::Error for Error {}

impl From<Elapsed> for Error {
    fn from(_: Elapsed) -> Self {
        Self::Timeout
    }
}

impl From<TaskGroupError<Error>> for Error {
    fn from(error: TaskGroupError<Error>) -> Self {
        error.into_first()
    }
}

/// How the work in a block ends, unless it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Well,
    WithError,
    WithPanic,
}

/// How a program is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    ends: Ends,
    limit: Option<Duration>,
}

impl Mode {
    /// Reads a mode, such as `error` or `block@2.4`.
    pub(super) fn parse(text: &str) -> Self {
        let (name, limit) = text.split_once('@').map_or((text, None), |(name, limit)| (name, Some(limit)));
        let ends = match name {
            "error" => Ends::WithError,
            "panic" => Ends::WithPanic,
            _ => Ends::Well,
        };
        let limit = limit.map(|limit| Duration::from_secs_f64(limit.parse().expect("it is a number of seconds")));
        Self { ends, limit }
    }
}

struct Event {
    millis: u128,
    task: &'static str,
    name: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.millis / 1000, self.millis % 1000);
        write!(f, "{seconds}")?;
        if rest > 0 {
            write!(f, ".{}", format!("{rest:03}").trim_end_matches('0'))?;
        }
        let colon = if self.task.is_empty() { "" } else { ": " };
        write!(f, " {}{colon}{}", self.task, self.name)
    }
}

/// The log of a program. A clone shares the list.
#[derive(Clone)]
pub(super) struct Trace {
    events: Arc<Mutex<Vec<Event>>>,
    begin: Instant,
    task: &'static str,
    ends: Ends,
}

impl Trace {
    fn new(ends: Ends) -> Self {
        Self { events: Arc::default(), begin: Instant::now(), task: "", ends }
    }

    /// The same log for a task of the program.
    pub(super) fn child(&self, task: &'static str) -> Self {
        Self { task, ..self.clone() }
    }

    pub(super) fn log(&self, name: impl Into<String>) {
        let event = Event { millis: self.begin.elapsed().as_millis(), task: self.task, name: name.into() };
        self.events.lock().expect("nothing panics here").push(event);
    }

    /// A call of a library: logs its name, and takes a second.
    pub(super) async fn op(&self, name: impl Into<String>) {
        self.log(name);
        sleep(SECOND).await;
    }

    /// Whether the work fails.
    pub(super) fn fails(&self) -> bool {
        self.ends == Ends::WithError
    }

    /// What the user does in the block.
    pub(super) async fn work(&self) -> Ended {
        self.op("work").await;
        self.op("more work").await;
        match self.ends {
            Ends::Well => {}
            Ends::WithError => return Err(Error::Bad),
            // The panic hook would only print it.
            Ends::WithPanic => resume_unwind(Box::new("the block panics")),
        }
        self.log("done");
        Ok(7)
    }

    /// The events. Those of different tasks at one time have no order: they are sorted by task, the main task first.
    fn take(&self) -> Vec<String> {
        let mut events = std::mem::take(&mut *self.events.lock().expect("nothing panics here"));
        events.sort_by_key(|event| (event.millis, event.task));
        events.iter().map(Event::to_string).collect()
    }
}

/// Runs a program under the time limit of the mode, if it has one.
async fn limited(program: impl Future<Output = Ended>, limit: Option<Duration>) -> Ended {
    match limit {
        Some(limit) => with!(timeout(limit) => program.await)?,
        None => program.await,
    }
}

/// Runs a program: its events, joined to a line.
pub(super) async fn run(port: &Port, mode: Mode) -> String {
    let trace = Trace::new(mode.ends);
    log_end(&trace, limited((port.run)(&trace), mode.limit)).await
}

/// The same with the time limit of tokio, which drops the program. `graceful` then leaves in the background what is
/// open in it.
pub(super) async fn run_gracefully(port: &Port, mode: Mode) -> String {
    let trace = Trace::new(mode.ends);
    let program = {
        let (run, trace) = (port.run, trace.clone());
        graceful(async move { run(&trace).await })
    };
    let limit = mode.limit.expect("the mode has a time limit");
    log_end(&trace, async { tokio::time::timeout(limit, program).await? }).await
}

/// Awaits a program, and logs how it ends: all events, joined to a line.
async fn log_end(trace: &Trace, program: impl Future<Output = Ended>) -> String {
    trace.log(match AssertUnwindSafe(program).catch_unwind().await {
        Ok(Ok(value)) => format!("=> {value}"),
        Ok(Err(error)) => format!("=> {error}"),
        Err(_payload) => "=> Panic".to_string(),
    });
    sleep(100 * SECOND).await; // what comes late is in the trace, too
    trace.take().join(" | ")
}
