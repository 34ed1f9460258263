//! Instructions, as multiples of those by hand, from the results of the benchmarks.

use crate::svg::{Svg, WIDTH};

/// The scenario that is drawn, and what happens in it.
const SCENARIO: (&str, &str) = ("pends", "Enter phase, block and exit phase wait once each");

/// Returns the name of each contestant and its multiple.
fn multiples(results: &str) -> Vec<(String, f64)> {
    let (_, section) = results.split_once("\n## Instructions\n").expect("a section on instructions");
    let mut lines = section.lines().skip_while(|line| !line.starts_with("| |"));
    let head = lines.next().expect("a table");
    let column = head.split('|').position(|cell| cell.trim() == SCENARIO.0).expect("the scenario");
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').collect();
        let (_, multiple) = cells[column].trim().trim_end_matches(')').split_once('(')?;
        Some((cells[1].trim().replace('`', ""), multiple.parse().ok()?))
    };
    lines.skip(1).take_while(|line| line.starts_with('|')).filter_map(row).collect()
}

/// Returns whether it is a way to use this crate.
fn is_own(name: &str) -> bool {
    name.starts_with("with!") || ["scope", "AsyncExitStack"].contains(&name)
}

pub(crate) fn draw() -> String {
    let multiples = multiples(include_str!("../../../benches/results.md"));
    let most = multiples.iter().map(|(_, multiple)| *multiple).fold(1.0, f64::max);
    let (left, room) = (180, f64::from(WIDTH - 180 - 56));
    #[expect(clippy::cast_possible_truncation, reason = "they are small")]
    let length = |multiple: f64| (room * multiple / most).round() as i32;
    let mut svg = Svg::default();
    svg.text((16, 28), "bold", "Instructions, next to by hand with catch_unwind");
    svg.text((16, 48), "small", &format!("{}. Orange: this crate.", SCENARIO.1));
    let mut y = 62;
    let mut description = Vec::new();
    for (name, multiple) in &multiples {
        svg.text((left - 8, y + 14), "small end", name);
        svg.rect((left, y), (length(*multiple), 18), if is_own(name) { "exit" } else { "enter" });
        svg.text((left + length(multiple.max(1.0)) + 6, y + 14), "small", &format!("{multiple:.1}"));
        description.push(format!("{name}: {multiple:.1}"));
        y += 24;
    }
    svg.line(&[(left + length(1.0), 58), (left + length(1.0), y)], "event");
    svg.finish("Instructions, as multiples of those by hand with catch_unwind", &description.join("; "), y + 12)
}
