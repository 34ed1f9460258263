//! Replays each line of a file in each way to write it, compares, and counts.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;
use std::{env, fmt, fs};

use async_context_manager::rescue::{self, LossKind};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::place::Place;
use super::program::{Ended, Event, Line, Run, Step};
use super::record::Record;
use super::steps::{Flow, steps};
use super::ways::Way;
use crate::files::{parse, read};

/// No program takes so long: one that does hangs.
const FOREVER: Duration = Duration::from_secs(1_000_000_000);

/// The programs of a file.
pub struct Lines {
    name: String,
    lines: Vec<Line>,
}

/// In which ways each line is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// In all of them.
    All,
    /// In one, by turns.
    ByTurns,
}

impl Sample {
    /// What `cargo test` runs, and all with `TESTS=all`.
    #[must_use]
    pub fn of_tests() -> Self {
        if env::var_os("TESTS").is_some_and(|tests| tests == "all") { Self::All } else { Self::ByTurns }
    }
}

/// How many runs of each way were as expected, and those that were not.
#[derive(Default)]
pub struct Tally {
    /// By the way: how many were equal, and how many there were.
    pub ways: BTreeMap<String, (usize, usize)>,
    /// What was not equal.
    pub failures: Vec<Failure>,
}

/// A run that was not as expected.
pub struct Failure {
    /// The line.
    pub id: String,
    /// What it is about, if it is a named case.
    pub text: String,
    /// The way.
    pub way: Way,
    /// The first event that differs.
    pub difference: String,
    /// Both traces.
    pub traces: String,
}

impl Lines {
    /// The file of that name in `data`.
    #[must_use]
    pub fn file(name: &str) -> Self {
        Self { name: name.to_owned(), lines: read(name) }
    }

    /// Any file of that form.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn at(path: &str) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self { name: path.to_owned(), lines: parse(path, &text) }
    }

    /// How many programs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Replays each program.
    #[must_use]
    pub fn run(&self, ways: &[Way], sample: Sample) -> Tally {
        let mut tally = Tally::default();
        for (turn, line) in self.lines.iter().enumerate() {
            match sample {
                Sample::All => ways.iter().for_each(|way| tally.add(line, *way)),
                Sample::ByTurns => tally.add(line, ways[turn % ways.len()]),
            }
        }
        println!("{}: {} programs\n{tally}", self.name, self.count());
        tally
    }
}

impl Tally {
    fn add(&mut self, line: &Line, way: Way) {
        let (equal, all) = self.ways.entry(way.to_string()).or_default();
        *all += 1;
        match compare(line, way) {
            None => *equal += 1,
            Some(failure) => self.failures.push(failure),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ways.iter().try_for_each(|(way, (equal, all))| writeln!(f, "  {equal:>5} of {all:>5}: {way}"))
    }
}

/// Events of one instant and one task are in order, those of different tasks are not.
///
/// A manager that is entered and abandoned in one instant is left out. In trio, a part of a manager can still begin to
/// enter in a block that is being stopped; by S5 nothing is entered there.
fn in_order(mut trace: Vec<Event>) -> Vec<Event> {
    trace.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut kept: Vec<Event> = Vec::new();
    for event in trace {
        let is_void = kept.last().is_some_and(|last| entered_and_abandoned(last, &event));
        if is_void {
            drop(kept.pop());
        } else {
            kept.push(event);
        }
    }
    kept
}

fn entered_and_abandoned(first: &Event, second: &Event) -> bool {
    let entered = first.2.strip_prefix("enter:");
    (first.0, &first.1) == (second.0, &second.1)
        && entered.is_some_and(|id| second.2.strip_prefix("abandon:") == Some(id))
}

/// Runs a line: what differs, if anything does.
fn compare(line: &Line, way: Way) -> Option<Failure> {
    let got = execute(line, way);
    let want = Run { trace: in_order(line.expected.trace.clone()), result: line.expected.result.clone() };
    let got = match got {
        Ok(run) if run == want => return None,
        Ok(run) => run,
        Err(difference) => return Some(Failure { difference, ..Failure::new(line, way) }),
    };
    let first = got.trace.iter().zip(&want.trace).take_while(|(got, want)| got == want).count();
    let show = |run: &Run| run.trace.get(first).map_or_else(|| format!("{:?}", run.result), Event::to_string);
    let difference = format!("got {}, want {}", show(&got), show(&want));
    let traces = format!("{}{}", listed("got", &got), listed("want", &want));
    Some(Failure { difference, traces, ..Failure::new(line, way) })
}

fn listed(name: &str, run: &Run) -> String {
    let events: Vec<_> = run.trace.iter().map(Event::to_string).collect();
    format!("{name}:\n{}\n{:?}\n", events.join("\n"), run.result)
}

impl Failure {
    fn new(line: &Line, way: Way) -> Self {
        let (difference, traces) = (String::new(), String::new());
        Self { id: line.id.clone(), text: line.text.clone(), way, difference, traces }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.id, self.way, self.difference)
    }
}

thread_local! {
    /// What was cut off in this run.
    static UNFINISHED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is lost from standard error. Errors that are replaced are part of the programs.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        rescue::set_hook(|loss| {
            if loss.kind() == LossKind::Unfinished {
                UNFINISHED.with_borrow_mut(|all| all.push(loss.to_string()));
            }
        });
    });
}

/// Runs a program in virtual time.
///
/// # Errors
///
/// When it panics, hangs, or leaves an exit phase in the middle.
fn execute(line: &Line, way: Way) -> Result<Run, String> {
    listen();
    UNFINISHED.take();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("there is a runtime");
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(main(&line.program.steps, way))));
    drop(runtime);
    let (run, unfinished) = (run.map_err(|payload| format!("it panics: {}", message(&*payload)))??, UNFINISHED.take());
    if !unfinished.is_empty() {
        return Err(format!("told as unfinished: {unfinished:?}"));
    }
    Ok(run)
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

async fn main(program: &[Step], way: Way) -> Result<Run, String> {
    // From here on, the clock and the timer have the same milliseconds.
    sleep(Duration::from_millis(1)).await;
    let record = Arc::new(Record::new());
    let place = Place::new(Arc::clone(&record), way);
    let Ok(ended) = timeout(FOREVER, steps(&place, program)).await else {
        let trace = record.trace().iter().map(Event::to_string).collect::<Vec<_>>();
        return Err(format!("it hangs:\n{}", trace.join("\n")));
    };
    let result = match ended {
        Ok(Flow::Return(value)) => Ended::Ok(Some(value)),
        Ok(Flow::Next | Flow::Break) => Ended::Ok(None),
        Err(error) => Ended::Err(error.label),
    };
    place.log(match &result {
        Ended::Ok(_) => "result:ok".to_owned(),
        Ended::Err(label) => format!("result:err({label})"),
    });
    Ok(Run { trace: in_order(record.trace()), result })
}
