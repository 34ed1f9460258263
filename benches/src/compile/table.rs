//! The tables of the compile times.

use std::error::Error;
use std::fmt::Write;

use super::USES;
use super::builds::{Compiled, DEPTHS, Spread};

/// All tables, with what they say.
pub(crate) fn tables(
    compiled: &[Compiled],
    depths: &[(&str, Vec<Spread>)],
    clean: &[(&str, Spread)],
    expansion: &[(&str, Spread)],
) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "A crate with {} managers and {} uses of them, or with {} `tokio::select!`s; without its dependencies.\n\
         CPU seconds of cargo and all that it starts, not incremental: the median, and in brackets the least and the most.\n\n",
        USES.managers, USES.functions, USES.functions
    );
    text += &of_crates(compiled)?;
    let numbers = DEPTHS.map(|depth| depth.to_string()).join(" | ");
    write!(
        text,
        "\nA release build, without what an empty crate takes: CPU milliseconds for each use, by how deep they are nested in a \
         function.\n\n| | {numbers} |\n|---|{}\n",
        "---:|".repeat(DEPTHS.len())
    )?;
    for (name, spreads) in depths {
        let cells: Vec<_> = spreads.iter().map(|spread| show(spread.map(|seconds| seconds * 1000.0), 0)).collect();
        writeln!(text, "| {name} | {} |", cells.join(" | "))?;
    }
    text +=
        "\nA debug build from nothing, of a crate that only depends on this one:\n\n| | CPU seconds |\n|---|---:|\n";
    for (name, spread) in clean {
        writeln!(text, "| {name} | {} |", show(*spread, 1))?;
    }
    text += "\nThe expansion of one macro, without what an empty crate takes:\n\n| | milliseconds by the clock |\n|---|---:|\n";
    for (name, spread) in expansion {
        writeln!(text, "| {name} | {} |", show(*spread, 2))?;
    }
    Ok(text)
}

fn of_crates(compiled: &[Compiled]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from(
        "| | check | debug build | release build | LLVM lines, debug | program, release | lines when expanded \
         |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for it in compiled {
        let [check, debug, release] = it.cpu.map(|spread| show(spread, 2));
        write!(text, "| {} | {check} | {debug} | {release} ", it.name)?;
        writeln!(text, "| {} | {} KiB | {} |", it.llvm_lines, it.program_size / 1024, it.expanded_lines)?;
    }
    Ok(text)
}

fn show(Spread { least, median, most }: Spread, digits: usize) -> String {
    format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
}

/// One sentence on the first table.
pub(crate) fn summary(compiled: &[Compiled]) -> Result<String, Box<dyn Error>> {
    let [nothing, by_hand, with, select] = compiled else { return Err("other crates than expected".into()) };
    let seconds = |it: &Compiled| it.cpu.map(|spread| format!("{:.1}", spread.median)).join(", ");
    Ok(format!(
        "`cargo check`, a debug and a release build of a crate with {} managers and {} `with!`s took {} seconds of the CPU, next to \
         {} with the same by hand with `catch_unwind`, and {} with {} `tokio::select!`s. LLVM is given {} lines for each `with!`, \
         and {} for each scope by hand.\n",
        USES.managers,
        USES.functions,
        seconds(with),
        seconds(by_hand),
        seconds(select),
        USES.functions,
        lines_of_one(with, nothing),
        lines_of_one(by_hand, nothing),
    ))
}

/// The lines for LLVM of one use.
pub(crate) fn lines_of_one(it: &Compiled, nothing: &Compiled) -> usize {
    (it.llvm_lines - nothing.llvm_lines) / USES.functions
}
