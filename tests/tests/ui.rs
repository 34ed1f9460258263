//! What users see when they make a mistake: each case in `ui/` beside the compiler's words, which are those of Rust 1.95.
//! (Those in `ui/generic-body` are mistakes of ours: ways to build this crate that the language does not have.)

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::path::PathBuf;

/// Each case is a run of the compiler: one in this many is tried, and all of them with `TESTS=all`.
const SAMPLE: usize = 4;

/// The entries of a folder, in order.
fn entries(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of cases");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    // Also when their expected words are written anew.
    if env::var_os("TESTS").is_some_and(|tests| tests == "all") || env::var_os("TRYBUILD").is_some() {
        return cases.compile_fail("ui/*/*.rs");
    }
    let files = entries(&"ui".into()).iter().filter(|folder| folder.is_dir()).flat_map(entries).collect::<Vec<_>>();
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files.step_by(SAMPLE).for_each(|file| cases.compile_fail(file));
}
