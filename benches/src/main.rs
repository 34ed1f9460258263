//! This crate, the same by hand, and its peers, in seven scenarios.
//!
//! ```text
//! cargo run --release -p benchmarks                                  # all; writes benches/results.md and charts
//! cargo run --release -p benchmarks --no-default-features -- guard   # the regression guard of .ci/run
//! ```

#![cfg_attr(feature = "async_drop", feature(async_drop), allow(dead_code, incomplete_features))]
#![recursion_limit = "512"] // for sixty-four scopes in one another
#![cfg_attr(not(feature = "full"), allow(dead_code, reason = "the guard writes no tables"))]

#[cfg(feature = "full")]
mod chart;
#[cfg(feature = "full")]
mod compile;
mod contestants;
#[cfg(feature = "full")]
mod growth;
mod guard;
mod measure;
#[cfg(feature = "full")]
mod report;
mod resource;
#[cfg(feature = "full")]
mod row;
mod scenario;
#[cfg(feature = "full")]
mod targets;

use std::env;
use std::error::Error;
use std::io;
use std::panic;
use std::process::ExitCode;

use measure::instructions::{self, Work};
use scenario::Scenario;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    silence_the_planned();
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut success = true;
    match &*args {
        ["guard"] => success = guard::run()?,
        ["counted", "scenarios"] => perform_scenarios(),
        #[cfg(feature = "full")]
        [] => report::write()?,
        #[cfg(feature = "full")]
        ["counted", "growth"] => growth::perform(),
        #[cfg(feature = "async_drop")]
        ["async_drop"] => println!("{}", serde_json::to_string(&row::measure_all()?)?),
        _ => return Err("see the first lines of benches/src/main.rs".into()),
    }
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Panics of the scenarios are not told of.
fn silence_the_planned() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() != Some(&"planned") {
            others(info);
        }
    }));
}

/// How often each scenario is counted.
const TIMES: u32 = 100;

/// How many instructions each contestant takes in each scenario.
fn count_scenarios() -> io::Result<Vec<Vec<u64>>> {
    let counts = instructions::count(&["counted", "scenarios"])?;
    Ok(counts
        .chunks(Scenario::ALL.len())
        .map(|counts| counts.iter().map(|count| count / u64::from(TIMES)).collect())
        .collect())
}

fn perform_scenarios() {
    let contestants = contestants::all();
    contestants.iter().for_each(scenario::Contestant::check);
    let runs = contestants.iter().flat_map(|contestant| &contestant.runs);
    let works: Vec<Work<'_>> = runs
        .map(|run| -> Work<'_> {
            Box::new(|| {
                (run.repeat)(TIMES);
            })
        })
        .collect();
    instructions::perform(&works);
}
