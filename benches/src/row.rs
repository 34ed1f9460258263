//! A row of the tables: all that is measured of one contestant.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::measure::heap;
use crate::measure::times::{self, Repeat};
use crate::scenario::{Contestant, Run, Scenario};
use crate::{contestants, profile, report};

/// A number for each scenario, or nothing where there is none, or where the cleanup is lost.
pub(crate) type Cells<T = f64> = [Option<T>; 7];

#[derive(Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) instructions: Cells,
    /// Quartiles.
    pub(crate) nanoseconds: Cells<[f64; 3]>,
    pub(crate) bytes: Cells,
    pub(crate) allocations: Cells,
}

/// All contestants that this program knows.
pub(crate) fn measure_all() -> Result<Vec<Row>, Box<dyn Error>> {
    let contestants = contestants::all();
    contestants.iter().for_each(Contestant::check);
    let counts = profile::count()?;
    let mut rows: Vec<_> =
        contestants.iter().zip(counts.chunks(Scenario::ALL.len())).map(|(it, counts)| measure(it, counts)).collect();
    for scenario in 0..Scenario::ALL.len() {
        let (competing, repeats): (Vec<_>, Vec<_>) = contestants
            .iter()
            .enumerate()
            .filter(|(_, contestant)| !contestant.loses.contains(&Scenario::ALL[scenario]))
            .map(|(at, contestant)| (at, repeat(&contestant.runs[scenario])))
            .unzip();
        for (at, quartiles) in competing.into_iter().zip(times::by_turns(&repeats)) {
            rows[at].nanoseconds[scenario] = Some(quartiles);
        }
    }
    Ok(rows)
}

fn repeat(run: &Run) -> Repeat<'static> {
    let repeat = run.repeat;
    Box::new(move |times| {
        repeat(times);
    })
}

/// All but the times.
#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn measure(contestant: &Contestant, counts: &[u64]) -> Row {
    let mut row = Row {
        name: contestant.name.into(),
        note: contestant.note.into(),
        instructions: Cells::default(),
        nanoseconds: Cells::default(),
        bytes: contestant.runs.map(|run| Some(run.size as f64)),
        allocations: Cells::default(),
    };
    for (scenario, run) in contestant.runs.iter().enumerate() {
        if !contestant.loses.contains(&run.scenario) {
            let once = || {
                (run.repeat)(1);
            };
            row.allocations[scenario] = Some(heap::used(once).allocations as f64);
            row.instructions[scenario] = contestant.one_thread.then_some(counts[scenario] as f64);
        }
    }
    row
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
    let medians: Cells = serde_json::from_slice(&times.stdout).ok()?;
    Some(Row {
        name: String::from_utf8(version.stdout).ok()?.trim().into(),
        note: "`contextlib.asynccontextmanager`; cancelled instead of dropped".into(),
        nanoseconds: medians.map(|median| median.map(|median| [median; 3])),
        instructions: Cells::default(),
        bytes: Cells::default(),
        allocations: Cells::default(),
    })
}
