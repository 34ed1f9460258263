//! Random programs of nested scopes, which are stopped and dropped, and how they run.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use async_context_manager::{
    CancelScope, Outcome, Task, TaskGroup, TaskGroupError, async_context_manager, cancel_scope, graceful,
    move_on_after, nullcontext, stop_when, task_group, timeout, with,
};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tests::yields;
use tokio::sync::oneshot;

use super::pool::{Conn, Cut, Lease, Phase, Pool, Terms};
use super::{Planned, Random, require};

/// The number of transactions that may be nested. Each level has a pool of its own, so that no two programs wait for
/// each other.
const LEVELS: usize = 4;

/// A limit that no test reaches.
const HOUR: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(crate) struct Failure;

pub(crate) type Ended = Result<(), Failure>;

/// What all programs share.
pub(crate) struct World {
    pub(crate) pools: [Arc<Pool>; LEVELS],
    /// The number of scopes that have been reached: `with!`s, tasks of groups, and `graceful` futures.
    pub(crate) scopes: AtomicUsize,
    /// How often each kind of scope was stopped or dropped.
    pub(crate) stops: Mutex<BTreeMap<&'static str, usize>>,
    thread: mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

impl World {
    /// Returns a world, and the thread that stops scopes of it. The thread ends when the world is gone.
    pub(crate) fn new() -> (Arc<Self>, thread::JoinHandle<()>) {
        let (sender, requests) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let stopper = thread::spawn(move || requests.into_iter().for_each(|request| request()));
        let (scopes, stops) = (AtomicUsize::new(0), Mutex::default());
        let pools = [(); LEVELS].map(|()| Pool::new());
        (Arc::new(Self { pools, scopes, stops, thread: sender }), stopper)
    }

    /// Calls `request` on the thread that stops scopes.
    fn elsewhere(&self, patience: usize, request: impl FnOnce() + Send + 'static) {
        let request = move || {
            (0..patience).for_each(|_| thread::yield_now());
            request();
        };
        self.thread.send(Box::new(request)).expect("the thread lives as long as the world");
    }

    fn count(&self, stop: &'static str) {
        *self.stops.lock().unwrap().entry(stop).or_default() += 1;
    }
}

// ---- Programs ----------------------------------------------------------------

/// The end of a block that nothing stops.
#[derive(Clone, Copy, Debug)]
enum Way {
    Value,
    Failure,
    Panic,
    Never,
}

#[derive(Clone, Copy, Debug)]
struct Transaction {
    is_shielded: bool,
    /// How often its enter phase and its exit phase are pending.
    awaits: [usize; 2],
    /// How often its first query is pending.
    polls: usize,
    /// Whether the block ends by a `return`.
    returns: bool,
    /// Whether its exit phase contains a group.
    has_group: bool,
    exit: Way,
}

#[derive(Clone, Copy, Debug)]
enum Stop {
    CancelledByATask,
    CancelledByAThread,
    CancelledByItself,
    WhenAFutureEnds,
    WhenAThreadSends,
    Timeout,
    MoveOnAfter,
}

/// What the block of a group does before anything else.
#[derive(Clone, Copy, Debug)]
enum GroupStop {
    AwaitsTasks,
    AbortsOne,
    AbortsAll,
    HasAThreadAbortEach,
    HasAThreadAbortAll,
    Fails,
    Nothing,
}

#[derive(Debug)]
enum Node {
    /// Is pending so often, and ends.
    Leaf(usize, Way),
    Transaction(Transaction, Program),
    Scope(Stop, usize, Program),
    /// Is dropped after so many polls.
    Dropped(usize, Program),
    /// Is polled with a waker that keeps stops out.
    Hidden(Program),
    Graceful(Option<Duration>, Program),
    /// `is_calm`: none of the two panics, which would drop the other one.
    Join {
        is_calm: bool,
        both: [Program; 2],
    },
    Group(GroupStop, usize, Vec<Program>, Program),
}

pub(crate) type Program = Arc<ProgramNode>;

#[derive(Debug)]
pub(crate) struct ProgramNode(Node);

/// What is known about the place of a part of a program.
#[derive(Clone, Copy)]
struct Bounds {
    depth: usize,
    level: usize,
    /// Whether a scope around it is certain to be stopped or dropped, so that it need not end by itself.
    is_stopped: bool,
    /// Whether it must not panic.
    is_calm: bool,
}

impl Random {
    /// Returns a program that ends, or that ends if it is stopped.
    pub(crate) fn program(&mut self, is_stopped: bool) -> Program {
        self.node(Bounds { depth: 7, level: 0, is_stopped, is_calm: false })
    }

