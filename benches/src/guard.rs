//! The regression guard: instructions, sizes of futures and lines for LLVM against the limits in `limits.txt`, and the pages
//! that repeat `results.md`. Needs valgrind, no peers.

use std::collections::BTreeMap;
use std::error::Error;

use crate::profile::Counts;
use crate::scenario::Scenario;
use crate::{compile, contestants, quotes, trivial};

const LIMITS: &str = include_str!("../limits.txt");

/// Whether all limits are kept; prints what was measured, as the limits stand in their file.
pub(crate) fn run() -> Result<bool, Box<dyn Error>> {
    let mut profiles = BTreeMap::new();
    let mut kept = true;
    for line in LIMITS.lines().filter(|line| is_limit(line)) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [name, measure, profile, limits @ ..] = &*cells else { return Err(format!("not a limit: {line}").into()) };
        if *measure != LLVM_LINES && !profiles.contains_key(profile) {
            profiles.insert(*profile, Counts::of(profile)?);
        }
        let measured = match *measure {
            LLVM_LINES => vec![compile::llvm_ratio()?],
            "instructions" => ratios(&profiles[profile], name)?,
            "more" => more_instructions(&profiles[profile], name)?,
            "bytes" => more_bytes(&profiles[profile], name)?,
            _ => return Err(format!("`{measure}` is not measured").into()),
        };
        print!("{name:19} | {measure:12} | {profile:11}");
        kept &= print_measured(&measured, limits)?;
    }
    Ok(kept & quotes::check()?)
}

const LLVM_LINES: &str = "LLVM lines";

/// The rows of the tables in the file, without their heads.
fn is_limit(line: &str) -> bool {
    line.rsplit_once('|').is_some_and(|(_, last)| last.trim().parse::<f64>().is_ok())
}

fn print_measured(measured: &[f64], limits: &[&str]) -> Result<bool, Box<dyn Error>> {
    let mut kept = true;
    for (measured, limit) in measured.iter().zip(limits) {
        let within = *measured <= limit.parse()?;
        print!(" | {measured:.2}{}", if within { "" } else { " TOO MUCH" });
        kept &= within;
    }
    println!();
    if measured.len() == limits.len() { Ok(kept) } else { Err("not a limit for each scenario".into()) }
}

/// Returns the name of the contestant that this one is compared with.
fn baseline(name: &str) -> &'static str {
    match name {
        trivial::WITH => trivial::BY_HAND,
        _ if name.ends_with(", in a scope") => contestants::baseline_in_scope().name,
        _ => contestants::baseline().name,
    }
}

/// How many times the instructions of the baseline there are. A baseline that loses its cleanup when it is dropped is no
/// measure for that. Its `ready` is used instead.
pub(crate) fn ratios(counts: &Counts, name: &str) -> Result<Vec<f64>, String> {
    let (counted, baseline) = (counts.get(name, "instructions")?, counts.get(baseline(name), "instructions")?);
    let dropped = Scenario::Dropped as usize;
    let compared = |scenario| baseline[if scenario == dropped { Scenario::Ready as usize } else { scenario }];
    Ok((0..counted.len()).map(|scenario| float(counted[scenario]) / float(compared(scenario))).collect())
}

/// How many instructions more a scope takes, for the trivial resource.
fn more_instructions(counts: &Counts, name: &str) -> Result<Vec<f64>, String> {
    let more = differences(counts, name, "instructions")?;
    Ok(more.zip(trivial::SCENARIOS).map(|(more, (_, scopes))| more / f64::from(scopes)).collect())
}

fn more_bytes(counts: &Counts, name: &str) -> Result<Vec<f64>, String> {
    Ok(differences(counts, name, "bytes")?.collect())
}

fn differences(counts: &Counts, name: &str, measure: &str) -> Result<impl Iterator<Item = f64>, String> {
    let (counted, baseline) = (counts.get(name, measure)?, counts.get(baseline(name), measure)?);
    Ok(counted.iter().zip(baseline).map(|(&counted, &baseline)| float(counted) - float(baseline)))
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
