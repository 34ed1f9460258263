//! Runs the compiler, and measures what it takes.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// The CPU time and the output of one run of cargo.
pub(super) struct Taken {
    /// The user CPU time of cargo and its child processes, in seconds.
    pub(super) cpu: f64,
    pub(super) output: String,
}

/// Compiles the crate once more, without its dependencies.
pub(super) fn rustc(package: &Path, profile: &str, args: &[&str]) -> Result<Taken, Box<dyn Error>> {
    let cargo = [&["rustc", "--quiet", profile, "--"], args].concat();
    fs::File::options().append(true).open(package.join("src/main.rs"))?.set_modified(SystemTime::now())?;
    self::cargo(package, &package.with_file_name("target"), &cargo)
}

/// Runs cargo in the folder of a package.
pub(super) fn cargo(package: &Path, target: &Path, args: &[&str]) -> Result<Taken, Box<dyn Error>> {
    let before = cpu_of_children()?;
    let output = Command::new("cargo")
        .args(args)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0") // or all but the first run would find their work done
        .env("RUSTC_BOOTSTRAP", "1") // for the options that only nightly has
        .output()?;
    let cpu = cpu_of_children()? - before;
    let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    if output.status.success() { Ok(Taken { cpu, output: text }) } else { Err(text.into()) }
}

/// The user CPU time of all child processes that have ended: `cutime` of proc(5), which is in hundredths of a second.
fn cpu_of_children() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, which may have spaces. `cutime` is the 16th.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).ok_or("no name")?;
    let ticks: f64 = fields.split_whitespace().nth(13).ok_or("no cutime")?.parse()?;
    Ok(ticks / 100.0)
}

/// Lines of LLVM IR that LLVM is given in a debug build, before it optimizes: those of functions, which are indented.
pub(super) fn llvm_lines(package: &Path) -> Result<usize, Box<dyn Error>> {
    let ir = package.join("main.ll");
    let emit = format!("--emit=llvm-ir={}", ir.display());
    rustc(package, "--profile=dev", &["-Cno-prepopulate-passes", "-Ccodegen-units=1", "-Cdebuginfo=0", &emit])?;
    Ok(fs::read_to_string(ir)?.lines().filter(|line| line.starts_with("  ")).count())
}

/// Compiles the crate for a release, without symbols: seconds.
pub(super) fn release(package: &Path) -> Result<f64, Box<dyn Error>> {
    Ok(rustc(package, "--profile=release", &["-Cstrip=symbols"])?.cpu)
}

/// The size of the program that [`release`] has made: bytes.
pub(super) fn release_size(package: &Path) -> Result<u64, Box<dyn Error>> {
    let name = package.file_name().ok_or("no name")?;
    Ok(fs::metadata(package.with_file_name("target").join("release").join(name))?.len())
}

/// A debug build of the crate and of its dependencies: seconds.
pub(super) fn clean_build(package: &Path) -> Result<f64, Box<dyn Error>> {
    let target = package.join("target");
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    Ok(cargo(package, &target, &["build", "--quiet"])?.cpu)
}

/// The source when the macros are expanded: lines.
pub(super) fn expanded_lines(package: &Path) -> Result<usize, Box<dyn Error>> {
    Ok(rustc(package, "--profile=check", &["-Zunpretty=expanded"])?.output.lines().count())
}

/// Returns the time that the expansion of macros takes, in seconds by the clock.
pub(super) fn expansion(package: &Path) -> Result<f64, Box<dyn Error>> {
    seconds(&rustc(package, "--profile=check", &["-Ztime-passes"])?.output, "macro_expand_crate")
}

/// The seconds in a line such as `time:   0.055; rss:   41MB ->   49MB (   +8MB)  macro_expand_crate`.
fn seconds(passes: &str, pass: &str) -> Result<f64, Box<dyn Error>> {
    let line = passes.lines().find(|line| line.split_whitespace().last() == Some(pass)).ok_or("no such pass")?;
    let time = line.strip_prefix("time:").and_then(|rest| rest.split(';').next()).ok_or("no time")?;
    Ok(time.trim().parse()?)
}
