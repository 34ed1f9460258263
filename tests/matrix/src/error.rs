//! Programs about the errors of managers with the option `catch`: a body must not keep one for longer than the caller lends it,
//! nor put into it, or make of it, what borrows its own locals.

use crate::form::{self, Form, Meaning};
use crate::program::{Expected, Program};

/// What a manager does with the error of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misuse {
    /// Keeps it where it outlives the block.
    Kept,
    /// Gives another one, which borrows a local.
    Replaced,
    /// Stores a borrow of a local in it.
    Stored,
}

/// Which of the twins a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twin {
    /// Does it.
    Bad,
    /// Does it with an error that borrows nothing.
    Longer,
    /// Keeps, gives or stores a text that is its own.
    Good,
}

/// How the manager is written, and how it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    With,
    Several,
    Racing,
    Plain,
    Method,
    Trait,
    Within,
    Scope,
    Shielded,
    With2021,
}

const USAGES: [Usage; 10] = [
    Usage::With,
    Usage::Several,
    Usage::Racing,
    Usage::Plain,
    Usage::Method,
    Usage::Trait,
    Usage::Within,
    Usage::Scope,
    Usage::Shielded,
    Usage::With2021,
];

/// All of them.
#[must_use]
pub fn all() -> Vec<Program> {
    let mut programs = Vec::new();
    for (row, form) in form::all().iter().filter(|form| form.error && !form.ty.contains("'a")).enumerate() {
        for (column, usage) in USAGES.into_iter().enumerate() {
            for (layer, misuse) in [Misuse::Kept, Misuse::Replaced, Misuse::Stored].into_iter().enumerate() {
                let place = row + 3 * column + 5 * layer;
                let twins = [Twin::Bad, Twin::Longer, Twin::Good];
                programs.extend(twins.into_iter().filter_map(|twin| program(form, usage, misuse, twin, place)));
            }
        }
    }
    programs
}

fn program(form: &Form, usage: Usage, misuse: Misuse, twin: Twin, place: usize) -> Option<Program> {
    let local = form.local?;
    let lasting = form.meaning == Meaning::Static;
    match (misuse, twin) {
        (Misuse::Stored, _) if form.store.is_none() => return None,
        // What lives for ever is all that may be kept; and it has none to store in.
        (Misuse::Kept, Twin::Longer) if lasting => {}
        (_, Twin::Longer) => return None,
        _ => {}
    }
    let of_the_block = if lasting && !(misuse == Misuse::Kept && twin == Twin::Bad) { form.outer } else { local };
    let text = format!(
        "{}\n{}{}",
        form.items,
        manager(form, usage, misuse, twin),
        user(form, usage, misuse, twin, of_the_block)
    );
    let name = format!("{twin:?} error | {} | {usage:?} | {misuse:?}", form.name);
    let edition = if usage == Usage::With2021 { "2021" } else { "2024" };
    Some(Program { name, place, edition, text, expected: expected(form, usage, twin) })
}

/// The rule. What is shielded has errors that live for ever and may be sent; else an error is that of the argument, if a lifetime
/// is left out of it, however it is written.
fn expected(form: &Form, usage: Usage, twin: Twin) -> Expected {
    if usage == Usage::Shielded && !(form.send && form.meaning == Meaning::Static) {
        return Expected::NotOffered;
    }
    if twin == Twin::Bad { Expected::Refused } else { Expected::Runs }
}

fn kept_type(form: &Form, misuse: Misuse, twin: Twin) -> String {
    if twin == Twin::Good || misuse != Misuse::Kept { "String".into() } else { form.escaped.replace("'t", "'static") }
}

