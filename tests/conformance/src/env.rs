//! The environment of a program: its events, for both judges; its awaits, with the faults at them; its errors and panics.

use std::any::Any;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use async_context_manager::Outcome;
use tests::yields;
use tokio::sync::oneshot;

use crate::model::{Name, inner_round};

/// The name of the code outside of all managers.
pub const OUTSIDE: Name = Name::new('-');

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

/// An error of a program. Its label says who made it, so that equal labels are the same error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) code: String,
    pub(crate) label: String,
    pub(crate) blame: Blame,
}

/// The payload of an intended panic. It is not thrown by `panic!`, so the panic hook reports only unintended panics.
pub(crate) struct Planned {
    label: String,
    pub(crate) blame: Blame,
}

/// In whose code, or in whose block, it went wrong, and in which run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blame {
    pub(crate) run: usize,
    pub(crate) who: Name,
}

/// A fault at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Fails,
    Panics,
}

/// How a future ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Done,
    Failed,
    Panicked,
    Dropped,
    /// It was dropped by a scope that stopped it, after what was open in it had been left.
    Stopped,
}

/// What a manager sees at its marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeenOutcome {
    Completed,
    Failed,
    Panicked,
    Cancelled,
    /// It has dropped the block itself.
    Raced,
}

impl<E> From<&Outcome<E>> for SeenOutcome {
    fn from(outcome: &Outcome<E>) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Panicked => Self::Panicked,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// The manager's own code has begun.
    Begun,
    /// An await in its phases is over.
    Awaited,
    Acquired,
    Sees(SeenOutcome),
    Released,
    /// Its code has come to its end.
    Left,
    /// The resource was dropped without having been released.
    Lost,
    /// Something went wrong in its own code.
    Fault(Fault),
    /// It ends as if its block had not failed.
    Suppresses,
    BlockBegun,
    /// An await in its block is over.
    InBlock,
    BlockEnded(End),
    /// The whole `with!`, or that of a stack.
    WithEnded(End),
    /// The time of a manager that races its block is over: it drops the block.
    TimeIsOver,
    /// A race in its block is over: it drops what is in it.
    RaceIsOver,
    /// The scenario is in a `graceful` future, which is dropped.
    Abandoned,
    /// The scope around the scenario begins to stop it.
    StopBegins,
    /// The future of the scenario is about to be dropped, although it is being stopped.
    DropBegins,
    /// The future of the scenario has been dropped, or has come to its end.
    Gone,
}

/// An event in the life of a manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub who: Name,
    pub what: EventKind,
}

/// What goes wrong, and at which point: each await has one before it and one after it, and each phase has one.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    pub point: usize,
    pub fault: Fault,
}

/// How an await pends.
#[derive(Clone, Debug)]
pub enum Pend {
    /// It is woken at once, by itself.
    AtOnce,
    /// It is woken by who is told.
    ByAnother(mpsc::Sender<oneshot::Sender<()>>),
    /// It is woken by the clock, after a millisecond.
    Sleeping,
}

/// What Python says of a manager that ends before its `yield`, and the label of the crate's panic.
pub(crate) const NO_YIELD: &str = "RuntimeError(generator didn't yield)";
/// What Python says of a second `yield`, and the label of the crate's panic.
pub(crate) const NO_STOP: &str = "RuntimeError(generator didn't stop)";

/// What a program has of its run. It is gone when nothing of the program is left anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    inner: Arc<Inner>,
    /// Of the loops around what has it.
    round: u32,
}

#[derive(Debug)]
struct Inner {
    tally: Arc<Tally>,
    injection: Option<Injection>,
    pend: Pend,
    _alive: mpsc::Sender<Infallible>,
}

#[derive(Debug, Default)]
struct Tally {
    run: usize,
    state: Mutex<State>,
    points: AtomicUsize,
    waits: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// For the rules.
    events: Vec<Event>,
    /// For the comparison with Python.
    trace: Vec<String>,
    /// The error that was made last, but for those while the program was dropped. If one is under way, it is this.
    error: Option<Error>,
    is_being_dropped: bool,
    /// The panic that was made last, likewise.
    panic: Option<String>,
    /// The value of the block that was the last to end; nothing if it was suppressed.
    last: Option<i64>,
    /// The `with!`s under way that are told of as dropped with the whole.
    open: Vec<Name>,
}

