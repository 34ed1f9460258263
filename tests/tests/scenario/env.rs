//! What a scenario runs in: the list of what happens, the awaits, and what goes wrong at one of them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use async_context_manager::Outcome;
use tests::yields;
use tokio::sync::oneshot;

use super::Node;

/// What is outside of all managers.
pub(crate) const OUTSIDE: char = '-';

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

/// The error of all managers and blocks.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Blame);

/// What is panicked with. It is not thrown by `panic!`, so the panic hook is told only of panics that are not meant.
pub(crate) struct Planned(pub(crate) Blame);

/// In whose code, or in whose block, it went wrong, and in which run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blame {
    pub(crate) run: usize,
    pub(crate) who: char,
}

/// What can go wrong at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Fails,
    Panics,
}

impl Fault {
    fn happen(self, blame: Blame) -> Failure {
        match self {
            Self::Fails => Failure(blame),
            Self::Panics => resume_unwind(Box::new(Planned(blame))),
        }
    }
}

/// How a future ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Done,
    Failed,
    Panicked,
    Dropped,
}

/// What a manager sees at its marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SeenOutcome {
    Completed,
    Failed,
    Panicked,
    Cancelled,
    /// It has dropped the block itself.
    Raced,
}

impl<E> From<Outcome<E>> for SeenOutcome {
    fn from(outcome: Outcome<E>) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Panicked => Self::Panicked,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EventKind {
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
    BlockBegun,
    /// An await in its block is over.
    InBlock,
    BlockEnded(End),
    /// The whole `with!`, or that of a stack.
    WithEnded(End),
    /// The future of the scenario has been dropped, or has come to its end.
    Gone,
}

/// An event in the life of a manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) who: char,
    pub(crate) what: EventKind,
}

/// What goes wrong, and at which point: each await has one before it and one after it, and each phase has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Injection {
    pub(crate) point: usize,
    pub(crate) fault: Fault,
}

/// How an await pends.
#[derive(Clone, Debug)]
pub(crate) enum Pend {
    /// It is woken at once, by itself.
    AtOnce,
    /// It is woken by who is told.
    ByAnother(mpsc::Sender<oneshot::Sender<()>>),
    /// It is woken by the clock, after a millisecond.
    Sleeping,
}

/// What a scenario has of its run. It is gone when nothing of the scenario is left anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Env(Arc<Inner>);

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
    events: Mutex<Vec<Event>>,
    points: AtomicUsize,
    waits: AtomicUsize,
}

/// What is left of a run for those who judge it.
#[derive(Debug)]
pub(crate) struct Record {
    tally: Arc<Tally>,
    alive: mpsc::Receiver<Infallible>,
}

impl Record {
    pub(crate) fn add(&self, what: EventKind) {
        self.tally.add(OUTSIDE, what);
    }

    /// Waits until nothing of the scenario is left.
    pub(crate) fn wait(&self) -> Result<(), String> {
        match self.alive.recv_timeout(Duration::from_secs(10)) {
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(()),
            _ => Err(format!("it hangs, or something of it is leaked\n{:?}", self.events())),
        }
    }

    /// Whether nothing of the scenario is left.
    pub(crate) fn is_over(&self) -> bool {
        self.alive.try_recv() == Err(mpsc::TryRecvError::Disconnected)
    }

    pub(crate) fn run(&self) -> usize {
        self.tally.run
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.tally.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    fn add(&self, who: char, what: EventKind) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(Event { who, what });
    }
}

impl Env {
    pub(crate) fn new(injection: Option<Injection>, pend: Pend) -> (Self, Record) {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let tally = Arc::new(Tally { run: RUNS.fetch_add(1, SeqCst), ..Tally::default() });
        let (alive, receiver) = mpsc::channel();
        let record = Record { tally: tally.clone(), alive: receiver };
        (Self(Arc::new(Inner { tally, injection, pend, _alive: alive })), record)
    }

    pub(crate) fn add(&self, who: char, what: EventKind) {
        self.0.tally.add(who, what);
    }

