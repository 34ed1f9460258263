//! Instructions and bytes of the ways of this crate, in programs that cargo builds in other profiles.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::process::Command;

use crate::measure::instructions::{self, Work};
use crate::scenario::{Contestant, Run, Scenario};
use crate::{contestants, trivial};

/// How often each scenario is counted.
pub(crate) const TIMES: u32 = 100;

/// The counts of each contestant. The second part of the key is `instructions` or `bytes`.
pub(crate) struct Counts(BTreeMap<(String, String), Vec<u64>>);

impl Counts {
    /// Of the program in this profile, which cargo builds and runs.
    pub(crate) fn of(profile: &str) -> Result<Self, Box<dyn Error>> {
        let output = Command::new("cargo")
            .args(["run", "--quiet", "--profile", profile, "-p", "benchmarks", "--no-default-features", "--", "print"])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8(output.stderr)?.into());
        }
        let lines = String::from_utf8(output.stdout)?;
        lines.lines().map(line).collect::<Result<_, _>>().map(Self)
    }

    /// A number for each scenario.
    pub(crate) fn get(&self, contestant: &str, measure: &str) -> Result<&[u64], String> {
        let counts = self.0.get(&(contestant.to_owned(), measure.to_owned()));
        counts.map(Vec::as_slice).ok_or_else(|| format!("there are no {measure} of {contestant}"))
    }
}

/// The opposite of [`print_line`].
fn line(text: &str) -> Result<((String, String), Vec<u64>), Box<dyn Error>> {
    let [name, measure, numbers] = *text.split('|').collect::<Vec<_>>() else { return Err(text.into()) };
    let numbers = numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    Ok(((name.into(), measure.into()), numbers))
}

fn print_line(name: &str, measure: &str, numbers: &[u64]) {
    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
    println!("{name}|{measure}|{}", numbers.join(" "));
}

/// Prints what is counted in this program.
pub(crate) fn print() -> io::Result<()> {
    let (contestants, trivial) = (contestants::all(), trivial::ways());
    let counts = count()?;
    let (of_contestants, of_trivial) = counts.split_at(contestants.len() * Scenario::ALL.len());
    for (it, counts) in contestants.iter().zip(of_contestants.chunks(Scenario::ALL.len())) {
        print_line(it.name, "instructions", counts);
        print_line(it.name, "bytes", &it.runs.map(|run| run.size as u64));
    }
    for (it, counts) in trivial.iter().zip(of_trivial.chunks(trivial::SCENARIOS.len())) {
        print_line(it.name, "instructions", counts);
        print_line(it.name, "bytes", &it.sizes.map(|size| size as u64));
    }
    Ok(())
}

/// How many instructions each contestant takes in each scenario, and then each way for the trivial resource.
pub(crate) fn count() -> io::Result<Vec<u64>> {
    let counts = instructions::count(&["counted", "scenarios"])?;
    Ok(counts.into_iter().map(|count| count / u64::from(TIMES)).collect())
}

/// Runs under callgrind what is counted, in the order in which [`count`] returns the counts.
pub(crate) fn perform() {
    let contestants = contestants::all();
    contestants.iter().for_each(Contestant::check);
    let mut works: Vec<Work<'_>> = Vec::new();
    for &Run { scenario, repeat, .. } in contestants.iter().flat_map(|contestant| &contestant.runs) {
        works.push(Box::new(move || {
            if scenario.can_run() {
                repeat(TIMES);
            }
        }));
    }
    for repeat in trivial::ways().into_iter().flat_map(|way| way.repeat) {
        works.push(Box::new(move || repeat(TIMES)));
    }
    instructions::perform(&works);
}