/// What is left of a run for those who judge it.
#[derive(Debug)]
pub(crate) struct Record {
    tally: Arc<Tally>,
    alive: mpsc::Receiver<Infallible>,
}

impl Record {
    /// The program has come to its end, or has been dropped.
    pub(crate) fn gone(&self) {
        self.tally.add(OUTSIDE, EventKind::Gone);
    }

    /// A scope begins to stop the program.
    pub(crate) fn stops(&self) {
        self.tally.add(OUTSIDE, EventKind::StopBegins);
    }

    /// A `graceful` program is dropped, and the crate begins to stop it.
    pub(crate) fn abandons(&self) {
        self.tally.add(OUTSIDE, EventKind::Abandoned);
        self.stops();
    }

    /// A program that is being stopped is about to be dropped.
    pub(crate) fn cuts(&self) {
        self.tally.add(OUTSIDE, EventKind::DropBegins);
    }

    /// The program is about to be dropped at that suspension.
    pub(crate) fn drops(&self, suspension: usize) {
        let mut state = self.tally.state();
        state.trace.push(format!("cancel:{suspension}"));
        state.is_being_dropped = true;
        let open = std::mem::take(&mut state.open);
        state.events.extend(open.into_iter().map(|who| Event { who, what: EventKind::WithEnded(End::Dropped) }));
    }

    /// It has been dropped.
    pub(crate) fn dropped(&self) {
        self.tally.state().is_being_dropped = false;
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.tally.state().trace.clone()
    }

    /// Waits until nothing of the scenario is left.
    pub(crate) fn wait(&self) -> Result<(), String> {
        match self.alive.recv_timeout(Duration::from_secs(10)) {
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(()),
            _ => Err(format!("it hangs, or something of it is leaked\n{:?}", self.events())),
        }
    }

    pub(crate) fn run(&self) -> usize {
        self.tally.run
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.tally.state().events.clone()
    }

    /// How many points have been passed.
    pub(crate) fn points(&self) -> usize {
        self.tally.points.load(SeqCst)
    }

    /// How many awaits have begun.
    pub(crate) fn waits(&self) -> usize {
        self.tally.waits.load(SeqCst)
    }
}

impl Tally {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, who: Name, what: EventKind) {
        self.state().events.push(Event { who, what });
    }
}

impl Env {
    pub(crate) fn new(injection: Option<Injection>, pend: Pend) -> (Self, Record) {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let tally = Arc::new(Tally { run: RUNS.fetch_add(1, SeqCst), ..Tally::default() });
        let (alive, receiver) = mpsc::channel();
        let record = Record { tally: tally.clone(), alive: receiver };
        (Self { inner: Arc::new(Inner { tally, injection, pend, _alive: alive }), round: 0 }, record)
    }