    /// A place where something may go wrong: in the code of the manager `who`, or in its block.
    pub(crate) fn point(&self, who: char, own: bool) -> Result<(), Failure> {
        let point = self.0.tally.points.fetch_add(1, SeqCst);
        match self.0.injection {
            Some(injection) if injection.point == point => self.go(who, own, injection.fault),
            _ => Ok(()),
        }
    }

    /// Something goes wrong.
    pub(crate) fn go(&self, who: char, own: bool, fault: Fault) -> Result<(), Failure> {
        if own {
            self.add(who, EventKind::Fault(fault));
        }
        Err(fault.happen(self.blame(who)))
    }

    /// The block of `who` did not end in time.
    pub(crate) fn raced(&self, who: char) -> Failure {
        Failure(self.blame(who))
    }

    fn blame(&self, who: char) -> Blame {
        Blame { run: self.0.tally.run, who }
    }

    /// An await in the manager's code (`own`) or in its block.
    pub(crate) async fn pause(&self, who: char, own: bool) -> Result<(), Failure> {
        self.point(who, own)?;
        self.0.tally.waits.fetch_add(1, SeqCst);
        match &self.0.pend {
            Pend::AtOnce => yields(1).await,
            Pend::ByAnother(another) => woken_by(another).await,
            Pend::Sleeping => tokio::time::sleep(MILLISECOND).await,
        }
        self.point(who, own)?;
        self.add(who, if own { EventKind::Awaited } else { EventKind::InBlock });
        Ok(())
    }

    pub(crate) async fn pauses(&self, who: char, count: usize) -> Result<(), Failure> {
        for _ in 0..count {
            self.pause(who, true).await?;
        }
        Ok(())
    }

    /// Follows `future`: `begun` and `ended` are what happens to `who`.
    pub(crate) fn watch<F>(
        &self,
        who: char,
        begun: Option<EventKind>,
        ended: fn(End) -> EventKind,
        future: F,
    ) -> Watched<F>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        Watched { env: self.clone(), who, begun, ended, state: State::New, future: Box::pin(future) }
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
    who: char,
    begun: Option<EventKind>,
    ended: fn(End) -> EventKind,
    state: State,
    future: Pin<Box<F>>,
}

#[derive(PartialEq)]
enum State {
    New,
    Polling,
    Pending,
    Ended,
}

impl<F: Future<Output = Result<(), Failure>>> Future for Watched<F> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let (State::New, Some(begun)) = (&self.state, self.begun) {
            self.env.add(self.who, begun);
        }
        self.state = State::Polling;
        let polled = self.future.as_mut().poll(cx);
        self.state = if polled.is_ready() { State::Ended } else { State::Pending };
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
            State::New | State::Ended => {}
            State::Polling => self.env.add(self.who, (self.ended)(End::Panicked)),
            State::Pending => self.env.add(self.who, (self.ended)(End::Dropped)),
        }
    }
}

/// What a manager acquires, lends, and has to release.
#[derive(Debug)]
pub(crate) struct Resource {
    env: Env,
    name: char,
    is_held: bool,
}

impl Resource {
    /// The enter phase of `node`.
    pub(crate) async fn acquire(env: &Env, node: &Node) -> Result<Self, Failure> {
        env.add(node.name, EventKind::Begun);
        env.point(node.name, true)?;
        env.pauses(node.name, node.enter[0]).await?;
        env.add(node.name, EventKind::Acquired);
        let resource = Self { env: env.clone(), name: node.name, is_held: true };
        env.pauses(node.name, node.enter[1]).await?;
        node.enters.map_or(Ok(()), |fault| env.go(node.name, true, fault))?;
        Ok(resource)
    }

    /// The exit phase.
    pub(crate) async fn release(&mut self, node: &Node) -> Result<(), Failure> {
        let env = self.env.clone();
        env.point(node.name, true)?;
        env.pauses(node.name, node.exit[0]).await?;
        node.leaves.map_or(Ok(()), |fault| env.go(node.name, true, fault))?;
        self.is_held = false;
        env.add(node.name, EventKind::Released);
        env.pauses(node.name, node.exit[1]).await?;
        env.add(node.name, EventKind::Left);
        Ok(())
    }

    /// # Panics
    ///
    /// When it is used by who has not borrowed it.
    pub(crate) fn check(&mut self, name: char) {
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
