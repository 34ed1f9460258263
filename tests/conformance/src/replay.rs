//! Replays each line of a file, in each way to write and to enter managers, and counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fmt, panic, thread};

use crate::env::{Env, Pend};
use crate::expected::{Expected, Want};
use crate::files::{parse, read};
use crate::model::{Ended, Line, Scenario};
use crate::places::places_in;
use crate::program::Program;
use crate::rules::check;
use crate::run::{Ran, listen, take_told, told};
use crate::runners::{Alone, poll_by_hand};
use crate::ways::{Mode, Style, Way};

/// The programs of a file, and what they must give in one mode of cancellation.
pub struct Replay {
    name: String,
    lines: Vec<(Line, Want)>,
}

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

/// The ways that a program is run in: one in this many, by turns, and all of them with `TESTS=all`.
const SAMPLE: usize = 15;

/// The `turn`th sample of the ways, which is one of so many `parts`; there is at least one way in it.
fn sample(ways: &[Way], parts: usize, turn: usize) -> impl Iterator<Item = Way> {
    let parts = parts.min(ways.len());
    ways.iter().copied().skip(turn % parts).step_by(parts)
}

fn sample_parts() -> usize {
    if env::var_os("TESTS").is_some_and(|tests| tests == "all") { 1 } else { SAMPLE }
}

impl Replay {
    /// The file of that name in `data`, and the one in `data/expected`.
    ///
    /// # Panics
    ///
    /// When they do not go together.
    #[must_use]
    pub fn file(name: &str, mode: Mode) -> Self {
        listen();
        let (lines, expected) = (read::<Line>(name), read::<Expected>(&format!("expected/{name}")));
        assert_eq!(lines.len(), expected.len());
        let want = |(line, expected)| {
            let want = Want::new(&line, &expected, mode);
            (line, want)
        };
        Self { name: name.to_owned(), lines: lines.into_iter().zip(expected).map(want).collect() }
    }

    /// Fresh programs, as the generator wrote them.
    ///
    /// # Panics
    ///
    /// When they are none.
    #[must_use]
    pub fn fresh(name: &str, text: &str, mode: Mode) -> Self {
        let want = |line: Line| {
            let want = Want::fresh(&line, mode);
            (line, want)
        };
        Self { name: name.to_owned(), lines: parse(name, text).into_iter().map(want).collect() }
    }

    /// Rule P3: a panic that a manager means to suppress or replace by an error goes on all the same, as if it had not.
    /// What comes of that is in the other file.
    ///
    /// # Panics
    ///
    /// When they do not go together.
    #[must_use]
    pub fn with_panics_refused(mut self, refused: Self) -> Self {
        assert_eq!(self.count(), refused.count());
        for ((line, want), (_, refused)) in self.lines.iter_mut().zip(refused.lines) {
            if (&line.trace, &line.result) != (&refused.trace, &refused.result) {
                *want = refused;
                want.rules.insert("P3".to_owned());
            }
        }
        self
    }

    /// How many programs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// In how many traces of Python there is an event with this in it.
    #[must_use]
    pub fn count_with_event(&self, part: &str) -> usize {
        self.lines.iter().filter(|(line, _)| line.trace.iter().any(|event| event.contains(part))).count()
    }

    /// Replays each program in a sample of the ways: how many are as in Python, and how many by a rule.
    ///
    /// # Panics
    ///
    /// When one differs.
    #[must_use = "none should be left out"]
    pub fn run(&self, ways: &[Way]) -> (usize, usize) {
        let mut tally = Tally::default();
        let parts = sample_parts();
        with_room(|| {
            for (turn, (line, want)) in self.lines.iter().enumerate() {
                for way in sample(ways, parts, turn) {
                    let ran = compare(&line.scenario, line.scenario.cancel_at, want, way);
                    judge(&line.scenario, way, &ran);
                }
            }
        });
        for (line, want) in &self.lines {
            if want.rules.is_empty() {
                assert_eq!((&want.trace, &want.result), (&line.trace, &line.result));
                tally.cpython += 1;
            } else {
                let rules: Vec<_> = want.rules.iter().map(String::as_str).collect();
                *tally.rules.entry(rules.join("+")).or_default() += 1;
            }
        }
        println!("{}: {} programs in 1/{parts} of {} ways: {tally}", self.name, self.count(), ways.len());
        (tally.cpython, tally.by_rule())
    }

