//! The regression guard: instructions and future sizes against the limits in `limits.txt`. Needs valgrind, no peers.

use std::error::Error;

use crate::contestants;
use crate::scenario::{Contestant, Scenario};

const LIMITS: &str = include_str!("../limits.txt");

/// Whether all limits are kept; prints what was measured, as the limits stand in their file.
pub(crate) fn run() -> Result<bool, Box<dyn Error>> {
    let contestants = contestants::all();
    let counts = super::count_scenarios()?;
    let position = |name: &str| contestants.iter().position(|it| it.name == name);
    let measured = |contestant: usize, measure: &str, scenario: usize| {
        let in_scope = contestants[contestant].name.ends_with(", in a scope");
        let baseline = if in_scope { contestants::baseline_in_scope() } else { contestants::baseline() };
        let baseline = position(baseline.name).ok_or("no baseline")?;
        // A baseline that loses its cleanup in this scenario is no measure for it. Its shortest scenario is used instead.
        let is_lost = contestants[baseline].loses.contains(&Scenario::ALL[scenario]);
        let compared = counts[baseline][if is_lost { 0 } else { scenario }];
        match measure {
            "instructions" => Ok(ratio(counts[contestant][scenario], compared)),
            "bytes" => Ok(more_bytes(&contestants[contestant], &contestants[baseline], scenario)),
            _ => Err(format!("`{measure}` is not measured")),
        }
    };
    let mut kept = true;
    for line in LIMITS.lines().skip_while(|line| !line.starts_with("---")).skip(1) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [name, measure, limits @ ..] = &*cells else { return Err(format!("not a limit: {line}").into()) };
        let contestant = position(name).ok_or_else(|| format!("who is {name}?"))?;
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
