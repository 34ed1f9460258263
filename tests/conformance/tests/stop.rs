//! Scopes that stop their block: exit phases are awaited, as trio's that are shielded.

#![forbid(unsafe_code)]

use std::env;

use conformance::stop::{Lines, Sample, Tally, Way};

/// How many traces are printed.
const TRACES: usize = 3;

fn assert_equal(tally: &Tally) {
    let failures = &tally.failures;
    for failure in failures {
        println!("{failure}");
    }
    for failure in failures.iter().take(TRACES) {
        println!("\n{failure}\n{}\n{}", failure.text, failure.traces);
    }
    assert!(failures.is_empty(), "{} runs differ", failures.len());
}

#[test]
fn named_cases_are_as_in_trio() {
    let lines = Lines::file("stop_cases");
    assert_eq!(lines.count(), 57);
    assert_equal(&lines.run(&Way::all(), Sample::All));
}

#[test]
fn random_programs_are_as_in_trio() {
    let lines = Lines::file("stop_seed1");
    assert_eq!(lines.count(), 1000);
    assert_equal(&lines.run(&Way::all(), Sample::of_tests()));
}

/// Replays the file that is named by `STOP_TRACES`.
#[test]
fn programs_of_another_file_are_as_in_trio() {
    let Ok(path) = env::var("STOP_TRACES") else { return };
    assert_equal(&Lines::at(&path).run(&Way::all(), Sample::All));
}
