//! This crate, the same by hand, and its peers, in seven scenarios.
//!
//! ```text
//! cargo run --release -p benchmarks                                  # all; writes results.md, charts, and pages with parts of them
//! cargo run --release -p benchmarks --no-default-features -- guard   # the regression guard of .ci/run
//! cargo run --release -p benchmarks --no-default-features -- print   # the counts of one profile, for the two above
//! ```

#![cfg_attr(feature = "async_drop", feature(async_drop), allow(dead_code, incomplete_features))]
#![recursion_limit = "512"] // for sixty-four scopes in one another
#![cfg_attr(not(feature = "full"), allow(dead_code, reason = "the guard writes no tables"))]

#[cfg(feature = "full")]
mod chart;
mod compile;
mod contestants;
#[cfg(feature = "full")]
mod growth;
mod guard;
mod measure;
#[cfg(feature = "full")]
mod overhead;
mod profile;
mod quotes;
#[cfg(feature = "full")]
mod report;
mod resource;
#[cfg(feature = "full")]
mod row;
mod scenario;
#[cfg(feature = "full")]
mod sizes;
#[cfg(feature = "full")]
mod targets;
mod trivial;

use std::env;
use std::error::Error;
use std::panic;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    silence_the_planned();
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let mut success = true;
    match &*args {
        ["guard"] => success = guard::run()?,
        ["print"] => profile::print()?,
        ["counted", "scenarios"] => profile::perform(),
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