fn manager(form: &Form, usage: Usage, misuse: Misuse, twin: Twin) -> String {
    let option = if usage == Usage::Shielded { "(catch, suppress, shielded)" } else { "(catch, suppress)" };
    let anchor = match usage {
        Usage::Method | Usage::Trait => "&self",
        Usage::Shielded if form.meaning == Meaning::Static => "anchor: String",
        _ => "anchor: &String",
    };
    let marker = match usage {
        Usage::Racing => "async { r#yield!() }.await",
        Usage::Plain => "yield!()",
        _ => "r#yield!()",
    };
    let body = format!(
        "{{ let mut local = String::from(TEXT); let outcome = {marker}; \
         if let Outcome::Failed(mut error) = outcome {{ {} }} Ok(()) }}",
        misused(form, misuse, twin)
    );
    let function = |body: &str| {
        format!(
            "#[async_context_manager{option}] async fn cm({anchor}, kept: Keeps) -> Result<(), {}> {body}\n",
            form.ty
        )
    };
    match usage {
        Usage::Plain => format!("context_managers! {{ {} }}", function(&body)),
        Usage::Method => format!("struct Own;\nimpl Own {{ {} }}\n", function(&body)),
        Usage::Trait => {
            format!(
                "struct Own;\ntrait Source {{ {} }}\nimpl Source for Own {{ {} }}\n",
                function(";"),
                function(&body)
            )
        }
        _ => function(&body),
    }
}

/// What the body does with `error`.
fn misused(form: &Form, misuse: Misuse, twin: Twin) -> String {
    let (setup, value) = form.local.unwrap_or_default();
    let store = |text: &str| form.store.unwrap_or_default().replace("v.", "error.").replace('$', text);
    match (misuse, twin) {
        (Misuse::Kept, Twin::Good) => format!("kept.lock().unwrap().push({});", form.read.replace('$', "error")),
        (Misuse::Kept, _) => "kept.lock().unwrap().push(error);".into(),
        (Misuse::Replaced, Twin::Bad) => format!("{setup} return Err({value});"),
        (Misuse::Replaced, _) => "return Err(error);".into(),
        (Misuse::Stored, Twin::Bad) => format!("let stored = local.as_str(); {}; return Err(error);", store("stored")),
        (Misuse::Stored, _) => format!("let stored: &'static str = \"\"; {}; return Err(error);", store("stored")),
    }
}

/// Makes an error, lets the manager have it, and reads what is left of it.
fn user(form: &Form, usage: Usage, misuse: Misuse, twin: Twin, (setup, value): (&str, &str)) -> String {
    let kept = kept_type(form, misuse, twin);
    let error = form.escaped.replace("'t", "'_");
    let call = match usage {
        Usage::Method | Usage::Trait => "Own.cm(kept.clone())",
        Usage::Shielded if form.meaning == Meaning::Static => "cm(anchor.clone(), kept.clone())",
        _ => "cm(&anchor, kept.clone())",
    };
    let (item, entered) = match usage {
        Usage::Several => (String::new(), format!("with!(number() as _, {call}, number() as _ => {{ Err(error)?; }})")),
        Usage::Scope => (String::new(), format!("{call}.scope(async |()| Err::<(), _>(error)).await.map(drop)")),
        Usage::Within => {
            let is_static = form.meaning == Meaning::Static && twin != Twin::Bad;
            let escaped = if is_static { form.escaped.replace("'t", "'static") } else { form.escaped.to_string() };
            let signature = format!("anchor: &'t String, kept: Keeps, error: {escaped}");
            let item = format!(
                "#[within(cm(anchor, kept.clone()))] async fn user<'t>({signature}) -> Result<(), {escaped}> {{ Err(error) }}\n"
            );
            (item, "user(&anchor, kept.clone(), error).await".into())
        }
        _ => (String::new(), format!("with!({call} => {{ Err(error)?; }})")),
    };
    let drop_value = if usage == Usage::Within { "" } else { ".map(drop)" };
    let typed = format!("let result: Result<(), {error}> = async {{ {entered} }}.await{drop_value};");
    let (inside, outside) = match misuse {
        Misuse::Kept => {
            let read = if twin == Twin::Good { "out".into() } else { form.read.replace('$', "out") };
            // In a statement, so that temporaries of edition 2021 end before `out`.
            let shown = format!("let shown = {read}; shown");
            ("drop(result);".into(), format!("let mut out = kept.lock().unwrap().pop().unwrap(); {shown}"))
        }
        _ => {
            (format!("let mut out = result.err().unwrap(); shown = {};", form.read.replace('$', "out")), "shown".into())
        }
    };
    format!(
        "type Keeps = Kept<{kept}>;\n{item}pub fn run() -> String {{ let kept = Keeps::default(); let mut shown = String::new();\n\
         block_on(async {{ let anchor = String::new(); let text = String::from(TEXT); let mut local = String::from(TEXT); {setup} \
         let error: {error} = {value}; {typed} {inside} }}); {outside} }}\n"
    )
}
