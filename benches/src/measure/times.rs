//! Times, by criterion.

use std::env::current_exe;
use std::error::Error;
use std::fs::File;
use std::time::{Duration, Instant};

use criterion::Criterion;
use serde_json::Value;

/// The median of one repetition, in nanoseconds. `name` is for what criterion prints, and for its files.
pub(crate) fn median(name: &str, repeat: impl Fn(u32)) -> Result<f64, Box<dyn Error>> {
    let folder = current_exe()?.with_file_name("criterion");
    let id: String = name.chars().filter(|&sign| sign.is_alphanumeric() || sign == ' ').collect();
    let mut criterion = Criterion::default()
        .output_directory(&folder)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200))
        .sample_size(20)
        .nresamples(2000)
        .without_plots();
    criterion.bench_function(&id, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            repeat(u32::try_from(times).expect("so often can't be"));
            start.elapsed()
        });
    });
    let estimates: Value = serde_json::from_reader(File::open(folder.join(&id).join("new/estimates.json"))?)?;
    estimates["median"]["point_estimate"].as_f64().ok_or_else(|| "criterion gave no median".into())
}