    /// The same, in round `i` of a loop.
    pub(crate) fn in_round(&self, i: usize) -> Self {
        Self { round: inner_round(self.round, i), ..self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.tally.state()
    }

    /// Something happens, for the rules.
    pub(crate) fn add(&self, who: Name, what: EventKind) {
        self.inner.tally.add(who.in_round(self.round), what);
    }

    /// Something happens, for the comparison with Python.
    pub(crate) fn log(&self, event: impl Into<String>) {
        self.state().trace.push(event.into());
    }

    pub(crate) fn last(&self) -> Option<i64> {
        self.state().last
    }

    /// A block has come to its end: what follows it.
    pub(crate) fn after(&self, id: Name, value: Option<i64>) {
        self.log(value.map_or(format!("after:{id}:suppressed"), |value| format!("after:{id}:ok({value})")));
        self.state().last = value;
    }

    /// A place where something may go wrong: in the code of the manager `who`, or in its block.
    pub(crate) fn point(&self, who: Name, own: bool) -> Result<(), Error> {
        let point = self.inner.tally.points.fetch_add(1, SeqCst);
        match self.inner.injection {
            Some(injection) if injection.point == point && own => self.go(who, injection.fault),
            Some(Injection { point: at, fault: Fault::Fails }) if at == point => Err(self.fail("injected", who, who)),
            Some(injection) if injection.point == point => self.panic(who, who),
            _ => Ok(()),
        }
    }

    /// Something goes wrong in the code of the manager `who`.
    fn go(&self, who: Name, fault: Fault) -> Result<(), Error> {
        match fault {
            Fault::Fails => Err(self.own_failure("injected", who)),
            Fault::Panics => self.own_panic(who),
        }
    }

    /// A new error of the manager `who`.
    pub(crate) fn own_failure(&self, code: &str, who: Name) -> Error {
        self.add(who, EventKind::Fault(Fault::Fails));
        self.fail(code, who, who)
    }

    /// The manager `who` panics.
    pub(crate) fn own_panic(&self, who: Name) -> ! {
        self.add(who, EventKind::Fault(Fault::Panics));
        self.panic(who, who)
    }

    /// A new error, of that step or manager, in the code or the block of `who`.
    pub(crate) fn fail(&self, code: &str, origin: Name, who: Name) -> Error {
        let error = Error { code: code.to_owned(), label: format!("{code}@{origin}"), blame: self.blame(who) };
        let mut state = self.state();
        if !state.is_being_dropped {
            state.error = Some(error.clone());
        }
        drop(state);
        error
    }

    /// Panics, likewise.
    pub(crate) fn panic(&self, origin: Name, who: Name) -> ! {
        let label = format!("P@{origin}");
        self.will_panic(&label);
        resume_unwind(Box::new(Planned { label, blame: self.blame(who) }))
    }

    /// The crate is about to panic: so the managers will call it.
    pub(crate) fn will_panic(&self, label: &str) {
        self.state().panic = Some(label.to_owned());
    }

    /// The block of `who` did not end in time.
    pub(crate) fn raced(&self, who: Name) -> Error {
        self.fail("late", who, who)
    }

    fn blame(&self, who: Name) -> Blame {
        Blame { run: self.inner.tally.run, who: who.in_round(self.round) }
    }

    /// What a manager that errors pass by is not told: which error.
    pub(crate) fn reveal(&self, outcome: Outcome) -> Outcome<Error> {
        match outcome {
            Outcome::Completed => Outcome::Completed,
            Outcome::Failed(()) => Outcome::Failed(self.state().error.clone().unwrap_or_else(|| Error::labelled("?"))),
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }

    /// The outcome in an event.
    pub(crate) fn describe(&self, outcome: &Outcome<Error>) -> String {
        match outcome {
            Outcome::Completed => "completed".to_owned(),
            Outcome::Failed(error) => format!("failed({})", error.label),
            Outcome::Panicked => format!("panicked({})", self.state().panic.as_deref().unwrap_or("?")),
            Outcome::Cancelled => "cancelled".to_owned(),
        }
    }

    /// An await in the code of the manager `who` (`own`) or in its block.
    pub(crate) async fn pause(&self, who: Name, own: bool, event: &str) -> Result<(), Error> {
        self.point(who, own)?;
        self.log(event);
        self.inner.tally.waits.fetch_add(1, SeqCst);
        match &self.inner.pend {
            Pend::AtOnce => yields(1).await,
            Pend::ByAnother(another) => woken_by(another).await,
            Pend::Sleeping => tokio::time::sleep(MILLISECOND).await,
        }
        self.point(who, own)?;
        self.add(who, if own { EventKind::Awaited } else { EventKind::InBlock });
        Ok(())
    }

    /// Pends for so many polls. Then this happens to `who`, before anything else can.
    pub(crate) async fn time(&self, who: Name, is_over: EventKind, polls: usize) {
        yields(polls).await;
        self.add(who, is_over);
    }

    /// Awaits in a phase of the manager `who`; so many were before these.
    pub(crate) async fn pauses(&self, who: Name, phase: &str, before: usize, count: usize) -> Result<(), Error> {
        for i in before + 1..=before + count {
            self.pause(who, true, &format!("{phase}:{who}:{i}")).await?;
        }
        Ok(())
    }

    /// A `with!` of `who` begins that can't be followed, as jumps leave it: whoever has it says how it ends.
    pub(crate) fn open(&self, who: Name) -> Open<'_> {
        self.state().open.push(who.in_round(self.round));
        Open { env: self, who, is_closed: false, fails: AtomicBool::new(false) }
    }

    /// Follows `future`: `begun` and `ended` are what happens to `who`.
    pub(crate) fn watch<F, T>(
        &self,
        who: Name,
        begun: Option<EventKind>,
        ended: fn(End) -> EventKind,
        future: F,
    ) -> Watched<F>
    where
        F: Future<Output = Result<T, Error>> + Unpin,
    {
        Watched { env: self.clone(), who, begun, ended, state: Watching::New, future }
    }
}

/// Pends once in any case: `another` is told when somebody can be woken.
async fn woken_by(another: &mpsc::Sender<oneshot::Sender<()>>) {
    let (waker, mut woken) = oneshot::channel();
    let mut waker = Some(waker);
    let woken = poll_fn(|cx| {
        let polled = Pin::new(&mut woken).poll(cx);
        if let Some(waker) = waker.take() {
            another.send(waker).expect("it listens as long as there is a scenario");
        }
        polled
    });
    woken.await.expect("it wakes all");
}

/// A future whose end is told of, whatever it is; that it is dropped is told of before it is.
pub(crate) struct Watched<F> {
    env: Env,
    who: Name,
    begun: Option<EventKind>,
    ended: fn(End) -> EventKind,
    state: Watching,
    future: F,
}

#[derive(PartialEq)]
enum Watching {
    New,
    Polling,
    Pending,
    Ended,
}

impl<F: Future<Output = Result<T, Error>> + Unpin, T> Future for Watched<F> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let (Watching::New, Some(begun)) = (&self.state, self.begun) {
            self.env.add(self.who, begun);
        }
        self.state = Watching::Polling;
        let polled = Pin::new(&mut self.future).poll(cx);
        self.state = if polled.is_ready() { Watching::Ended } else { Watching::Pending };
        if let Poll::Ready(result) = &polled {
            let end = if result.is_ok() { End::Done } else { End::Failed };
            self.env.add(self.who, (self.ended)(end));
        }
        polled
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        match self.state {
            Watching::New | Watching::Ended => {}
            Watching::Polling => self.env.add(self.who, (self.ended)(End::Panicked)),
            Watching::Pending => self.env.add(self.who, (self.ended)(End::Dropped)),
        }
    }
}

