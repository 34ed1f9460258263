//! Coverage counts the lines of manager functions and of blocks. The program is `examples/covered.rs`.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = "covered";

/// Builds the program for coverage. Returns the path of its MIR.
fn build() -> PathBuf {
    let mir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("covered.mir");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["rustc", "--offline", "-p", "tests", "--example", PROGRAM, "--", "-Cinstrument-coverage"]);
    cargo.arg(format!("--emit=mir={}", mir.display()));
    succeed(&mut cargo);
    mir
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// How often each line of the program runs, as its comments say.
fn expected() -> BTreeMap<usize, u64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/covered.rs");
    let text = fs::read_to_string(path).expect("the program");
    let count = |line: &str| line.rsplit_once("// ")?.1.parse().ok();
    text.lines().zip(1..).filter_map(|(line, number)| Some((number, count(line)?))).collect()
}

/// Returns the lines of the program that are counted.
///
/// Input:  `coverage Code { bcb: bcb0 } => tests/examples/covered.rs:10:1: 10:37 (#0);`
fn counted(mir: &str) -> BTreeSet<usize> {
    let lines = mir.lines().filter(|line| line.trim_start().starts_with("coverage Code"));
    let line = |place: &str| place.split(':').next()?.parse().ok();
    let regions = lines.filter_map(|region| {
        let (from, to) = region.rsplit_once("covered.rs:")?.1.split_once(": ")?;
        Some(line(from)?..=line(to)?)
    });
    regions.flatten().collect()
}

#[test]
fn every_line_is_counted() {
    let mir = fs::read_to_string(build()).expect("the MIR");
    let counted = counted(&mir);
    let missing: Vec<_> = expected().into_keys().filter(|line| !counted.contains(line)).collect();
    assert!(missing.is_empty(), "lines {missing:?} of examples/covered.rs are not counted");
}

/// The folders that may have the tools that read the profile: none for `PATH`, and those of `rustup` and of Debian.
fn tool_folders() -> Vec<PathBuf> {
    let rustc = |arguments: &[&str]| {
        let output = succeed(Command::new("rustc").args(arguments));
        String::from_utf8(output.stdout).expect("it is text")
    };
    let version = rustc(&["-vV"]);
    let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let major = field("LLVM version: ").split('.').next().unwrap_or_default();
    let sysroot = rustc(&["--print", "sysroot"]);
    let component = Path::new(sysroot.trim()).join("lib/rustlib").join(field("host: ")).join("bin");
    vec![PathBuf::new(), component, format!("/usr/lib/llvm-{major}/bin").into()]
}

/// Returns how often each line of the program ran, or `None` if there are no tools that read this version of the profile.
fn counts(program: &Path, profile: &Path) -> Option<BTreeMap<usize, u64>> {
    let merged = profile.with_extension("profdata");
    let merge = |folder: &PathBuf| {
        let mut tool = Command::new(folder.join("llvm-profdata"));
        let output = tool.args(["merge", "-sparse"]).arg(profile).arg("-o").arg(&merged).output();
        output.is_ok_and(|output| output.status.success())
    };
    let folder = tool_folders().into_iter().find(merge)?;
    let mut tool = Command::new(folder.join("llvm-cov"));
    tool.args(["export", "-format=lcov", "-instr-profile"]).arg(&merged).arg(program);
    let report = String::from_utf8(succeed(&mut tool).stdout).expect("it is text");
    let count = |line: &str| {
        let (line, count) = line.strip_prefix("DA:")?.split_once(',')?;
        Some((line.parse().ok()?, count.parse().ok()?))
    };
    Some(report.lines().filter_map(count).collect())
}

#[test]
fn counts_are_right() {
    build();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.with_file_name("debug/examples").join(format!("{PROGRAM}{EXE_SUFFIX}"));
    let profile = folder.join("covered.profraw");
    succeed(Command::new(&program).env("LLVM_PROFILE_FILE", &profile));
    let Some(counts) = counts(&program, &profile) else {
        return eprintln!("skipped: there is no `llvm-profdata` for the LLVM of this rustc");
    };
    let counted: BTreeMap<_, _> = expected().keys().filter_map(|line| Some((*line, *counts.get(line)?))).collect();
    assert_eq!(counted, expected());
}