    fn node(&mut self, bounds: Bounds) -> Program {
        let inner = Bounds { depth: bounds.depth.saturating_sub(1), ..bounds };
        let stopped = Bounds { is_stopped: true, ..inner };
        let patience = self.below(12);
        let node = match self.below(100) {
            _ if bounds.depth == 0 => self.leaf(bounds),
            0..42 if bounds.level < LEVELS => {
                let plan = self.transaction(bounds);
                Node::Transaction(plan, self.node(Bounds { level: bounds.level + 1, ..inner }))
            }
            42..63 => Node::Scope(self.stop(), patience, self.node(stopped)),
            63..67 => Node::Dropped(patience, self.node(stopped)),
            67..69 => Node::Hidden(self.node(inner)),
            69..76 => Node::Graceful(self.limit(), self.node(inner)),
            76..81 => self.join(inner),
            81..89 => self.group(inner, patience),
            _ => self.leaf(bounds),
        };
        Arc::new(ProgramNode(node))
    }

    fn leaf(&mut self, bounds: Bounds) -> Node {
        let way = match self.below(20) {
            0..10 if bounds.is_stopped => Way::Never,
            0 if !bounds.is_calm => Way::Panic,
            1 | 2 => Way::Failure,
            _ => Way::Value,
        };
        Node::Leaf(self.below(6), way)
    }

    fn transaction(&mut self, bounds: Bounds) -> Transaction {
        let exit = match self.below(50) {
            0 if !bounds.is_calm => Way::Panic,
            1 => Way::Failure,
            _ => Way::Value,
        };
        let awaits = [self.below(3), self.below(4)];
        Transaction {
            is_shielded: self.percent(20),
            awaits,
            polls: self.below(3),
            returns: self.percent(20),
            has_group: self.percent(10),
            exit,
        }
    }

    /// Time limits are rare, because the timer's tick is a thousand times as long as all the rest.
    fn stop(&mut self) -> Stop {
        match self.below(100) {
            0..25 => Stop::CancelledByATask,
            25..50 => Stop::CancelledByAThread,
            50..60 => Stop::CancelledByItself,
            60..80 => Stop::WhenAFutureEnds,
            80..96 => Stop::WhenAThreadSends,
            96..98 => Stop::Timeout,
            _ => Stop::MoveOnAfter,
        }
    }

    fn limit(&mut self) -> Option<Duration> {
        match self.below(20) {
            0 => Some(Duration::ZERO),
            1..6 => Some(HOUR),
            _ => None,
        }
    }

    fn join(&mut self, bounds: Bounds) -> Node {
        let is_calm = bounds.is_calm || self.percent(70);
        let branch = Bounds { depth: bounds.depth.saturating_sub(1), is_calm, ..bounds };
        Node::Join { is_calm, both: [self.node(branch), self.node(branch)] }
    }

