//! What `cargo clippy --fix` makes of a program full of `with!`s prints the same as before.

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs cargo in a package with its own target folder.
fn cargo(package: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(package).env("CARGO_TARGET_DIR", package.join("target")).args(args);
    command.output().expect("there is a cargo")
}

/// Makes a package of the program that is to be fixed.
fn write_package(package: &Path) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runtime = tests.with_file_name("runtime");
    let manifest = format!(
        "[package]\nname = 'program'\nversion = '0.0.0'\nedition = '2024'\n\n\
         [dependencies]\nasync-context-manager.path = '{}'\n\n[workspace]\n",
        runtime.display()
    );
    fs::create_dir_all(package.join("src")).expect("a folder for the package");
    fs::write(package.join("Cargo.toml"), manifest).expect("a manifest");
    // The versions that are here already.
    fs::copy(tests.with_file_name("Cargo.lock"), package.join("Cargo.lock")).expect("a lock file");
    fs::copy(tests.join("tests/fixes/program.rs"), package.join("src/main.rs")).expect("the program");
}

/// What the program prints.
fn printed(package: &Path) -> String {
    let output = cargo(package, &["run", "--offline", "--quiet"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn fixed_program_prints_the_same() {
    if env::var_os("TESTS").is_none_or(|tests| tests != "all") {
        return eprintln!("skipped: it builds the crate anew; `TESTS=all` runs it");
    }
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixes");
    write_package(&package);
    let before = printed(&package);
    let fix = cargo(&package, &["clippy", "--fix", "--offline", "--allow-no-vcs"]);
    let messages = String::from_utf8_lossy(&fix.stderr);
    if messages.contains("is not installed") {
        return eprintln!("skipped: there is no `clippy`");
    }
    assert!(fix.status.success() && messages.contains("Fixed"), "{messages}");
    assert!(!messages.contains("after fixes were automatically applied"), "a fix was wrong: {messages}");
    assert_eq!(printed(&package), before);
}
