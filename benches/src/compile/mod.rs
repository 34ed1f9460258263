//! Measures builds of three crates: one with 100 `with!`s, one with the same by hand, and one with 100 `tokio::select!`s.

#[cfg(feature = "full")]
mod builds;
mod rustc;
mod source;
#[cfg(feature = "full")]
mod table;

use std::env::current_exe;
use std::error::Error;
use std::io;
use std::path::PathBuf;

use source::{Amount, BY_HAND, EMPTY, Source, WITH};
#[cfg(feature = "full")]
pub(crate) use {
    builds::{Compiled, Spread, measure, measure_clean, measure_depth, measure_expansion},
    table::{lines_of_one, summary, tables},
};

const USES: Amount = Amount { managers: 40, functions: 100, depth: 1 };
const NO_USES: Amount = Amount { managers: 0, functions: 0, depth: 1 };

/// How many times the lines for LLVM of 100 by hand 100 `with!`s have, without those of a crate with neither.
pub(crate) fn llvm_ratio() -> Result<f64, Box<dyn Error>> {
    let folder = folder()?;
    let lines = |source: Source, amount| rustc::llvm_lines(&source.write(&folder, amount)?);
    let (nothing, by_hand, with) = (lines(EMPTY, NO_USES)?, lines(BY_HAND, USES)?, lines(WITH, USES)?);
    Ok(more(with, nothing) / more(by_hand, nothing))
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn more(lines: usize, nothing: usize) -> f64 {
    (lines - nothing) as f64
}

/// A folder for the crates, beside this program.
fn folder() -> io::Result<PathBuf> {
    Ok(current_exe()?.with_file_name("compile-time"))
}
