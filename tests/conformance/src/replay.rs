//! Replays each line of each file, in each way to write and to enter managers, and counts.

use std::collections::BTreeMap;
use std::fmt;
use std::panic;

use crate::env::Env;
use crate::expected::{Expected, Want};
use crate::files::read;
use crate::program::{Form, Program, Style};
use crate::scenario::{Line, Scenario};

/// The mode of cancellation of managers that are not shielded: an exit phase is polled once when its future is dropped.
const MODE: &str = "sync";

/// The ways to write managers and to enter them; those behind `STACK_WAYS` are none for managers that a stack enters.
const WAYS: [(Style, Form); 19] = [
    (Style::Function, Form::With),
    (Style::Function, Form::Scope),
    (Style::Function, Form::Stack),
    (Style::Catching, Form::With),
    (Style::Catching, Form::Scope),
    (Style::Catching, Form::Stack),
    (Style::Composed, Form::With),
    (Style::Composed, Form::Scope),
    (Style::Composed, Form::Stack),
    (Style::Racing, Form::With),
    (Style::Racing, Form::Scope),
    (Style::Racing, Form::Stack),
    (Style::Type, Form::With),
    (Style::Type, Form::Scope),
    (Style::Type, Form::Stack),
    (Style::Own, Form::With),
    // A manager that is lent can't be entered in another way, as it borrows.
    (Style::Lent, Form::With),
    (Style::Function, Form::Header),
    (Style::Type, Form::Header),
];
const STACK_WAYS: &[(Style, Form)] = WAYS.split_at(16).0;

/// How many lines were equal to what Python gave, and how many to what a rule makes of that.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    cpython: usize,
    /// By the codes of the rules.
    rules: BTreeMap<String, usize>,
}

impl Tally {
    fn by_rule(&self) -> usize {
        self.rules.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as CPython", self.cpython)?;
        self.rules.iter().try_for_each(|(rules, count)| write!(f, ", {count} by {rules}"))
    }
}

/// What each line of a file must give.
fn wanted(name: &str) -> Vec<(Line, Want)> {
    let (lines, expected) = (read::<Line>(name), read::<Expected>(&format!("expected/{name}")));
    assert_eq!(lines.len(), expected.len());
    let want = |(line, expected)| {
        let want = Want::new(&line, &expected, MODE);
        (line, want)
    };
    lines.into_iter().zip(expected).map(want).collect()
}

/// Replays these lines: the first number is of those as in Python, the second of those by a rule.
fn replay(name: &str, lines: &[(Line, Want)], ways: &[(Style, Form)], counts: (usize, usize)) {
    for &(style, form) in ways {
        let mut tally = Tally::default();
        for (line, want) in lines {
            compare(&line.scenario, line.scenario.cancel_at, want, style, form);
            if want.rules.is_empty() {
                assert_eq!((&want.trace, &want.result), (&line.trace, &line.result));
                tally.cpython += 1;
            } else {
                let rules: Vec<_> = want.rules.iter().map(String::as_str).collect();
                *tally.rules.entry(rules.join("+")).or_default() += 1;
            }
        }
        println!("{name}, {style:?} by {form:?}: {} lines, {tally}", lines.len());
        assert_eq!((tally.cpython, tally.by_rule()), counts, "none is left out");
    }
}

/// Runs a scenario, and drops it at that suspension.
fn compare(scenario: &Scenario, cancel_at: Option<usize>, want: &Want, style: Style, form: Form) {
    let env = Env::default();
    let program = Program { env: &env, style, form };
    let result = if scenario.id.starts_with("stack-") {
        env.drive(cancel_at, program.run_stack(scenario))
    } else {
        env.drive(cancel_at, program.run(&scenario.steps))
    };
    let (got, want) = ((env.trace(), result), (&want.trace, &want.result));
    assert!(
        (&got.0, &got.1) == want,
        "{}, dropped at {cancel_at:?}, {style:?} by {form:?}:\n got {got:#?}\nwant {want:#?}",
        scenario.id
    );
}

/// Keeps the messages of panics of the crate, which are meant here, out of the output.
fn silence_lawless() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if !message.is_some_and(|message| message.starts_with("`lawless`")) {
            hook(info);
        }
    }));
}

/// In how many traces of Python there is an event with this in it.
fn with_event(lines: &[(Line, Want)], part: &str) -> usize {
    lines.iter().filter(|(line, _)| line.trace.iter().any(|event| event.contains(part))).count()
}

#[test]
fn statements() {
    let lines = wanted("traces_seed1");
    assert_eq!(lines.len(), 2000);
    replay("statements", &lines, &WAYS, (1700, 300));
}

#[test]
fn stacks() {
    let lines = wanted("stack_seed1");
    assert_eq!(lines.len(), 500);
    replay("stacks", &lines, STACK_WAYS, (418, 82));
}

#[test]
fn panics_that_no_manager_means_to_stop() {
    let lines = wanted("panic_seed1_refused");
    assert_eq!(lines.len(), 300);
    replay("panics", &lines, &WAYS, (300, 0));
}

/// Rule P3: a panic that a manager means to suppress or replace by an error goes on all the same, as if it had not.
#[test]
fn panics_that_managers_mean_to_stop() {
    let mut lines = wanted("panic_seed1");
    let refused = wanted("panic_seed1_refused");
    assert_eq!((lines.len(), refused.len()), (300, 300));
    for ((line, want), (_, refused)) in lines.iter_mut().zip(refused) {
        if (&line.trace, &line.result) != (&refused.trace, &refused.result) {
            *want = refused;
            want.rules.insert("P3".to_owned());
        }
    }
    replay("panics that are refused", &lines, &WAYS, (211, 89));
}

/// Rules R1 and R2: a manager ends before its marker, or reaches it again.
#[test]
fn broken_protocol() {
    silence_lawless();
    let lines = wanted("proto_seed1");
    assert_eq!(lines.len(), 200);
    assert_eq!((with_event(&lines, "noyield:"), with_event(&lines, ":again")), (60, 56));
    replay("broken protocol", &lines, &WAYS, (79, 121));
}

/// The same programs, dropped at each of their suspensions in turn, as far as Python's traces go: what comes of that
/// follows from what had been entered there and not been left, by the rules C and K1.
fn drop_everywhere(name: &str, ways: &[(Style, Form)], counts: usize) {
    let mut count = 0;
    for (line, want) in wanted(name) {
        let scenario = &line.scenario;
        for suspension in 0.. {
            let Some(dropped) = want.dropped_at(scenario, suspension) else { break };
            if scenario.cancel_at == Some(suspension) {
                assert_eq!((&dropped.trace, &dropped.result), (&want.trace, &want.result), "{}", scenario.id);
            }
            for &(style, form) in ways {
                compare(scenario, Some(suspension), &dropped, style, form);
            }
            count += 1;
        }
    }
    println!("{name}: {count} programs were dropped, in each of {} ways", ways.len());
    assert_eq!(count, counts);
}

#[test]
fn statements_dropped_everywhere() {
    drop_everywhere("traces_seed1", &WAYS, 19_556);
}

#[test]
fn stacks_dropped_everywhere() {
    drop_everywhere("stack_seed1", STACK_WAYS, 3253);
}

#[test]
fn panicking_programs_dropped_everywhere() {
    drop_everywhere("panic_seed1_refused", &WAYS, 2592);
}

#[test]
fn broken_protocol_dropped_everywhere() {
    silence_lawless();
    drop_everywhere("proto_seed1", &WAYS, 1420);
}