    fn group(&mut self, bounds: Bounds, patience: usize) -> Node {
        let (stop, stops) = match self.below(7) {
            0 => (GroupStop::AwaitsTasks, false),
            1 => (GroupStop::AbortsOne, false),
            2 => (GroupStop::AbortsAll, true),
            3 => (GroupStop::HasAThreadAbortEach, true),
            4 => (GroupStop::HasAThreadAbortAll, true),
            5 => (GroupStop::Fails, true),
            _ => (GroupStop::Nothing, false),
        };
        let block = Bounds { depth: bounds.depth.saturating_sub(1), ..bounds };
        let child = Bounds { is_stopped: bounds.is_stopped || stops, ..block };
        let children = (0..=self.below(3)).map(|_| self.node(child)).collect();
        Node::Group(stop, patience, children, self.node(block))
    }
}

// ---- How they run ------------------------------------------------------------

/// The place of a part of a program: what may happen to the managers in it.
#[derive(Clone)]
pub(crate) struct Place {
    world: Arc<World>,
    level: usize,
    cut: Cut,
    awaited: Vec<Arc<AtomicUsize>>,
}

impl Place {
    /// Returns the place of a program in a task, which may be aborted.
    pub(crate) fn of_task(world: &Arc<World>, may_be_aborted: bool) -> Self {
        let cut = if may_be_aborted { Cut::Always } else { Cut::AtShutdown };
        Self { world: Arc::clone(world), level: 0, cut, awaited: Vec::new() }
    }

    fn in_transaction(self) -> Self {
        Self { level: self.level + 1, ..self }
    }

    /// Returns the place in a scope that waits for the managers in it, and counts them.
    fn in_scope(mut self, open: &Arc<AtomicUsize>) -> Self {
        self.world.scopes.fetch_add(1, SeqCst);
        self.awaited.push(Arc::clone(open));
        self
    }

    /// Returns the place of something that may be dropped.
    fn dropped(self) -> Self {
        Self { cut: Cut::Always, awaited: Vec::new(), ..self }
    }

    fn graceful(self, limit: Option<Duration>) -> Self {
        self.world.scopes.fetch_add(1, SeqCst);
        let cut = if limit == Some(Duration::ZERO) { self.cut } else { Cut::Never };
        Self { cut, ..self }
    }

    /// Returns the place of a task of a group, which nothing drops but its runtime.
    fn in_task(&self) -> Self {
        self.world.scopes.fetch_add(1, SeqCst);
        Self { cut: Cut::AtShutdown, ..self.clone() }
    }

    fn terms(&self, is_shielded: bool) -> Terms {
        // No scope waits for a shielded manager that is still entering.
        let awaited = if is_shielded { Vec::new() } else { self.awaited.clone() };
        Terms { cut: self.cut, shielded: is_shielded, awaited }
    }
}

/// Runs a program.
pub(crate) fn run(place: Place, program: &Program) -> BoxFuture<'static, Ended> {
    let program = Arc::clone(program);
    Box::pin(async move {
        match &program.0 {
            Node::Leaf(polls, way) => {
                yields(*polls).await;
                end(*way).await
            }
            Node::Transaction(plan, inner) => transacts(place, *plan, inner).await,
            Node::Scope(stop, patience, inner) => stops(place, *stop, *patience, inner).await,
            Node::Dropped(patience, inner) => drops(place, *patience, inner).await,
            Node::Hidden(inner) => {
                let mut hidden = FuturesUnordered::from_iter([run(place.dropped(), inner)]);
                hidden.next().await.expect("there is one")
            }
            Node::Graceful(None, inner) => graceful(run(place.graceful(None), inner)).await,
            Node::Graceful(limit, inner) => {
                graceful(run(place.graceful(*limit), inner)).within(limit.unwrap_or(HOUR)).await
            }
            Node::Join { is_calm, both: [left, right] } => {
                let place = if *is_calm { place } else { place.dropped() };
                let (left, right) = tokio::join!(run(place.clone(), left), run(place, right));
                left.and(right)
            }
            Node::Group(stop, patience, children, block) => groups(place, *stop, *patience, children, block).await,
        }
    })
}

async fn end(way: Way) -> Ended {
    match way {
        Way::Value => Ok(()),
        Way::Failure => Err(Failure),
        Way::Panic => resume_unwind(Box::new(Planned)),
        Way::Never => pending().await,
    }
}

// ---- Transactions ------------------------------------------------------------

#[async_context_manager]
async fn transaction(pool: &Pool, terms: Terms, plan: Transaction) -> Result<&mut Conn, Failure> {
    let mut lease = pool.acquire(terms).await;
    lease.begin(plan.awaits[0]).await;
    let outcome = r#yield!(&mut lease.conn);
    leave(&mut lease, outcome, plan).await
}

