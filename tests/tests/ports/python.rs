//! Compares `traces.txt` with what the Python that is found here says now.

use std::process::Command;

use super::compare::TRACES;

/// What Python prints, if it is there and ends well.
fn python(arguments: &[&str]) -> Option<String> {
    let output = Command::new("python3").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).expect("it prints text"))
}

/// Whether it is a `CPython` with `asyncio.timeout`.
fn is_recent_enough() -> bool {
    let script = "import sys; print(sys.implementation.name == 'cpython' and sys.version_info >= (3, 11))";
    python(&["-c", script]).is_some_and(|answer| answer.trim() == "True")
}

#[test]
fn traces_are_those_of_the_python_that_is_found() {
    if !is_recent_enough() {
        println!("no python3 that is CPython 3.11 or later: traces.txt is not compared");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ports/ports.py");
    let said = python(&[script]).expect("ports.py ends well");
    for (now, stored) in said.lines().zip(TRACES.lines()) {
        assert_eq!(now, stored);
    }
    assert_eq!(said.lines().count(), TRACES.lines().count());
}
