//! What the crate is to reach, and whether it does.

use std::error::Error;
use std::fmt::Write;

use crate::compile::Compiled;
use crate::contestants;
use crate::report::{find, nanoseconds};
use crate::row::{Cells, Row};
use crate::scenario::Scenario;

/// The peers that await their cleanup.
const AWAITING: [&str; 5] = ["context_manager", "test-context", "async-safe-defer", "async-stream", "fauxgen"];

/// A number and what it may be at most.
struct Target {
    what: String,
    measured: f64,
    at_most: f64,
}

/// A table of all targets.
pub(crate) fn table(rows: &[Row], compiled: &[Compiled]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("| | at most | measured | |\n|---|---:|---:|---|\n");
    for Target { what, measured, at_most } in all(rows, compiled)? {
        let verdict = if measured <= at_most { "reached" } else { "**not reached**" };
        writeln!(text, "| {what} | {at_most:.2} | {measured:.2} | {verdict} |")?;
    }
    Ok(text)
}

fn all(rows: &[Row], compiled: &[Compiled]) -> Result<Vec<Target>, Box<dyn Error>> {
    let (with, by_hand) = (find(rows, "`with!`")?, find(rows, contestants::baseline().name)?);
    let mut targets = Vec::new();
    for (scenario, at_most) in [("ready", 1.3), ("pends", 1.3), ("nested", 1.3), ("polled", 1.1)] {
        let measured = of(&with.instructions, scenario)? / of(&by_hand.instructions, scenario)?;
        let what = format!("`with!`, instructions next to by hand with `catch_unwind`, {scenario}");
        targets.push(Target { what, measured, at_most });
    }
    for peer in AWAITING {
        let [_, measured, _] = of(&with.nanoseconds, "ready")?;
        let [_, at_most, _] = of(&find(rows, peer)?.nanoseconds, "ready")?;
        targets.push(Target { what: format!("`with!`, nanoseconds next to {peer}, ready"), measured, at_most });
    }
    targets.extend(bytes(with, by_hand)?);
    for (name, at_most) in [("`with!`", 0.0), ("`with!`, `shielded`", 1.0)] {
        let measured = of(&find(rows, name)?.allocations, "ready")?;
        targets.push(Target { what: format!("{name}, heap allocations, ready"), measured, at_most });
    }
    let expansion =
        |name| compiled.iter().find(|it| it.name == name).map(|it| it.expansion.least).ok_or("not compiled");
    let (measured, at_most) = (expansion("`with!`")?, expansion("`tokio::select!`")?);
    targets.push(Target {
        what: "milliseconds of expanding 40 managers and 100 `with!`s, next to 100 `select!`s".into(),
        measured: measured * 1000.0,
        at_most: at_most * 1000.0,
    });
    Ok(targets)
}

/// What a level adds is half of what two more levels add.
fn bytes(with: &Row, by_hand: &Row) -> Result<[Target; 2], Box<dyn Error>> {
    let more =
        |scenario| -> Result<f64, Box<dyn Error>> { Ok(of(&with.bytes, scenario)? - of(&by_hand.bytes, scenario)?) };
    let (ready, nested) = (more("ready")?, more("nested")?);
    Ok([
        Target { what: "`with!`, bytes more than by hand, ready".into(), measured: ready, at_most: 64.0 },
        Target {
            what: "`with!`, bytes more than by hand for each level".into(),
            measured: (nested - ready) / 2.0,
            at_most: 64.0,
        },
    ])
}

/// What the peers that were ahead take by the clock, in one sentence.
pub(crate) fn clock(rows: &[Row]) -> Result<String, Box<dyn Error>> {
    let ready = |name| Ok::<_, String>(nanoseconds(of(&find(rows, name)?.nanoseconds, "ready")?));
    Ok(format!(
        "Nanoseconds of a scope that is ready at once, in turns in one run (median and quartiles, default release profile): \
         {} with a `with!`, {} with `test-context`, {} with `context_manager`, {} by hand with `catch_unwind`, {} with a \
         `shielded` manager, and {} with an exit stack.\n",
        ready("`with!`")?,
        ready("test-context")?,
        ready("context_manager")?,
        ready(contestants::baseline().name)?,
        ready("`with!`, `shielded`")?,
        ready("`AsyncExitStack`")?,
    ))
}

fn of<T: Copy>(cells: &Cells<T>, scenario: &str) -> Result<T, String> {
    let column = Scenario::ALL.iter().position(|it| it.name() == scenario);
    column.and_then(|column| cells[column]).ok_or_else(|| format!("nothing is known of {scenario}"))
}
