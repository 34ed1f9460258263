//! Instructions, counted by callgrind: the program runs itself under it, and is given one count for each call of
//! [`counted`]. They are the same in every run.

use std::env::{current_exe, temp_dir};
use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{self, Command};

/// One thing to be counted.
pub(crate) type Work<'w> = Box<dyn Fn() + 'w>;

/// How many instructions each work takes, which this program [`perform`]s when it is run with `args`.
pub(crate) fn count(args: &[&str]) -> io::Result<Vec<u64>> {
    let folder = temp_dir().join(format!("benchmarks-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let counts = run(args, &folder);
    fs::remove_dir_all(&folder)?;
    counts
}

/// Does the works under callgrind.
pub(crate) fn perform(works: &[Work<'_>]) {
    counted(&|| ());
    for work in works {
        counted(work);
    }
}

/// Runs the work. Callgrind counts this function, and the little code between two calls of it.
#[inline(never)]
fn counted(work: &dyn Fn()) {
    black_box(work)();
}

fn run(args: &[&str], folder: &Path) -> io::Result<Vec<u64>> {
    let out = folder.join("callgrind");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-after=*counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(current_exe()?)
        .args(args)
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("under valgrind: {status}")));
    }
    // There is a file for each call, with what came since the call before. The first is for what came before all.
    (2..)
        .map(|part| out.with_extension(part.to_string()))
        .take_while(|part| part.exists())
        .map(|part| total(&part))
        .collect()
}

/// The number that the file says at its end.
fn total(part: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(part)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| io::Error::other(format!("no total in {}", part.display())))
}
