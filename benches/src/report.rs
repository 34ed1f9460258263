//! Measures everything, and writes `results.md` and the charts beside it.

use std::env::current_exe;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chart;
use crate::compile::{self, Compiled};
use crate::contestants;
use crate::growth::{self, Series};
use crate::row::{self, Cells, Row};
use crate::scenario::Scenario;
use crate::targets;

pub(crate) fn write() -> Result<(), Box<dyn Error>> {
    let mut rows = row::measure_all()?;
    rows.extend(row::measure_async_drop());
    rows.extend(row::measure_python());
    let growth = growth::measure()?;
    let compiled = compile::measure(&folder("compile-time")?)?;
    let baseline = find(&rows, contestants::baseline().name)?;
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.md");
    chart::instructions(&results.with_file_name("instructions.svg"), &rows, baseline)?;
    chart::growth(&results.with_file_name("growth.svg"), &growth)?;
    fs::write(&results, text(&rows, baseline, &growth, &compiled)?)?;
    println!("written: {}", results.display());
    Ok(())
}

/// A folder for this program beside itself.
pub(crate) fn folder(name: &str) -> io::Result<PathBuf> {
    Ok(current_exe()?.with_file_name(name))
}

pub(crate) fn find<'r>(rows: &'r [Row], name: &str) -> Result<&'r Row, String> {
    rows.iter().find(|row| row.name == name).ok_or_else(|| format!("{name} was not measured"))
}

const HEAD: &str = "# Results

Written by `cargo run --release -p benchmarks`. All acquire a resource, add to it in a block, and release it:

| scenario | what happens |
|---|---|
| ready | nothing waits |
| pends | the enter phase, the block and the exit phase wait once each |
| nested | three scopes, one in another |
| error | the block is left by `?` |
| panic | the block panics |
| dropped | the future is dropped while the block waits |
| polled | the block waits a thousand times |

Before anything is measured, it is asserted that all have acquired, added and released the same. `–`: the resource is
never released there, or this can't be measured.
";

fn text(rows: &[Row], baseline: &Row, growth: &[Series], compiled: &[Compiled]) -> Result<String, Box<dyn Error>> {
    let mut text = format!("{HEAD}\n{}", machine());
    writeln!(text, "\n## Targets\n\n{}", targets::table(rows, compiled)?)?;
    writeln!(
        text,
        "## Instructions\n\n![](instructions.svg)\n\nIn brackets: as multiples of those by hand with `catch_unwind`.\n"
    )?;
    let ratio = |scenario: usize, value: f64| match baseline.instructions[scenario] {
        Some(by_hand) => format!("{value:.0} ({:.2})", value / by_hand),
        None => format!("{value:.0}"),
    };
    text += &table(rows, |row| &row.instructions, ratio)?;
    text += "\n## Nanoseconds\n\nMedians; they depend on the machine and on what else it does.\n\n";
    text += &table(
        rows,
        |row| &row.nanoseconds,
        |_, value| if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") },
    )?;
    text += "\n## Bytes of the future\n\n";
    text += &table(rows, |row| &row.bytes, |_, value| format!("{value:.0}"))?;
    text += "\n## Heap allocations\n\n";
    text += &table(rows, |row| &row.allocations, |_, value| format!("{value:.0}"))?;
    text += "\n## Notes\n\n";
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        writeln!(text, "- {}: {}.", row.name, row.note)?;
    }
    writeln!(text, "\n## Growth\n\n![](growth.svg)\n\nThe cost of each, by how many there are.\n")?;
    text += &growth_tables(growth)?;
    writeln!(text, "\n## Compile time\n\n{}", compile_table(compiled)?)?;
    Ok(text)
}

/// A row for each contestant, a column for each scenario.
fn table(
    rows: &[Row],
    cells: fn(&Row) -> &Cells,
    show: impl Fn(usize, f64) -> String,
) -> Result<String, Box<dyn Error>> {
    let names = Scenario::ALL.map(Scenario::name).join(" | ");
    let mut text = format!("| | {names} |\n|---|{}\n", "---:|".repeat(Scenario::ALL.len()));
    for row in rows.iter().filter(|row| cells(row).iter().any(Option::is_some)) {
        write!(text, "| {} |", row.name)?;
        for (scenario, cell) in cells(row).iter().enumerate() {
            write!(text, " {} |", cell.map_or("–".into(), |value| show(scenario, value)))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// A table for each thing that there are more and more of.
fn growth_tables(series: &[Series]) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for of_one in series.chunk_by(|a, b| a.more_of == b.more_of) {
        let numbers: Vec<_> = of_one[0].points.iter().map(|(number, _)| number.to_string()).collect();
        writeln!(text, "| {} | {} |\n|---|{}", of_one[0].more_of, numbers.join(" | "), "---:|".repeat(numbers.len()))?;
        for it in of_one {
            let costs: Vec<_> = it.points.iter().map(|(_, cost)| format!("{cost:.0}")).collect();
            writeln!(text, "| {}, {} | {} |", it.name, it.unit, costs.join(" | "))?;
        }
        text.push('\n');
    }
    Ok(text)
}

const COMPILE: &str =
    "A crate with 200 managers and 500 scopes, or with 500 `tokio::select!`s; without its dependencies.

| | check | of that, macros | debug build | release build | lines for LLVM | lines when expanded |
|---|---:|---:|---:|---:|---:|---:|
";

fn compile_table(compiled: &[Compiled]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from(COMPILE);
    for Compiled { name, times: [check, debug, release], expansion, llvm_lines, expanded_lines } in compiled {
        write!(text, "| {name} | {check:.2} s | {expansion:.2} s | {debug:.2} s | {release:.2} s ")?;
        writeln!(text, "| {llvm_lines} | {expanded_lines} |")?;
    }
    Ok(text)
}

/// What the numbers depend on.
fn machine() -> String {
    let rustc = Command::new("rustc").arg("-V").output().map(|output| output.stdout).unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, model)| model);
    format!("{}, {cpu}.\n", String::from_utf8_lossy(&rustc).trim())
}
