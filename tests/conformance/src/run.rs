//! Runs a program in every way, and checks what came of it by the rules.

use std::any::Any;
use std::cell::RefCell;
use std::mem::take;
use std::ops::AddAssign;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use async_context_manager::rescue::{self, LossKind};
use futures::executor::block_on;

use crate::env::{Blame, Error, Event, Fault, Injection, Planned, Record, label};
use crate::model::{Name, Step, Steps};
use crate::places::places;
use crate::rules::check;
use crate::runners::take_by_hand;

mod stops;

pub use stops::{OneOf, Stopped, Stopping};

/// What becomes of a program on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropping {
    /// At which of its stops it is dropped.
    pub drop_at: Option<usize>,
    /// After how many polls the scope around it begins to stop it, if it is in one.
    pub stop_at: Option<usize>,
    pub injection: Option<Injection>,
}

/// Who runs a program: with its steps, the way, and what tells how it went.
pub type Runner = fn(&Arc<[Step]>, Dropping) -> Result<Ran, String>;

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    pub events: Vec<Event>,
    /// Whose failures and panics the hook was told of.
    pub lost: Vec<Name>,
    /// Where it may be dropped.
    pub stops: usize,
    /// Where something may go wrong.
    pub points: usize,
}

impl Ran {
    /// When all is over.
    pub(crate) fn new(record: &Record, stops: usize) -> Result<Self, String> {
        record.wait()?;
        // Those of other tests, too.
        let drained = block_on(rescue::drain_timeout(Duration::from_secs(10)));
        drained.map_err(|error| error.to_string())?;
        let mut losses = lock(&LOSSES);
        let (of_this, others) = take(&mut *losses).into_iter().partition::<Vec<_>, _>(|lost| lost.run == record.run());
        *losses = others;
        let lost = of_this.into_iter().map(|lost| lost.who).collect();
        Ok(Self { events: record.events(), lost, stops, points: record.points() })
    }
}

/// A panic that reached the one who runs the scenario.
pub fn planned(payload: &(dyn Any + Send)) -> Result<(), String> {
    if payload.is::<Planned>() { Ok(()) } else { Err("an unplanned panic".to_string()) }
}

/// Runs a program, and checks what came of it.
pub fn run_and_check(runner: Runner, steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    watch();
    let ran = runner(steps, way).map_err(|why| format!("{why}\n{way:?}\n{steps:#?}"))?;
    let checked = check(&places(steps), steps, &ran.events, &ran.lost).and_then(|()| no_panics());
    checked.map_err(|why| format!("{why}\n{way:?}\n{}lost: {:?}\n{steps:#?}", told(&ran.events), ran.lost))?;
    Ok(ran)
}

/// A line for each event.
pub fn told(events: &[Event]) -> String {
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

/// Has unplanned panics told of.
fn watch() {
    static ONCE: Once = Once::new();
    listen();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|location| TESTS.iter().any(|test| location.file().ends_with(test))) {
                lock(&PANICS).push(info.to_string());
            }
            usual(info);
        }));
    });
}

std::thread_local! {
    static TOLD: RefCell<Vec<Option<String>>> = const { RefCell::new(Vec::new()) };
}

/// Has what is rescued and what is lost come here, once.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rescue::set_spawner(take_by_hand);
        rescue::set_hook(|loss| {
            lock(&LOSSES).extend(loss.error().and_then(blame));
            // An error that another one replaced. The other one is what a manager came to.
            if loss.kind() == LossKind::Replaced && loss.error().is_none() {
                return;
            }
            // Of a plain manager that is cut off, what it came to is not known.
            if loss.kind() == LossKind::Unfinished && loss.to_string().contains("cut off in its exit phase") {
                return;
            }
            let error = loss.error().map(|error| match error.downcast_ref::<Error>() {
                Some(error) => error.label.clone(),
                None => label(error),
            });
            TOLD.with_borrow_mut(|told| told.push(error));
        });
    });
}

/// The errors and panics that nobody was told of on this thread since the last call. A stack can't say which they were.
pub(crate) fn take_told() -> Vec<Option<String>> {
    TOLD.take()
}

/// Who failed or panicked, if that was planned.
fn blame(error: &(dyn Any + Send)) -> Option<Blame> {
    let failed = error.downcast_ref::<Error>().map(|error| error.blame);
    failed.or_else(|| error.downcast_ref::<Planned>().map(|planned| planned.blame))
}

fn no_panics() -> Result<(), String> {
    let panics = take(&mut *lock(&PANICS));
    if panics.is_empty() { Ok(()) } else { Err(format!("unplanned panics: {panics:#?}")) }
}

/// How many ways have been tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    pub drops: usize,
    /// A failure at each point, and a panic.
    pub faults: usize,
    /// The same, of a program that is dropped.
    pub both: usize,
}

impl AddAssign for Tried {
    fn add_assign(&mut self, other: Self) {
        self.drops += other.drops;
        self.faults += other.faults;
        self.both += other.both;
    }
}

/// Runs a program in every way: as it is; dropped at each of its stops; with something going wrong at each of its
/// points; and with both.
pub fn exhaust(runner: Runner, steps: Steps, faults: &[Fault]) -> Result<Tried, String> {
    let steps = Arc::from(steps);
    let as_it_is = run_and_check(runner, &steps, Dropping::default())?;
    let points = |drop_at, points| exhaust_points(runner, &steps, drop_at, points, faults);
    let mut tried = Tried { faults: points(None, as_it_is.points)?, ..Tried::default() };
    for stop in 0..as_it_is.stops {
        let dropped = run_and_check(runner, &steps, Dropping { drop_at: Some(stop), ..Dropping::default() })?;
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
            let injection = Some(Injection { point, fault });
            run_and_check(runner, steps, Dropping { drop_at, injection, ..Dropping::default() })?;
        }
    }
    Ok(points * faults.len())
}
