//! Runs a scenario in every way, and checks what came of it.

use std::any::Any;
use std::ops::AddAssign;
use std::panic;
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::env::{Env, Event, Ill, Injection, Planned};
use super::rules::check;
use super::{Step, Steps};

/// A way to run a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// At which of its stops it is dropped.
    pub(crate) drop_at: Option<usize>,
    pub(crate) injection: Option<Injection>,
}

/// Who runs a scenario: with its steps, the way, and what tells how it went.
pub(crate) type Runner = fn(&Arc<[Step]>, Way) -> Result<Ran, String>;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) events: Vec<Event>,
    /// Where it may be dropped.
    pub(crate) stops: usize,
    /// Where something may go wrong.
    pub(crate) points: usize,
}

impl Ran {
    /// When all is over.
    pub(crate) fn new(env: &Env, stops: usize) -> Result<Self, String> {
        if !env.is_alone() {
            return Err("something of the scenario is left".to_string());
        }
        Ok(Self { events: env.events(), stops, points: env.points() })
    }
}

/// A panic that reached the one who runs the scenario.
pub(crate) fn planned(payload: &(dyn Any + Send)) -> Result<(), String> {
    if payload.is::<Planned>() { Ok(()) } else { Err("an unplanned panic".to_string()) }
}

/// Runs a scenario, and checks what came of it.
pub(crate) fn run_and_check(runner: Runner, steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    watch_panics();
    let ran = runner(steps, way).map_err(|why| format!("{why}\n{way:?}\n{steps:#?}"))?;
    let checked = check(steps, &ran.events).and_then(|()| no_panics());
    checked.map_err(|why| format!("{why}\n{way:?}\n{}{steps:#?}", told(&ran.events)))?;
    Ok(ran)
}

/// A line for each event.
pub(crate) fn told(events: &[Event]) -> String {
    events.iter().fold(String::new(), |told, Event { who, what }| told + &format!("{who} {what:?}\n"))
}

/// Where the tests themselves are.
const TESTS: [&str; 2] = ["exhaustion.rs", "trees.rs"];

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Remembers every panic on all threads, also those that somebody contains. The planned ones don't come here, and those
/// of a test that fails are left out.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|location| TESTS.iter().any(|test| location.file().ends_with(test))) {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            }
            usual(info);
        }));
    });
}

fn no_panics() -> Result<(), String> {
    let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if panics.is_empty() { Ok(()) } else { Err(format!("unplanned panics: {panics:#?}")) }
}

/// How many ways have been tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) drops: usize,
    /// A failure at each point, and a panic.
    pub(crate) ills: usize,
    /// The same, of a scenario that is dropped.
    pub(crate) both: usize,
}

impl AddAssign for Tried {
    fn add_assign(&mut self, other: Self) {
        self.drops += other.drops;
        self.ills += other.ills;
        self.both += other.both;
    }
}

/// Runs a scenario in every way: as it is; dropped at each of its stops; with something going wrong at each of its
/// points; and with both.
pub(crate) fn exhaust(runner: Runner, steps: Steps) -> Result<Tried, String> {
    let steps = Arc::from(steps);
    let as_it_is = run_and_check(runner, &steps, Way::default())?;
    let mut tried = Tried { ills: exhaust_points(runner, &steps, None, as_it_is.points)?, ..Tried::default() };
    for stop in 0..as_it_is.stops {
        let dropped = run_and_check(runner, &steps, Way { drop_at: Some(stop), injection: None })?;
        tried.drops += 1;
        tried.both += exhaust_points(runner, &steps, Some(stop), dropped.points)?;
    }
    Ok(tried)
}

/// Runs it with something going wrong at each of its points.
fn exhaust_points(runner: Runner, steps: &Arc<[Step]>, drop_at: Option<usize>, points: usize) -> Result<usize, String> {
    for point in 0..points {
        for ill in [Ill::Fails, Ill::Panics] {
            run_and_check(runner, steps, Way { drop_at, injection: Some(Injection { point, ill }) })?;
        }
    }
    Ok(2 * points)
}
