//! Runs a scenario in every way, and checks what came of it.

use std::any::Any;
use std::mem::take;
use std::ops::AddAssign;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use async_context_manager::rescue;
use futures::executor::block_on;

use super::env::{Blame, Event, Failure, Fault, Injection, Planned, Record};
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
    /// Whose failures and panics the hook was told of.
    pub(crate) lost: Vec<char>,
    /// Where it may be dropped.
    pub(crate) stops: usize,
    /// Where something may go wrong.
    pub(crate) points: usize,
}

impl Ran {
    /// When all is over.
    pub(crate) fn new(record: &Record, stops: usize) -> Result<Self, String> {
        record.wait()?;
        // Those of other tests, too.
        let drained = block_on(rescue::drain_timeout(Duration::from_secs(10)));
        drained.map_err(|left| format!("{left} rescues do not end"))?;
        let mut losses = lock(&LOSSES);
        let (of_this, others) = take(&mut *losses).into_iter().partition::<Vec<_>, _>(|lost| lost.run == record.run());
        *losses = others;
        let lost = of_this.into_iter().map(|lost| lost.who).collect();
        Ok(Self { events: record.events(), lost, stops, points: record.points() })
    }
}

/// A panic that reached the one who runs the scenario.
pub(crate) fn planned(payload: &(dyn Any + Send)) -> Result<(), String> {
    if payload.is::<Planned>() { Ok(()) } else { Err("an unplanned panic".to_string()) }
}

/// Runs a scenario, and checks what came of it.
pub(crate) fn run_and_check(runner: Runner, steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    watch();
    let ran = runner(steps, way).map_err(|why| format!("{why}\n{way:?}\n{steps:#?}"))?;
    let checked = check(steps, &ran.events, &ran.lost).and_then(|()| no_panics());
    checked.map_err(|why| format!("{why}\n{way:?}\n{}lost: {:?}\n{steps:#?}", told(&ran.events), ran.lost))?;
    Ok(ran)
}

/// A line for each event.
pub(crate) fn told(events: &[Event]) -> String {
    events.iter().fold(String::new(), |told, Event { who, what }| told + &format!("{who} {what:?}\n"))
}

/// Where the tests themselves are.
const TESTS: [&str; 3] = ["exhaustion.rs", "named.rs", "trees.rs"];

/// All panics, also those that somebody contains, but for the planned ones and those of a test that fails.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the hook was told of that has a name.
static LOSSES: Mutex<Vec<Blame>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the hooks, once.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|location| TESTS.iter().any(|test| location.file().ends_with(test))) {
                lock(&PANICS).push(info.to_string());
            }
            usual(info);
        }));
        rescue::set_hook(|loss| lock(&LOSSES).extend(loss.error().and_then(blame)));
    });
}

/// Who failed or panicked, if that was planned.
fn blame(error: &(dyn Any + Send)) -> Option<Blame> {
    let failed = error.downcast_ref::<Failure>().map(|failure| failure.0);
    failed.or_else(|| error.downcast_ref::<Planned>().map(|planned| planned.0))
}

fn no_panics() -> Result<(), String> {
    let panics = lock(&PANICS).clone();
    if panics.is_empty() { Ok(()) } else { Err(format!("unplanned panics: {panics:#?}")) }
}

/// How many ways have been tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried {
    pub(crate) drops: usize,
    /// A failure at each point, and a panic.
    pub(crate) faults: usize,
    /// The same, of a scenario that is dropped.
    pub(crate) both: usize,
}

impl AddAssign for Tried {
    fn add_assign(&mut self, other: Self) {
        self.drops += other.drops;
        self.faults += other.faults;
        self.both += other.both;
    }
}

/// Runs a scenario in every way: as it is; dropped at each of its stops; with something going wrong at each of its
/// points; and with both.
pub(crate) fn exhaust(runner: Runner, steps: Steps, faults: &[Fault]) -> Result<Tried, String> {
    let steps = Arc::from(steps);
    let as_it_is = run_and_check(runner, &steps, Way::default())?;
    let points = |drop_at, points| exhaust_points(runner, &steps, drop_at, points, faults);
    let mut tried = Tried { faults: points(None, as_it_is.points)?, ..Tried::default() };
    for stop in 0..as_it_is.stops {
        let dropped = run_and_check(runner, &steps, Way { drop_at: Some(stop), injection: None })?;
        tried.drops += 1;
        tried.both += points(Some(stop), dropped.points)?;
    }
    Ok(tried)
}

/// Runs it with something going wrong at each of its points.
fn exhaust_points(
    runner: Runner,
    steps: &Arc<[Step]>,
    drop_at: Option<usize>,
    points: usize,
    faults: &[Fault],
) -> Result<usize, String> {
    for point in 0..points {
        for &fault in faults {
            run_and_check(runner, steps, Way { drop_at, injection: Some(Injection { point, fault }) })?;
        }
    }
    Ok(points * faults.len())
}
