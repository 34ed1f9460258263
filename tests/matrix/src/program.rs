//! Programs, and what is to become of each.

use crate::escape::{self, Escape, Parts};
use crate::form::{self, Form, Meaning};
use crate::usage::{self, Usage};

/// What is to become of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// The borrow checker refuses it, or the macro.
    Refused,
    /// A type is none that a manager of this kind can lend: a trait is missing, or the macro says so.
    NotOffered,
    /// It compiles, runs and reads its text.
    Runs,
}

/// A program, as the text of a module with a `run` in it.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is called in the report.
    pub name: String,
    /// Its place in the order of the matrix.
    pub place: usize,
    /// The edition of its crate.
    pub edition: &'static str,
    /// The text.
    pub text: String,
    /// What is to become of it.
    pub expected: Expected,
}

/// Which of the twins a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twin {
    /// Lends what borrows a local of the manager, and lets it escape.
    Bad,
    /// Lends what borrows no local, and lets it escape.
    Longer,
    /// Lets a text escape that was read in the block.
    Good,
}

/// All programs about values.
#[must_use]
pub fn all() -> Vec<Program> {
    let (forms, usages) = (form::all(), usage::all());
    let mut programs = Vec::new();
    for (row, form) in forms.iter().enumerate() {
        for (column, usage) in usages.iter().enumerate() {
            // Which would be a `Result` of a `Result`.
            if form.result && usage.style == usage::Style::Fallible {
                continue;
            }
            for (layer, escape) in escapes(form, usage, row + column).into_iter().enumerate() {
                let place = row + 3 * column + 5 * layer;
                let twins = [Twin::Bad, Twin::Longer, Twin::Good];
                programs.extend(twins.into_iter().filter_map(|twin| program(form, usage, escape, twin, place)));
            }
        }
    }
    programs
}

/// The ways out to be tried. Those that do not differ by the type are spread over the matrix; where a type is not offered, there
/// is one.
fn escapes(form: &Form, usage: &Usage, cell: usize) -> Vec<Escape> {
    let mut escapes = vec![Escape::Value];
    if usage.offers(form) {
        let spread: Vec<Escape> = escape::SPREAD.into_iter().filter(|escape| escape.suits(form, usage)).collect();
        escapes.push(spread[cell % spread.len()]);
        escapes.extend([Escape::Thread, Escape::Stored].into_iter().filter(|escape| escape.suits(form, usage)));
    }
    escapes
}

fn program(form: &Form, usage: &Usage, escape: Escape, twin: Twin, place: usize) -> Option<Program> {
    let lent = match twin {
        Twin::Bad => form.local?,
        Twin::Longer if form.meaning == Meaning::Block => return None,
        Twin::Good if form.meaning == Meaning::Block => form.local?,
        Twin::Longer | Twin::Good => form.outer,
    };
    let expected = expected(form, usage, escape, twin);
    let read = form.read.replace('$', form.gives);
    // In a statement, so that temporaries of edition 2021 end before `out`.
    let shown = format!("{{ let shown = {}; shown }}", form.read.replace('$', "out"));
    let store = store(form, twin);
    let is_static = twin == Twin::Longer && form.meaning == Meaning::Static;
    let escaped = form.escaped.replace("'t", if is_static { "'static" } else { "'t" });
    let parts = match twin {
        Twin::Good => Parts { gives: &read, ty: "String", shown: "out", store: &store },
        Twin::Bad | Twin::Longer => Parts { gives: form.gives, ty: &escaped, shown: &shown, store: &store },
    };
    let text = format!("{}\n{}{}", form.items, usage.manager(form, lent), escape.user(form, usage, &parts));
    let name = format!("{twin:?} | {} | {} | {escape:?}", form.name, usage.name);
    Some(Program { name, place, edition: usage.edition, text, expected })
}

/// What is stored: a text of the block's, or one that is static.
fn store(form: &Form, twin: Twin) -> String {
    let store = form.store.unwrap_or_default();
    let text = if twin == Twin::Good { "TEXT" } else { "&short" };
    format!("let short = String::from(TEXT); let stored: &str = {text}; {};", store.replace('$', "stored"))
}

/// The rule. What borrows a local of the manager never leaves the block, whatever the type says; what does not is free as its
/// type says: for as long as the argument lives, or for ever.
fn expected(form: &Form, usage: &Usage, escape: Escape, twin: Twin) -> Expected {
    if !usage.offers(form) {
        return Expected::NotOffered;
    }
    match (twin, escape) {
        (Twin::Good, _) => Expected::Runs,
        (Twin::Bad, _) | (_, Escape::Stored) => Expected::Refused,
        (Twin::Longer, Escape::Thread) if form.meaning == Meaning::Argument => Expected::Refused,
        // Of a reference, what is behind it: that lives longer.
        (Twin::Longer, _) => Expected::Runs,
    }
}
