//! CPU seconds of builds.

use std::error::Error;
use std::path::{Path, PathBuf};

use super::source::{self, Amount, BY_HAND, Dependency, EMPTY, SELECT, TOKIO, WITH};
use super::{NO_USES, USES, folder, rustc};

/// How often each build is done.
const TURNS: usize = 3;

/// The least and the most of several runs, and the one in the middle.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(super) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self { least: change(self.least), median: change(self.median), most: change(self.most) }
    }
}

/// One of the crates.
pub(crate) struct Compiled {
    pub(crate) name: &'static str,
    /// `cargo check`, a debug build and a release build, without the dependencies: seconds of the CPU.
    pub(crate) cpu: [Spread; 3],
    pub(crate) llvm_lines: usize,
    pub(crate) program_size: u64,
    pub(crate) expanded_lines: usize,
}

/// Compiles the crates, the empty one first.
pub(crate) fn measure() -> Result<Vec<Compiled>, Box<dyn Error>> {
    let folder = folder()?;
    let sources = [(EMPTY, NO_USES), (BY_HAND, USES), (WITH, USES), (SELECT, USES)];
    let packages: Vec<_> =
        sources.iter().map(|(source, amount)| source.write(&folder, *amount)).collect::<Result<_, _>>()?;
    let [check, debug] = ["--profile=check", "--profile=dev"]
        .map(|profile| by_turns(&packages, |package| Ok(rustc::rustc(package, profile, &[])?.cpu)));
    let (check, debug) = (check?, debug?);
    let release = by_turns(&packages, rustc::release)?;
    let compiled = packages.iter().enumerate().map(|(at, package)| {
        Ok(Compiled {
            name: sources[at].0.name,
            cpu: [check[at], debug[at], release[at]],
            llvm_lines: rustc::llvm_lines(package)?,
            program_size: rustc::release_size(package)?,
            expanded_lines: rustc::expanded_lines(package)?,
        })
    });
    compiled.collect()
}

/// Milliseconds by the clock that the expansion of one macro takes.
pub(crate) fn measure_expansion() -> Result<Vec<(&'static str, Spread)>, Box<dyn Error>> {
    let folder = folder()?;
    let managers = Amount { functions: 0, ..USES };
    let sources = [(EMPTY, NO_USES), (WITH, managers), (WITH, USES), (SELECT, USES)];
    let packages: Vec<_> =
        sources.iter().map(|(source, amount)| source.write(&folder, *amount)).collect::<Result<_, _>>()?;
    let [nothing, managers, with, select] = by_turns(&packages, rustc::expansion)?[..] else {
        unreachable!("four crates")
    };
    let of_one = |spread: Spread, less: Spread, number: usize| {
        spread
            .map(|seconds| (seconds - less.median) * 1000.0 / f64::from(u32::try_from(number).expect("a small number")))
    };
    Ok(vec![
        (WITH.name, of_one(with, managers, USES.functions)),
        ("`#[async_context_manager]`", of_one(managers, nothing, USES.managers)),
        (SELECT.name, of_one(select, nothing, USES.functions)),
    ])
}

/// How deep uses are nested in the functions of a crate.
pub(crate) const DEPTHS: [usize; 4] = [1, 2, 4, 8];

/// CPU seconds of a release build for each of so many uses, by how deep they are nested; less those of an empty crate.
pub(crate) fn measure_depth() -> Result<Vec<(&'static str, Vec<Spread>)>, Box<dyn Error>> {
    const USES: u32 = 24;
    let folder = folder()?;
    let mut packages = vec![EMPTY.write(&folder, NO_USES)?];
    for depth in DEPTHS {
        for source in [WITH, BY_HAND] {
            packages.push(source.write(&folder, Amount { managers: 8, functions: USES as usize / depth, depth })?);
        }
    }
    let spreads = by_turns(&packages, rustc::release)?;
    let of_one = |spread: Spread| spread.map(|seconds| (seconds - spreads[0].median) / f64::from(USES));
    let of = |at| spreads[1..].iter().skip(at).step_by(2).copied().map(of_one).collect();
    Ok(vec![(WITH.name, of(0)), (BY_HAND.name, of(1))])
}

/// CPU seconds of a build from nothing of a crate that depends on this one, and of those that depend on tokio's macros.
pub(crate) fn measure_clean() -> Result<Vec<(&'static str, Spread)>, Box<dyn Error>> {
    let folder = folder()?;
    let crates = [
        ("`async-context-manager`", "clean-ours", Dependency::Ours),
        ("`tokio-macros`", "clean-tokio-macros", Dependency::Other("tokio-macros = \"2\"")),
        ("`tokio`, with its macros", "clean-tokio", TOKIO),
    ];
    let packages: Vec<_> = crates
        .iter()
        .map(|(_, package, dependency)| source::write(&folder, package, &[*dependency], "fn main() {}\n"))
        .collect::<Result<_, _>>()?;
    let spreads = by_turns(&packages, rustc::clean_build)?;
    Ok(crates.into_iter().map(|(name, ..)| name).zip(spreads).collect())
}

/// Measures each package several times. They take turns, as the machine is not equally busy all the time.
fn by_turns(
    packages: &[PathBuf],
    measure: impl Fn(&Path) -> Result<f64, Box<dyn Error>>,
) -> Result<Vec<Spread>, Box<dyn Error>> {
    measure(&packages[0])?; // compiles the dependencies, which are those of all
    let mut all = vec![Vec::new(); packages.len()];
    for _ in 0..TURNS {
        for (package, all) in packages.iter().zip(&mut all) {
            all.push(measure(package)?);
        }
    }
    Ok(all.into_iter().map(spread).collect())
}

fn spread(mut all: Vec<f64>) -> Spread {
    all.sort_by(f64::total_cmp);
    Spread { least: all[0], median: all[all.len() / 2], most: all[all.len() - 1] }
}
