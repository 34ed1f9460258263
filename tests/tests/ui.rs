//! What users see when they make a mistake: each case in `ui/` beside the compiler's words, which are those of Rust 1.95.
//! (Those in `ui/generic-body` are mistakes of ours: ways to build this crate that the language does not have.)

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each case is a run of the compiler: one in this many is tried, and all of them with `TESTS=all`.
const SAMPLE: usize = 4;

/// The entries of a folder, in order.
fn entries(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of cases");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}

/// In these, `rustc` shows lines of `std` if the component `rust-src` is there. rust-analyzer installs it.
const WITHOUT_RUST_SRC: [&str; 2] = ["ui/shielded/not-send.rs", "ui/signature/body-type.rs"];

fn has_rust_src() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = Command::new(rustc).args(["--print", "sysroot"]).output().expect("rustc runs");
    let sysroot = String::from_utf8(printed.stdout).expect("a path");
    Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library").exists()
}

#[test]
fn ui() {
    // All of them also when their expected words are written anew.
    let is_all = env::var_os("TESTS").is_some_and(|tests| tests == "all") || env::var_os("TRYBUILD").is_some();
    let has_rust_src = has_rust_src();
    let cases = trybuild::TestCases::new();
    entries(&"ui".into())
        .iter()
        .filter(|folder| folder.is_dir())
        .flat_map(entries)
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter(|file| !has_rust_src || !WITHOUT_RUST_SRC.iter().any(|without| file.ends_with(without)))
        .step_by(if is_all { 1 } else { SAMPLE })
        .for_each(|file| cases.compile_fail(file));
}
