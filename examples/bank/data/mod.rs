//! The files: CSV without quotes, so that nothing else is needed to read them.

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

/// A line of `transfers.csv`.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) id: u32,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) cents: i64,
    pub(crate) class: usize,
    pub(crate) review: Duration,
    /// The expected result.
    pub(crate) ends: &'static str,
}

pub(crate) fn transfers() -> impl Iterator<Item = Transfer> {
    lines(read("transfers.csv")).map(|[id, from, to, cents, class, review_ms, ends]| Transfer {
        id: number(id),
        from,
        to,
        cents: number(cents),
        class: number(class),
        review: Duration::from_millis(number(review_ms)),
        ends,
    })
}

/// Names, and how many cents there are.
pub(crate) fn accounts() -> impl Iterator<Item = (&'static str, i64)> {
    lines(read("accounts.csv")).map(|[name, cents]| (name, number(cents)))
}

/// A file of this folder. Its text is used to the end of the program, so it is left in memory.
fn read(name: &str) -> &'static str {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bank/data").join(name);
    fs::read_to_string(path).expect("the file is beside the example").leak()
}

/// All lines but the header.
fn lines<const COLUMNS: usize>(csv: &'static str) -> impl Iterator<Item = [&'static str; COLUMNS]> {
    csv.lines().skip(1).map(|line| {
        let columns: Vec<_> = line.split(',').collect();
        columns.try_into().expect("as many columns as in the header")
    })
}

fn number<T: FromStr<Err: Debug>>(column: &str) -> T {
    column.parse().expect("a number")
}
