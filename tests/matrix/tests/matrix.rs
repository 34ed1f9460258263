//! What borrows a local of a manager never leaves its block, whatever the type of it, the way of use and the way out: each such
//! program is refused, and its twin that stays inside runs.
//!
//! `cargo test -p matrix` tries a fixed sample. `MATRIX=all cargo test -p matrix` tries all, some thousands, and runs the twins
//! with `AddressSanitizer`.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

use matrix::compiler::{Compiler, Diagnostic};
use matrix::program::{Expected, Program};
use matrix::{error, program};

/// A program of so many is in the sample.
const SAMPLE: usize = 11;

/// So many programs are compiled at a time.
const BATCH: usize = 250;

/// What the borrow checker refuses programs with.
const BORROWED: [&str; 21] = [
    "E0309", "E0310", "E0311", "E0373", "E0382", "E0495", "E0499", "E0502", "E0503", "E0505", "E0506", "E0515",
    "E0521", "E0597", "E0621", "E0623", "E0700", "E0712", "E0713", "E0716", "E0759",
];

/// What it says without a code.
const WORDS: [&str; 4] =
    ["lifetime may not live long enough", "borrowed data escapes", "cannot escape", "is not general enough"];

/// What a manager is told that can't lend its type: a trait is missing, for a function or for a method.
const MISSING: [&str; 2] = ["E0277", "E0599"];

/// And what it says of such a trait without a code.
const NOT_SEND: [&str; 1] = ["future cannot be sent between threads safely"];

/// What the macro says.
const MACRO: [&str; 1] = ["a shielded manager can't"];

#[test]
fn what_is_lent_stays_inside() {
    let everything = env::var("MATRIX").is_ok_and(|which| which == "all");
    let mut programs = [program::all(), error::all()].concat();
    programs.retain(|program| everything || program.place % SAMPLE == 0);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("matrix");
    let compiler = Compiler::new(&folder, everything && cfg!(all(target_os = "linux", target_arch = "x86_64")));

    let failures = tried(&compiler, &programs);
    let count = |expected| programs.iter().filter(|program| program.expected == expected).count();
    println!(
        "{} programs: {} to be refused, {} not offered, {} to run; {} are not as expected",
        programs.len(),
        count(Expected::Refused),
        count(Expected::NotOffered),
        count(Expected::Runs),
        failures.len()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// What is not as expected of each program.
fn tried(compiler: &Compiler, programs: &[Program]) -> Vec<String> {
    let mut groups = BTreeMap::<_, Vec<&Program>>::new();
    for program in programs {
        groups.entry((program.expected, program.edition)).or_default().push(program);
    }
    let batches: Vec<(usize, &[&Program])> =
        groups.values().flat_map(|group| group.chunks(BATCH)).enumerate().collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let take = || batches.get(next.fetch_add(1, Ordering::Relaxed));
    thread::scope(|scope| {
        let work = || -> Vec<String> {
            std::iter::from_fn(take).flat_map(|(number, batch)| batch_tried(compiler, *number, batch)).collect()
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let failures: BTreeSet<String> =
            workers.into_iter().flat_map(|worker| worker.join().expect("it is told")).collect();
        failures.into_iter().collect()
    })
}

fn batch_tried(compiler: &Compiler, number: usize, batch: &[&Program]) -> Vec<String> {
    let found = compiler.check(&format!("batch{number}"), batch);
    let mut failures = Vec::new();
    for (index, program) in batch.iter().enumerate() {
        if let Some(failure) = judged(program, found.get(&index).map(Vec::as_slice)) {
            failures.push(failure);
        }
    }
    let runs: Vec<&Program> = batch
        .iter()
        .enumerate()
        .filter(|(index, program)| program.expected == Expected::Runs && !found.contains_key(index))
        .map(|(_, program)| *program)
        .collect();
    if let Err(printed) = compiler.run(&format!("run{number}"), &runs) {
        failures.push(format!("fails when it runs: {printed}"));
    }
    failures
}

/// What is wrong with what the compiler said, if anything is.
fn judged(program: &Program, errors: Option<&[Diagnostic]>) -> Option<String> {
    let name = &program.name;
    match (program.expected, errors) {
        (Expected::Runs, None) => None,
        (Expected::Runs, Some(errors)) => Some(format!("refused, and should run: {name}: {}", told(errors))),
        (_, None) => Some(format!("compiles, and should be refused: {name}")),
        (expected, Some(errors)) => {
            let wrong = errors.iter().any(|error| !is_expected(expected, error));
            wrong.then(|| format!("refused by another error: {name}: {}", told(errors)))
        }
    }
}

fn is_expected(expected: Expected, error: &Diagnostic) -> bool {
    let is_one_of = |codes: &[&str]| codes.contains(&error.code.as_str());
    let says = |words: &[&str]| error.code.is_empty() && words.iter().any(|words| error.message.contains(words));
    let refused = is_one_of(&BORROWED) || says(&WORDS) || says(&MACRO);
    let missing = is_one_of(&MISSING) || says(&NOT_SEND);
    refused || (expected == Expected::NotOffered && missing)
}

fn told(errors: &[Diagnostic]) -> String {
    let all: BTreeSet<String> = errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect();
    all.into_iter().collect::<Vec<_>>().join("; ")
}
