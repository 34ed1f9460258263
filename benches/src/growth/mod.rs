//! How the cost of one more grows with how many there are already: levels of scopes, managers on an exit stack, rescues
//! under way, managers in a scope that stops.

mod levels;
mod many;

use std::error::Error;
use std::fmt::Write;
use std::io;

use crate::measure::instructions;

/// Costs of one more, by how many there are.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// The name of the things whose number grows.
    pub(crate) more_of: &'static str,
    pub(crate) points: Vec<(u32, f64)>,
}

/// Runs under callgrind what is counted, in the order in which [`measure`] takes the counts.
pub(crate) fn perform() {
    let mut works = levels::works();
    works.extend(many::works());
    instructions::perform(&works);
}

/// All series there are.
pub(crate) fn measure() -> io::Result<Vec<Series>> {
    let counts = instructions::count(&["counted", "growth"])?;
    let (of_levels, of_many) = counts.split_at(levels::works().len());
    let mut series = levels::series(of_levels);
    series.extend(many::series(of_many));
    Ok(series)
}

/// A table for each thing that there are more and more of.
pub(crate) fn tables(series: &[Series]) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for of_one in series.chunk_by(|a, b| a.more_of == b.more_of) {
        let numbers: Vec<_> = of_one[0].points.iter().map(|(number, _)| number.to_string()).collect();
        writeln!(
            text,
            "\n| {} | {} |\n|---|{}",
            of_one[0].more_of,
            numbers.join(" | "),
            "---:|".repeat(numbers.len())
        )?;
        for it in of_one {
            let costs: Vec<_> = it.points.iter().map(|(_, cost)| format!("{cost:.0}")).collect();
            writeln!(text, "| {}, {} | {} |", it.name, it.unit, costs.join(" | "))?;
        }
    }
    Ok(text)
}

#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn per(count: u64, number: u32) -> f64 {
    count as f64 / f64::from(number)
}
