//! How many instructions a scope of `with!` takes more than one by hand with `catch_unwind`, in several profiles.

use std::error::Error;
use std::fmt::Write;

use crate::guard::{self, float};
use crate::profile::Counts;
use crate::scenario::Scenario;
use crate::{contestants, trivial};

/// The profiles: the name for cargo, and the description in the tables.
const PROFILES: [(&str, &str); 4] = [
    ("release", "default release"),
    ("release-lto", "`codegen-units = 1`, `lto = \"fat\"`"),
    ("release-size", "`opt-level = \"s\"`"),
    ("release-abort", "`panic = \"abort\"`"),
];

/// The scenarios whose cleanup is not lost by hand, and by what their instructions are divided: the number of scopes, or of
/// polls.
const REALISTIC: [(Scenario, &str, u32); 6] = [
    (Scenario::Ready, "ready", 1),
    (Scenario::Pends, "pends", 1),
    (Scenario::Nested, "nested", 3),
    (Scenario::Error, "error", 1),
    (Scenario::Panic, "panic", 1),
    (Scenario::Polled, "polled, each poll", 1000),
];

/// The counts of all profiles.
pub(crate) fn measure() -> Result<Vec<(&'static str, Counts)>, Box<dyn Error>> {
    PROFILES.iter().map(|&(profile, what)| Ok((what, Counts::of(profile)?))).collect()
}

/// One cell: of `with` and `by_hand`, divided by `number`.
fn cell(with: u64, by_hand: u64, number: u32) -> String {
    if by_hand == 0 {
        return "–".into();
    }
    let more = (float(with) - float(by_hand)) / f64::from(number);
    let digits = usize::from(more.abs() < 10.0);
    format!("{more:+.digits$} ({:.2})", float(with) / float(by_hand))
}

/// For the trivial resource.
pub(crate) fn trivial_table(profiles: &[(&str, Counts)]) -> Result<String, Box<dyn Error>> {
    let names = trivial::SCENARIOS.map(|(name, _)| name);
    let mut text = head(&names);
    for (profile, counts) in profiles {
        let (with, by_hand) =
            (counts.get(trivial::WITH, "instructions")?, counts.get(trivial::BY_HAND, "instructions")?);
        let cells = (0..names.len()).map(|at| cell(with[at], by_hand[at], trivial::SCENARIOS[at].1));
        writeln!(text, "| {profile} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(text)
}

/// For the resource that all contestants have.
pub(crate) fn realistic_table(profiles: &[(&str, Counts)]) -> Result<String, Box<dyn Error>> {
    let mut text = head(&REALISTIC.map(|(_, name, _)| name));
    for (profile, counts) in profiles {
        let with = counts.get("`with!`", "instructions")?;
        let by_hand = counts.get(contestants::baseline().name, "instructions")?;
        let cells = REALISTIC.map(|(scenario, _, number)| {
            let column = scenario as usize;
            cell(with[column], by_hand[column], number)
        });
        writeln!(text, "| {profile} | {} |", cells.join(" | "))?;
    }
    Ok(text)
}

/// How many times the instructions by hand the ways of this crate take, in one profile.
pub(crate) fn forms_table(counts: &Counts) -> Result<String, Box<dyn Error>> {
    const FORMS: [&str; 9] = [
        "`with!`",
        "`with!`, `catch`",
        "`with!`, own type",
        "`scope`",
        "`with!`, `shielded`",
        "`AsyncExitStack`",
        "`with!`, in a scope",
        "a generic body",
        "the least",
    ];
    const SHOWN: [Scenario; 4] = [Scenario::Ready, Scenario::Pends, Scenario::Nested, Scenario::Polled];
    let names = SHOWN.map(Scenario::name).join(" | ");
    let mut text = format!("| | {names} |\n|---|{}\n", "---:|".repeat(SHOWN.len()));
    for form in FORMS {
        let ratios = guard::ratios(counts, form)?;
        let cells = SHOWN.map(|scenario| format!("{:.2}", ratios[scenario as usize]));
        writeln!(text, "| {form} | {} |", cells.join(" | "))?;
    }
    Ok(text)
}

/// How many more in the scenario `one, ready` of the trivial resource.
pub(crate) fn trivial_more(counts: &Counts) -> Result<u64, String> {
    let of = |way| Ok::<_, String>(counts.get(way, "instructions")?[0]);
    Ok(of(trivial::WITH)?.saturating_sub(of(trivial::BY_HAND)?))
}

fn head(names: &[&str]) -> String {
    format!("| profile | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(names.len()))
}
