//! Fresh programs, which the Python that is found here runs first.

#![forbid(unsafe_code)]

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use conformance::{Mode, Replay, Way, silence_lawless};

/// What Python prints, if it is there and ends well.
fn python(arguments: &[&str]) -> Option<String> {
    let output = Command::new("python3").args(arguments).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("python3 {arguments:?}: {said}");
        return None;
    }
    Some(String::from_utf8(output.stdout).expect("it prints text"))
}

/// Whether it is one that closes a generator that has yielded twice: so does the script's Python, and each since.
fn is_recent_enough() -> bool {
    let version = python(&["-c", "import sys; print(sys.implementation.name, *sys.version_info[:3])"]);
    let Some(version) = version else {
        println!("no python3: no fresh programs are compared");
        return false;
    };
    let words: Vec<_> = version.split_whitespace().collect();
    let numbers: Vec<u32> = words[1..].iter().map(|word| word.parse().expect("it is a number")).collect();
    let recent = words[0] == "cpython" && numbers >= vec![3, 11, 7];
    println!("{version}{}", if recent { "" } else { "is no CPython 3.11.7 or later: no fresh programs are compared" });
    recent
}

/// The seed of the programs, by which a failure is repeated.
fn seed() -> String {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs().to_string();
    let seed = env::var("CONFORMANCE_SEED").unwrap_or_else(|_| now());
    println!("CONFORMANCE_SEED={seed}");
    seed
}

/// How many programs of each kind.
fn count() -> usize {
    env::var("CONFORMANCE_COUNT").map_or(200, |count| count.parse().expect("CONFORMANCE_COUNT is a number"))
}

/// What the generator prints.
fn generate(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/gen_traces.py");
    python(&[&[script], arguments].concat()).expect("it generates")
}

/// Compares programs in each mode, and each of their drops in one of the ways. Where managers mean to stop panics,
/// `refused` are the same programs without that.
fn compare(name: &str, text: &str, refused: Option<&str>) {
    let stacks = name == "stack";
    let ways = if stacks { Way::SYNC_STACKS.to_vec() } else { Way::SYNC.to_vec() };
    let shielded = if stacks { Way::detached_on_stacks() } else { Way::detached() };
    let on_stacks = if stacks { Way::detached_stacks() } else { Way::statements_on_detached_stacks() };
    for (mode, ways) in [(Mode::Sync, ways), (Mode::Detached, shielded), (Mode::DetachedStacks, on_stacks)] {
        let fresh = |text| Replay::fresh(&format!("{name}, {mode:?}"), text, mode);
        let (as_in_python, by_rule) = match refused {
            Some(refused) => fresh(text).with_panics_refused(fresh(refused)).run(&ways),
            None => fresh(text).run(&ways),
        };
        assert_eq!(as_in_python + by_rule, count());
        assert!(fresh(refused.unwrap_or(text)).drop_everywhere(&ways, ways.len()) > count());
    }
}

#[test]
fn fresh_programs_are_as_in_the_python_that_is_found() {
    if !is_recent_enough() {
        return;
    }
    silence_lawless();
    let (seed, count) = (seed(), count().to_string());
    let fresh = |kind| generate(&["--kind", kind, "--seed", &seed, "--count", &count]);
    for kind in ["with", "stack", "proto"] {
        compare(kind, &fresh(kind), None);
    }
    let panics = fresh("panic");
    let file = format!("{}/panics.jsonl", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, &panics).expect("it is written");
    let out = format!("{}/refused.jsonl", env!("CARGO_TARGET_TMPDIR"));
    generate(&["--refuse-panics", &file, "-o", &out]);
    let refused = fs::read_to_string(&out).expect("it has been written");
    compare("panic", &panics, Some(&refused));
}
