//! Reads the files of `data`.

use std::fs::File;
use std::io::Read;

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

/// The lines of a file.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = format!("{}/data/{name}.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap_or_else(|error| panic!("{path}: {error}"));
    parse(&path, &text)
}

/// The lines of a text.
pub(crate) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}"))).collect()
}