#[async_context_manager(shielded)]
async fn shielded_transaction(pool: Arc<Pool>, terms: Terms, plan: Transaction) -> Result<&mut Conn, Failure> {
    let mut lease = pool.acquire(terms).await;
    lease.begin(plan.awaits[0]).await;
    let outcome = r#yield!(&mut lease.conn);
    leave(&mut lease, outcome, plan).await
}

/// The exit phase. A scope in it works as usual, also if a scope around the transaction stops it.
async fn leave(lease: &mut Lease<'_>, outcome: Outcome, plan: Transaction) -> Ended {
    lease.phase = Phase::Leaving;
    let block_end = lease.conn.block_end;
    let is_expected = match outcome {
        Outcome::Completed => block_end == Some(true),
        Outcome::Failed(()) => block_end == Some(false),
        Outcome::Panicked | Outcome::Cancelled => block_end.is_none(),
    };
    require(is_expected, || format!("a block that ended as {block_end:?} is {outcome:?}"));
    let stopped = with!(cancel_scope() as scope => {
        scope.cancel();
        pending::<()>().await;
    });
    require(stopped.is_none(), || "a scope in an exit phase was not stopped".to_owned());
    // A drop may have no runtime for the task.
    if plan.has_group && !outcome.is_cancelled() {
        works_in_task(plan.polls).await?;
    }
    lease.leave(outcome, plan.awaits[1]).await;
    end(plan.exit).await
}

/// Enters and leaves a manager in a task. In an exit phase, no scope around it keeps it from that.
async fn works_in_task(polls: usize) -> Ended {
    let value = with!(task_group::<Failure>() as group => {
        let task = group.spawn(async move {
            yields(polls).await;
            Ok(with!(nullcontext(polls) as value => {
                yields(value).await;
                value
            }))
        });
        task.await
    });
    require(value.as_ref().is_ok_and(|&value| value == polls), || format!("the task of an exit phase: {value:?}"));
    value.map(drop).map_err(TaskGroupError::into_first)
}

async fn transacts(place: Place, plan: Transaction, inner: &Program) -> Ended {
    let pool = Arc::clone(&place.world.pools[place.level]);
    let terms = place.terms(plan.is_shielded);
    let open = Arc::default();
    let inside = place.in_scope(&open).in_transaction();
    let ended = if plan.is_shielded {
        in_shielded_transaction(pool, terms, plan, run(inside, inner)).await
    } else {
        in_transaction(&pool, terms, plan, run(inside, inner)).await
    };
    check_left(&open, "transaction");
    ended
}

async fn in_transaction(pool: &Pool, terms: Terms, plan: Transaction, inner: BoxFuture<'static, Ended>) -> Ended {
    with!(transaction(pool, terms, plan) as conn => {
        let ended = queries(conn, plan, inner).await;
        if plan.returns {
            return ended;
        }
        ended?;
    })
}

async fn in_shielded_transaction(
    pool: Arc<Pool>,
    terms: Terms,
    plan: Transaction,
    inner: BoxFuture<'static, Ended>,
) -> Ended {
    with!(shielded_transaction(pool, terms, plan) as conn => {
        let ended = queries(conn, plan, inner).await;
        if plan.returns {
            return ended;
        }
        ended?;
    })
}

/// The block of a transaction, which notes its end.
async fn queries(conn: &mut Conn, plan: Transaction, inner: BoxFuture<'static, Ended>) -> Ended {
    conn.query(yields(plan.polls)).await;
    let ended = conn.query(inner).await;
    conn.block_end = Some(ended.is_ok());
    ended
}

/// Records a fault if the scope has ended before a manager in it.
fn check_left(open: &AtomicUsize, what: &str) {
    let open = open.load(SeqCst);
    require(open == 0, || format!("{open} managers in a {what} that has ended have not been left"));
}

// ---- Scopes ------------------------------------------------------------------

