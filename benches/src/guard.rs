//! The regression guard: instructions and future sizes against the limits in `limits.txt`. Needs valgrind, no peers.

use std::error::Error;

use crate::contestants;
use crate::scenario::{Contestant, Scenario};

const LIMITS: &str = include_str!("../limits.txt");

/// Whether all limits are kept; prints what was measured, as the limits stand in their file.
pub(crate) fn run() -> Result<bool, Box<dyn Error>> {
    let contestants = contestants::all();
    let counts = super::count_scenarios()?;
    let baseline = contestants.iter().position(|it| it.name == contestants::baseline().name).ok_or("no baseline")?;
    // Where by hand nothing is cleaned up, there is nothing to compare with but its shortest way.
    let compared = |scenario: usize| match &contestants[baseline] {
        it if it.loses.contains(&Scenario::ALL[scenario]) => counts[baseline][0],
        _ => counts[baseline][scenario],
    };
    let measured = |contestant: usize, measure: &str, scenario: usize| match measure {
        "instructions" => Ok(ratio(counts[contestant][scenario], compared(scenario))),
        "bytes" => Ok(more_bytes(&contestants[contestant], &contestants[baseline], scenario)),
        _ => Err(format!("`{measure}` is not measured")),
    };
    let mut kept = true;
    for line in LIMITS.lines().skip_while(|line| !line.starts_with("---")).skip(1) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [name, measure, limits @ ..] = &*cells else { return Err(format!("not a limit: {line}").into()) };
        let contestant = contestants.iter().position(|it| it.name == *name).ok_or_else(|| format!("who is {name}?"))?;
        print!("{name:19} | {measure:12}");
        for (scenario, limit) in limits.iter().enumerate() {
            let measured = measured(contestant, measure, scenario)?;
            let within = measured <= limit.parse()?;
            print!(" | {measured:.2}{}", if within { "" } else { " TOO MUCH" });
            kept &= within;
        }
        println!();
    }
    Ok(kept)
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
pub(crate) fn ratio(count: u64, baseline: u64) -> f64 {
    count as f64 / baseline as f64
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn more_bytes(contestant: &Contestant, baseline: &Contestant, scenario: usize) -> f64 {
    contestant.runs[scenario].size as f64 - baseline.runs[scenario].size as f64
}
