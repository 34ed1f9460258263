//! Measures everything, and writes `results.md`, the charts beside it, and the pages that repeat parts of it.

use std::env::current_exe;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use crate::compile::{self, Compiled, Spread};
use crate::growth::{self, Series};
use crate::profile::Counts;
use crate::quotes::{self, passage};
use crate::row::{self, Cells, Row};
use crate::scenario::Scenario;
use crate::{chart, contestants, overhead, sizes, targets};

/// All that is measured.
pub(crate) struct Measured {
    pub(crate) profiles: Vec<(&'static str, Counts)>,
    pub(crate) rows: Vec<Row>,
    growth: Vec<Series>,
    pub(crate) compiled: Vec<Compiled>,
    pub(crate) depths: Vec<(&'static str, Vec<Spread>)>,
    pub(crate) clean: Vec<(&'static str, Spread)>,
    pub(crate) expansion: Vec<(&'static str, Spread)>,
    /// The load of the machine while the times were taken.
    load: String,
}

pub(crate) fn write() -> Result<(), Box<dyn Error>> {
    let measured = measure()?;
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.md");
    chart::instructions(&results.with_file_name("instructions.svg"), &measured.rows, measured.baseline()?)?;
    chart::growth(&results.with_file_name("growth.svg"), &measured.growth)?;
    let text = measured.text()?;
    fs::write(&results, &text)?;
    quotes::write(&text)?;
    let pictures = Command::new("cargo").args(["run", "--quiet", "-p", "guide", "--example", "pictures"]).status()?;
    if !pictures.success() {
        return Err("the pictures of the guide were not drawn".into());
    }
    println!("written: {}", results.display());
    Ok(())
}

fn measure() -> Result<Measured, Box<dyn Error>> {
    eprintln!("contestants");
    let mut rows = row::measure_all()?;
    let load = load()?;
    // They have another baseline, and are in the table of `forms_table`.
    rows.retain(|row| !row.name.ends_with(", in a scope"));
    rows.extend(row::measure_async_drop());
    rows.extend(row::measure_python());
    eprintln!("growth");
    let growth = growth::measure()?;
    eprintln!("compile times");
    let (compiled, depths) = (compile::measure()?, compile::measure_depth()?);
    let (clean, expansion) = (compile::measure_clean()?, compile::measure_expansion()?);
    eprintln!("profiles");
    // Last, because cargo puts the program without peers in the place of this one, which then can't start itself any more.
    let profiles = overhead::measure()?;
    Ok(Measured { profiles, rows, growth, compiled, depths, clean, expansion, load })
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

const OVERHEAD: &str = "
## What a scope costs

Instructions that each scope of a `with!` takes more than the same by hand with `catch_unwind`, counted by callgrind, and in
brackets how many times the instructions of the whole are. The resource is a number that nobody counts:

";

const REALISTIC: &str = "
For the resource of all tables below, which keeps books of what was acquired and released:

";

const FORMS: &str = "
How many times the instructions by hand the ways of this crate take in the default release profile. What is named `in a scope`
is in the block of a `cancel_scope`, and is compared with the same by hand in one:

";

const SIZES: &str = "
Bytes of futures with 4 KiB in them. All wait in the enter phase, in the block and in the exit phase:

";

impl Measured {
    fn baseline(&self) -> Result<&Row, String> {
        find(&self.rows, contestants::baseline().name)
    }

    fn text(&self) -> Result<String, Box<dyn Error>> {
        let mut text = format!("{HEAD}\n{}\n## In short\n\n{}", machine(), self.summary()?);
        text += OVERHEAD;
        text += &passage("trivial", &overhead::trivial_table(&self.profiles)?);
        text += REALISTIC;
        text += &passage("realistic", &overhead::realistic_table(&self.profiles)?);
        text += FORMS;
        text += &passage("forms", &overhead::forms_table(&self.profiles[0].1)?);
        text += "\n## Targets\n\nIn the default release profile, where no other is named. By hand is with `catch_unwind`.\n\n";
        text += &targets::table(self)?;
        self.scenarios(&mut text)?;
        text += SIZES;
        text += &passage("sizes", &sizes::table()?);
        self.notes(&mut text)?;
        text += "\n## Growth\n\n![](growth.svg)\n\nThe cost of each, by how many there are.\n";
        text += &passage("growth", &growth::tables(&self.growth)?);
        text += "\n## Compile time\n\n";
        text += &passage("compile time", &compile::tables(&self.compiled, &self.depths, &self.clean, &self.expansion)?);
        Ok(text)
    }

    /// The sentences that other pages repeat.
    fn summary(&self) -> Result<String, Box<dyn Error>> {
        let more = overhead::trivial_more(&self.profiles[0].1)?;
        let [Some(allocations), ..] = find(&self.rows, "`with!`")?.allocations else {
            return Err("not counted".into());
        };
        let instructions = format!(
            "a `with!` that is ready at once takes {more} instructions more than the same by hand with `catch_unwind` (default \
             release profile), and {allocations} heap allocations.\n"
        );
        Ok([
            passage("instructions", &instructions),
            passage("clock", &targets::clock(&self.rows)?),
            passage("compile", &compile::summary(&self.compiled)?),
        ]
        .join("\n"))
    }

    /// A table for each thing that is measured of all contestants.
    fn scenarios(&self, text: &mut String) -> Result<(), Box<dyn Error>> {
        let baseline = self.baseline()?;
        *text += "\n## Instructions\n\n![](instructions.svg)\n\nDefault release profile, in one program with all peers. In \
                 brackets: as multiples of those by hand with `catch_unwind`.\n\n";
        *text += &self.table(
            |row| &row.instructions,
            |scenario, value| match baseline.instructions[scenario] {
                Some(by_hand) => format!("{value:.0} ({:.2})", value / by_hand),
                None => format!("{value:.0}"),
            },
        )?;
        write!(
            text,
            "\n## Nanoseconds\n\nDefault release profile, by the clock: medians, and in brackets the quartiles. All but the last \
             two take turns of half a millisecond, 101 each. {}\n\n",
            self.load
        )?;
        *text += &self.table(|row| &row.nanoseconds, |_, value| nanoseconds(value))?;
        *text += "\n## Bytes of the future\n\n";
        *text += &self.table(|row| &row.bytes, |_, value| format!("{value:.0}"))?;
        *text += "\n## Heap allocations\n\n";
        *text += &self.table(|row| &row.allocations, |_, value| format!("{value:.0}"))?;
        Ok(())
    }

    /// A row for each contestant, a column for each scenario.
    fn table<T: Copy>(
        &self,
        cells: fn(&Row) -> &Cells<T>,
        show: impl Fn(usize, T) -> String,
    ) -> Result<String, Box<dyn Error>> {
        let names = Scenario::ALL.map(Scenario::name).join(" | ");
        let mut text = format!("| | {names} |\n|---|{}\n", "---:|".repeat(Scenario::ALL.len()));
        for row in self.rows.iter().filter(|row| cells(row).iter().any(Option::is_some)) {
            write!(text, "| {} |", row.name)?;
            for (scenario, cell) in cells(row).iter().enumerate() {
                write!(text, " {} |", cell.map_or("–".into(), |value| show(scenario, value)))?;
            }
            text.push('\n');
        }
        Ok(text)
    }

    fn notes(&self, text: &mut String) -> Result<(), Box<dyn Error>> {
        *text += "\n## Notes\n\n";
        for row in self.rows.iter().filter(|row| !row.note.is_empty()) {
            writeln!(text, "- {}: {}.", row.name, row.note)?;
        }
        Ok(())
    }
}

/// The median, and the other quartiles.
pub(crate) fn nanoseconds([lower, median, upper]: [f64; 3]) -> String {
    let digits = usize::from(median < 100.0);
    if lower < upper {
        format!("{median:.digits$} ({lower:.digits$}–{upper:.digits$})")
    } else {
        format!("{median:.digits$}")
    }
}

/// Returns the compiler and the processor, on which the numbers depend.
fn machine() -> String {
    let rustc = Command::new("rustc").arg("-V").output().map(|output| output.stdout).unwrap_or_default();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, model)| model);
    format!("{}, {cpu}.\n", String::from_utf8_lossy(&rustc).trim())
}

/// How busy the machine is.
fn load() -> Result<String, Box<dyn Error>> {
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().ok_or("no load")?;
    Ok(format!("The load of the machine was {load}, on {} cores.", available_parallelism()?))
}