async fn stops(place: Place, stop: Stop, patience: usize, inner: &Program) -> Ended {
    let (world, open) = (Arc::clone(&place.world), Arc::default());
    let inside = run(place.in_scope(&open), inner);
    let ended = match stop {
        Stop::CancelledByATask | Stop::CancelledByAThread | Stop::CancelledByItself => {
            with!(cancel_scope() as scope => {
                cancels(&world, stop, patience, scope);
                inside.await
            })
        }
        Stop::WhenAFutureEnds => with!(stop_when(yields(patience)) => inside.await),
        Stop::WhenAThreadSends => {
            let (sender, sent) = oneshot::channel();
            world.elsewhere(patience, move || sender.send(()).unwrap_or(()));
            with!(stop_when(sent) => inside.await)
        }
        Stop::Timeout => with!(timeout(micros(patience)) => inside.await).ok(),
        Stop::MoveOnAfter => with!(move_on_after(micros(patience)) => inside.await),
    };
    check_left(&open, "scope");
    if ended.is_none() {
        world.count(name(stop));
    }
    ended.unwrap_or(Ok(()))
}

fn micros(patience: usize) -> Duration {
    Duration::from_micros(40 * patience as u64)
}

fn cancels(world: &World, stop: Stop, patience: usize, scope: CancelScope) {
    match stop {
        Stop::CancelledByATask => drop(tokio::spawn(async move {
            yields(patience).await;
            scope.cancel();
        })),
        Stop::CancelledByAThread => world.elsewhere(patience, move || scope.cancel()),
        _ => scope.cancel(),
    }
}

const fn name(stop: Stop) -> &'static str {
    match stop {
        Stop::CancelledByATask => "cancelled by a task",
        Stop::CancelledByAThread => "cancelled by a thread",
        Stop::CancelledByItself => "cancelled by itself",
        Stop::WhenAFutureEnds => "stop_when",
        Stop::WhenAThreadSends => "stop_when, from a thread",
        Stop::Timeout => "timeout",
        Stop::MoveOnAfter => "move_on_after",
    }
}

async fn drops(place: Place, patience: usize, inner: &Program) -> Ended {
    let world = Arc::clone(&place.world);
    tokio::select! {
        biased;
        ended = run(place.dropped(), inner) => ended,
        () = yields(patience) => {
            world.count("dropped");
            Ok(())
        }
    }
}

// ---- Groups ------------------------------------------------------------------

async fn groups(place: Place, stop: GroupStop, patience: usize, children: &[Program], block: &Program) -> Ended {
    let (world, open) = (Arc::clone(&place.world), Arc::default());
    let ended = in_group(place.in_scope(&open), stop, patience, children, block).await;
    check_left(&open, "group");
    if ended.is_err() {
        world.count("a group that failed");
    }
    ended
}

async fn in_group(place: Place, stop: GroupStop, patience: usize, children: &[Program], block: &Program) -> Ended {
    let ended = with!(task_group() as group => {
        let tasks = children.iter().map(|child| group.spawn(run(place.in_task(), child))).collect();
        stop_tasks(&place.world, stop, patience, group, tasks).await?;
        run(place, block).await
    });
    ended.map_err(TaskGroupError::into_first)?
}

async fn stop_tasks(
    world: &World,
    stop: GroupStop,
    patience: usize,
    group: &TaskGroup<Failure>,
    mut tasks: Vec<Task<()>>,
) -> Ended {
    match stop {
        GroupStop::HasAThreadAbortEach => {
            world.elsewhere(patience, move || tasks.into_iter().for_each(Task::abort));
            return Ok(());
        }
        GroupStop::HasAThreadAbortAll => {
            let group = group.clone();
            world.elsewhere(patience, move || group.abort_all());
            return Ok(());
        }
        _ => yields(patience).await,
    }
    match stop {
        GroupStop::AwaitsTasks => {
            for task in tasks {
                task.await;
            }
        }
        GroupStop::AbortsOne => tasks.swap_remove(0).abort(),
        GroupStop::AbortsAll => group.abort_all(),
        GroupStop::Fails => return Err(Failure),
        _ => {}
    }
    Ok(())
}
