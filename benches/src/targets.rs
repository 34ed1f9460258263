//! The targets of the crate, and whether it reaches them.

use std::error::Error;
use std::fmt::Write;

use crate::compile::{Compiled, lines_of_one};
use crate::guard::float;
use crate::report::{Measured, find, nanoseconds};
use crate::row::{Cells, Row};
use crate::scenario::Scenario;
use crate::{contestants, trivial};

/// The peers that await their cleanup.
const AWAITING: [&str; 5] = ["context_manager", "test-context", "async-safe-defer", "async-stream", "fauxgen"];

/// A number and what it may be at most.
struct Target {
    what: String,
    measured: f64,
    at_most: f64,
}

impl Target {
    fn new(what: impl Into<String>, at_most: f64, measured: f64) -> Self {
        Self { what: what.into(), measured, at_most }
    }
}

/// A table of all targets.
pub(crate) fn table(measured: &Measured) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("| | at most | measured | |\n|---|---:|---:|---|\n");
    let all =
        [instructions(measured)?, clock_targets(&measured.rows)?, memory(&measured.rows)?, compile_time(measured)?];
    for Target { what, measured, at_most } in all.into_iter().flatten() {
        let verdict = if measured <= at_most { "reached" } else { "**not reached**" };
        writeln!(text, "| {what} | {at_most:.2} | {measured:.2} | {verdict} |")?;
    }
    Ok(text)
}

fn instructions(measured: &Measured) -> Result<Vec<Target>, Box<dyn Error>> {
    let (_, release) = measured.profiles.first().ok_or("no profile")?;
    let trivial =
        |name| Ok::<_, String>(release.get(name, "instructions")?.iter().copied().map(float).collect::<Vec<_>>());
    let (with, by_hand) = (trivial(trivial::WITH)?, trivial(trivial::BY_HAND)?);
    let mut targets = vec![
        Target::new("instructions more than by hand, ready, trivial resource", 95.0, with[0] - by_hand[0]),
        Target::new("instructions next to by hand, three nested, ready, trivial resource", 2.0, with[2] / by_hand[2]),
        Target::new(
            "instructions next to by hand, three nested that wait, trivial resource",
            2.0,
            with[3] / by_hand[3],
        ),
    ];
    for (profile, counts) in &measured.profiles {
        let polled = |name| Ok::<_, String>(float(counts.get(name, "instructions")?[Scenario::Polled as usize]));
        let ratio = polled("`with!`")? / polled(contestants::baseline().name)?;
        targets.push(Target::new(format!("instructions next to by hand, polled, {profile}"), 1.0, ratio));
    }
    Ok(targets)
}

fn clock_targets(rows: &[Row]) -> Result<Vec<Target>, Box<dyn Error>> {
    let median = |name| Ok::<_, String>(of(&find(rows, name)?.nanoseconds, "ready")?[1]);
    let next_to =
        |peer| Ok(Target::new(format!("nanoseconds next to {peer}, ready"), median(peer)?, median("`with!`")?));
    AWAITING.into_iter().map(next_to).collect()
}

/// The bytes that one level adds are half of those that two more levels add.
fn memory(rows: &[Row]) -> Result<Vec<Target>, Box<dyn Error>> {
    let (with, by_hand) = (find(rows, "`with!`")?, find(rows, contestants::baseline().name)?);
    let more = |scenario| Ok::<_, String>(of(&with.bytes, scenario)? - of(&by_hand.bytes, scenario)?);
    let (ready, nested) = (more("ready")?, more("nested")?);
    let allocations = |name| of(&find(rows, name)?.allocations, "ready");
    Ok(vec![
        Target::new("bytes more than by hand, ready", 56.0, ready),
        Target::new("bytes more than by hand for each level", 56.0, (nested - ready) / 2.0),
        Target::new("heap allocations, ready", 0.0, allocations("`with!`")?),
        Target::new("heap allocations, `shielded`, ready", 1.0, allocations("`with!`, `shielded`")?),
    ])
}

fn compile_time(measured: &Measured) -> Result<Vec<Target>, Box<dyn Error>> {
    let [nothing, by_hand, with, _] = &measured.compiled[..] else { return Err("other crates than expected".into()) };
    let seconds = |it: &Compiled, build: usize| it.cpu[build].median;
    let lines = |it| float(lines_of_one(it, nothing) as u64);
    let [(_, with_depths), _] = &measured.depths[..] else { return Err("other depths than expected".into()) };
    let [(_, own_with), (_, own_attribute), (_, select)] = &measured.expansion[..] else {
        return Err("other macros than expected".into());
    };
    let [(_, ours), (_, tokio_macros), _] = &measured.clean[..] else { return Err("other crates".into()) };
    let deepest = with_depths.last().ok_or("no depth")?.median;
    Ok(vec![
        Target::new("debug build of 100 uses, next to by hand", 1.5, seconds(with, 1) / seconds(by_hand, 1)),
        Target::new("release build of 100 uses, next to by hand", 1.5, seconds(with, 2) / seconds(by_hand, 2)),
        Target::new("LLVM lines of a use, next to by hand", 1.3, lines(with) / lines(by_hand)),
        Target::new("release build of a use at depth 8, next to depth 1", 1.2, deepest / with_depths[0].median),
        Target::new("expansion of a `with!`, next to a `select!`", 1.0, own_with.median / select.median),
        Target::new("expansion of an attribute, next to a `select!`", 1.0, own_attribute.median / select.median),
        Target::new("clean build, next to `tokio-macros`", 1.0, ours.median / tokio_macros.median),
    ])
}

/// Returns a sentence with the times of `with!` and of the peers that are close to it.
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
