//! Runs the programs in each mode, and compares their traces with `traces.txt` and `differences.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_context_manager::rescue::{self, LossKind};

use super::trace::{Mode, run, run_gracefully};
use super::{PORTS, Port};

/// What Python did.
pub(super) const TRACES: &str = include_str!("traces.txt");

/// The traces that differ here.
const DIFFERENCES: &str = include_str!("differences.txt");

/// Traces by program and mode.
type Traces<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

/// The traces of a file. Lines that begin with `#` are comments.
fn traces(text: &str) -> Traces<'_> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (head, events) = line.split_once(" | ").expect("a line has a head and events");
        (head.split_once(' ').expect("a head has a program and a mode"), events)
    });
    parsed.collect()
}

fn port(name: &str) -> &'static Port {
    PORTS.iter().find(|port| port.name == name).unwrap_or_else(|| panic!("there is no program {name}"))
}

/// How many exit phases were cut off.
static UNFINISHED: AtomicUsize = AtomicUsize::new(0);

/// Counts the exit phases that are cut off, and keeps the other losses silent: an error that replaces another one.
fn count_unfinished() {
    rescue::set_hook(|loss| {
        if loss.kind() == LossKind::Unfinished {
            UNFINISHED.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// Runs all traces of the modes of this kind (what is before the `@`). Returns the programs that differ from Python.
async fn differing(kind: &str) -> Vec<&'static str> {
    count_unfinished();
    let (in_python, here) = (traces(TRACES), traces(DIFFERENCES));
    let (mut all, mut other, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (&(name, mode), &python) in &in_python {
        if mode.split('@').next() != Some(kind) {
            continue;
        }
        let trace = run(port(name), Mode::parse(mode)).await;
        let expected = here.get(&(name, mode)).copied().unwrap_or(python);
        if trace != expected {
            wrong.push(format!("{name} {mode}\n  expected {expected}\n  python   {python}\n  here     {trace}"));
        }
        all.insert(name);
        if trace != python {
            other.insert(name);
        }
    }
    assert!(wrong.is_empty(), "{} traces are not as expected:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(UNFINISHED.load(Ordering::Relaxed), 0);
    println!("{kind}: {} of {} programs are as in Python", all.len() - other.len(), all.len());
    other.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_block_that_succeeds() {
    assert_eq!(differing("success").await, ["c17_websockets_reconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_fails() {
    assert_eq!(differing("error").await, ["c01_fastapi_lifespan", "c17_websockets_reconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_panics() {
    let differing = differing("panic").await;
    assert_eq!(differing, ["c01_fastapi_lifespan", "c05c_asyncpg_broken_release", "c17_websockets_reconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_in_the_work_of_the_block() {
    assert_eq!(differing("block").await, ["c01_fastapi_lifespan", "c17_websockets_reconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_before_that_work() {
    assert_eq!(differing("early").await, ["c02_mcp_stdio_client", "c17_websockets_reconnect"]);
}

/// Programs in which other code than an exit phase is under way after the work: the block goes on, or another task.
const NOT_ONLY_LEAVING: [&str; 3] = ["c04_redis_pipeline", "c09_limiter", "c28_file_lock"];

/// The modes in which a time limit strikes after the work, in an exit phase.
fn modes_while_leaving(success: &str) -> Vec<String> {
    let times: Vec<_> = success.split(" | ").map(|event| event.split_once(' ').expect("a time and an event")).collect();
    let done = times.iter().position(|(_, event)| *event == "done");
    let Some([(done, _), .., (end, _)]) = done.map(|done| &times[done..]) else { return Vec::new() };
    let seconds = |time: &str| time.parse::<f64>().expect("it is a number of seconds");
    let leaving = seconds(done)..seconds(end);
    let limits = (0..100).map(|second| f64::from(second) + 0.4).filter(|limit| leaving.contains(limit));
    limits.map(|limit| format!("leave@{limit}")).collect()
}

/// In Python, the exit phase is interrupted, and the program fails.
#[tokio::test(start_paused = true)]
async fn a_time_out_in_an_exit_phase_changes_nothing() {
    let mut count = 0;
    for port in PORTS.iter().filter(|port| !NOT_ONLY_LEAVING.contains(&port.name)) {
        let success = run(port, Mode::parse("success")).await;
        for mode in modes_while_leaving(&success) {
            assert_eq!(run(port, Mode::parse(&mode)).await, success, "{} {mode}", port.name);
            count += 1;
        }
    }
    println!("{count} time-outs in exit phases have changed nothing");
}

/// The events of a trace without the end of the program.
fn without_end(trace: &str) -> Vec<&str> {
    trace.split(" | ").filter(|event| !event.contains(" => ")).collect()
}

/// The program ends when the time is over. What it does then in the background has the same events.
#[tokio::test(start_paused = true)]
async fn a_time_out_of_tokio_around_graceful() {
    count_unfinished();
    for (name, mode) in traces(TRACES).into_keys().filter(|(_, mode)| mode.contains('@')) {
        let stopped = run(port(name), Mode::parse(mode)).await;
        let dropped = run_gracefully(port(name), Mode::parse(mode)).await;
        assert_eq!(without_end(&dropped), without_end(&stopped), "{name} {mode}");
    }
    assert_eq!(UNFINISHED.load(Ordering::Relaxed), 0);
}

#[test]
fn each_program_is_in_the_traces() {
    assert_eq!(PORTS.len(), 41);
    let names: BTreeSet<_> = PORTS.iter().map(|port| port.name).collect();
    for kind in ["success", "error", "panic", "block"] {
        let traced = traces(TRACES).into_keys().filter(|(_, mode)| mode.starts_with(kind)).map(|(name, _)| name);
        assert_eq!(traced.collect::<BTreeSet<_>>(), names, "{kind}");
    }
}

#[test]
fn each_difference_is_one() {
    let in_python = traces(TRACES);
    for (key, here) in traces(DIFFERENCES) {
        assert_ne!(here, in_python[&key], "{key:?} is as in Python");
    }
}