    /// The same programs, dropped at each of their suspensions in turn, as far as Python's traces go: what comes of
    /// that follows from what had been entered there and not been left, by the rules C and K1. Each is dropped in one of
    /// so many `parts` of the ways, by turns, or in a sample of that. Gives how many these are.
    ///
    /// # Panics
    ///
    /// When one differs.
    #[must_use = "none should be left out"]
    pub fn drop_everywhere(&self, ways: &[Way], parts: usize) -> usize {
        let parts = (parts * sample_parts()).min(ways.len());
        let mut count = 0;
        with_room(|| {
            for (line, want) in &self.lines {
                let scenario = &line.scenario;
                for suspension in 0.. {
                    let Some(dropped) = want.dropped_at(scenario, suspension) else { break };
                    if scenario.cancel_at == Some(suspension) {
                        assert_eq!((&dropped.trace, &dropped.result), (&want.trace, &want.result), "{}", scenario.id);
                    }
                    for way in sample(ways, parts, count) {
                        let ran = compare(scenario, Some(suspension), &dropped, way);
                        // Of the drops, the rules judge a sample as well.
                        if count % sample_parts() == 0 {
                            judge(scenario, way, &ran);
                        }
                    }
                    count += 1;
                }
            }
        });
        println!("{}: {count} programs were dropped, each in {} of {} ways", self.name, ways.len() / parts, ways.len());
        count
    }
}

/// Runs a scenario, and drops it at that suspension.
fn compare(scenario: &Scenario, cancel_at: Option<usize>, want: &Want, way: Way) -> Ran {
    assert_eq!(way.mode(), want.mode);
    let _alone = (want.mode != Mode::Sync).then(alone);
    let (env, record) = Env::new(None, Pend::AtOnce);
    let run: Alone<'_> = if scenario.is_of_stacks() {
        Box::pin(async { Program::new(&env, way).run_stack(scenario).await })
    } else {
        Box::pin(async { Program::new(&env, way).run(&scenario.steps).await })
    };
    let polled = poll_by_hand(run, &record, cancel_at, usize::MAX);
    drop(env);
    let why = |why: &dyn fmt::Display| format!("{}, dropped at {cancel_at:?}, {way}:\n{why}", scenario.id);
    let (result, polls) = polled.unwrap_or_else(|error| panic!("{}", why(&error)));
    let (got, want_all) = ((want.in_order(&record.trace()), result), (want.in_order(&want.trace), &want.result));
    assert!((&got.0, &got.1) == (&want_all.0, want_all.1), "{}", why(&format!(" got {got:#?}\nwant {want_all:#?}")));
    let told = take_told();
    if want.mode == Mode::Detached && want.result == Ended::Cancelled {
        assert!(tells_of(way, &told, &want.lost), "{}", why(&format!(" got {told:?}\nwant {:?}", want.lost)));
    }
    Ran::new(&record, polls).unwrap_or_else(|error| panic!("{}", why(&error)))
}

/// Judges what came of a scenario by the rules, as far as they know what it does.
fn judge(scenario: &Scenario, way: Way, ran: &Ran) {
    if way.is_judged_by_rules() && scenario.is_judged_by_rules() {
        let places = places_in(&scenario.steps, way.mode() == Mode::Detached);
        let checked = check(&places, &scenario.steps, &ran.events, &ran.lost);
        checked.unwrap_or_else(|error| panic!("{}, {way}: {error}\n{}{:?}", scenario.id, told(&ran.events), ran.lost));
    }
}

/// On a thread with a large stack: without optimizations, the interpreter takes much of it for each statement.
fn with_room(run: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, run).expect("it starts");
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
    });
}

/// For one test at a time: [`rescue::drain`](async_context_manager::rescue::drain) waits for all of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the hook was told of all that got lost with managers that are shielded, and once. One that was on its way
/// before the cancellation is not theirs, and is lost where a manager would have passed it on.
fn tells_of(way: Way, told: &[Option<String>], lost: &[String]) -> bool {
    let told = told.iter().filter(|label| label.as_ref().is_none_or(|label| lost.contains(label)));
    if way.style == Style::AroundShielded {
        // What is not shielded around one that is can't say which error it was.
        return told.count() == lost.len();
    }
    let (mut told, mut lost): (Vec<_>, Vec<_>) = (told.flatten().collect(), lost.iter().collect());
    told.sort();
    lost.sort();
    told == lost
}

/// Keeps the messages of panics of the crate that are meant here out of the output.
pub fn silence_lawless() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if !message.is_some_and(|message| message.starts_with("`lawless`")) {
            hook(info);
        }
    }));
}
