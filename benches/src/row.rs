//! A row of the tables: all that is measured of one contestant.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::measure::{allocations, times};
use crate::scenario::Contestant;
use crate::{contestants, count_scenarios, report};

/// A number for each scenario, or nothing where there is none, or where the cleanup is lost.
pub(crate) type Cells = [Option<f64>; 7];

#[derive(Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) instructions: Cells,
    pub(crate) nanoseconds: Cells,
    pub(crate) bytes: Cells,
    pub(crate) allocations: Cells,
}

/// All contestants that this program knows.
pub(crate) fn measure_all() -> Result<Vec<Row>, Box<dyn Error>> {
    let contestants = contestants::all();
    contestants.iter().for_each(Contestant::check);
    let counts = count_scenarios()?;
    contestants.iter().zip(&counts).map(|(contestant, counts)| measure(contestant, counts)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn measure(contestant: &Contestant, counts: &[u64]) -> Result<Row, Box<dyn Error>> {
    let mut row = Row {
        name: contestant.name.into(),
        note: contestant.note.into(),
        instructions: Cells::default(),
        nanoseconds: Cells::default(),
        bytes: contestant.runs.map(|run| Some(run.size as f64)),
        allocations: Cells::default(),
    };
    for (scenario, run) in contestant.runs.iter().enumerate() {
        if contestant.loses.contains(&run.scenario) {
            continue;
        }
        let repeat = |times| {
            (run.repeat)(times);
        };
        row.nanoseconds[scenario] =
            Some(times::median(&format!("{} {}", contestant.name, run.scenario.name()), repeat)?);
        row.allocations[scenario] = Some(allocations::count(|| repeat(1)) as f64);
        row.instructions[scenario] = contestant.one_thread.then_some(counts[scenario] as f64);
    }
    Ok(row)
}

/// The language's own `AsyncDrop`, for which nightly compiles all this once more: nothing if that can't be done here.
pub(crate) fn measure_async_drop() -> Option<Row> {
    let output = Command::new("cargo")
        .args(["+nightly", "run", "--quiet", "--release", "-p", "benchmarks", "--features", "async_drop"])
        .args(["--", "async_drop"])
        .env("CARGO_TARGET_DIR", report::folder("nightly").ok()?)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    serde_json::from_str::<Vec<Row>>(text.lines().last()?).ok()?.pop()
}

/// Python's: nothing if there is none.
pub(crate) fn measure_python() -> Option<Row> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("asynccontextmanager.py");
    let version = Command::new("python3").arg("--version").output().ok()?;
    let times = Command::new("python3").arg(script).output().ok()?;
    Some(Row {
        name: String::from_utf8(version.stdout).ok()?.trim().into(),
        note: "`contextlib.asynccontextmanager`; cancelled instead of dropped".into(),
        nanoseconds: serde_json::from_slice(&times.stdout).ok()?,
        instructions: Cells::default(),
        bytes: Cells::default(),
        allocations: Cells::default(),
    })
}