/// A `with!` under way.
pub(crate) struct Open<'e> {
    env: &'e Env,
    who: Name,
    is_closed: bool,
    fails: AtomicBool,
}

impl Open<'_> {
    pub(crate) fn ends<T>(mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.close(if result.is_ok() { End::Done } else { End::Failed });
        result
    }

    /// If a block ends so, and nothing else is said, this is how the `with!` ends.
    pub(crate) fn block_ends<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        self.fails.store(result.is_err(), SeqCst);
        result
    }

    fn close(&mut self, end: End) {
        self.is_closed = true;
        let who = self.who.in_round(self.env.round);
        let mut state = self.env.state();
        // If the whole was dropped, that has been told of.
        if let Some(at) = state.open.iter().rposition(|open| *open == who) {
            state.open.remove(at);
            state.events.push(Event { who, what: EventKind::WithEnded(end) });
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.is_closed {
            let end = if *self.fails.get_mut() { End::Failed } else { End::Done };
            self.close(if std::thread::panicking() { End::Panicked } else { end });
        }
    }
}

impl Error {
    /// One of which no more is known.
    pub(crate) fn labelled(label: &str) -> Self {
        let code = label.split('@').next().expect("it has a first part").to_owned();
        Self { code, label: label.to_owned(), blame: Blame { run: usize::MAX, who: OUTSIDE } }
    }
}

/// What a panic is called.
pub(crate) fn label(payload: &(dyn Any + Send)) -> String {
    if let Some(Planned { label, .. }) = payload.downcast_ref() {
        return label.clone();
    }
    match payload.downcast_ref::<String>().map(String::as_str) {
        Some("`lawless` ended without reaching its `yield!`: return an `Err` to skip the block") => NO_YIELD.to_owned(),
        Some("`lawless` reached its `yield!` a second time") => NO_STOP.to_owned(),
        other => format!("unexpected: {other:?}"),
    }
}

/// What a manager acquires, lends, and has to release.
#[derive(Debug)]
pub(crate) struct Resource {
    env: Env,
    name: Name,
    pub(crate) value: i64,
    is_held: bool,
}

impl Resource {
    pub(crate) fn new(env: &Env, name: Name, value: i64) -> Self {
        env.add(name, EventKind::Acquired);
        Self { env: env.clone(), name, value, is_held: true }
    }

    pub(crate) fn release(&mut self) {
        self.is_held = false;
        self.env.add(self.name, EventKind::Released);
    }

    /// # Panics
    ///
    /// When it is used by who has not borrowed it.
    pub(crate) fn check(&mut self, name: Name) {
        assert!(self.is_held && self.name == name, "{self:?} is used as that of {name}");
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        if self.is_held {
            self.env.add(self.name, EventKind::Lost);
        }
    }
}
