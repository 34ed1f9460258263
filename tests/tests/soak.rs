//! A hundred thousand `with!`s on two threads, which end in every way there is, around a pool that forgives nothing.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::future::pending;
use std::mem;
use std::panic::{self, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

use async_context_manager::{Outcome, async_context_manager, rescue, timeout, with};
use futures::executor;
use tests::yields;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::error::Elapsed;

const CONNS: usize = 8;
/// A few more than there are connections, so that some wait for one.
const CLIENTS: usize = 10;
const SCOPES: usize = 100_000;

// ---- What must not panic -----------------------------------------------------

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Remembers every panic, on all threads, also those that somebody contains. The planned ones don't come here.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            usual(info);
        }));
        // What is cut off is counted. It need not be written as well.
        rescue::set_hook(|_loss| {});
    });
}

/// A copy: a failing assertion about the list itself, with the lock held, would have the hook wait for ever.
fn panics() -> Vec<String> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What a block panics with that is meant to.
struct Planned;

// ---- The pool ----------------------------------------------------------------

/// Which of its phases the manager of a connection is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Entering,
    Lent,
    Leaving,
}

/// What has become of a connection that was acquired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fate {
    Committed,
    RolledBack,
    RolledBackAtOnce,
    DroppedEntering,
    DroppedLeaving,
    Leaked,
}

#[derive(Default)]
struct Conn {
    number: usize,
    in_transaction: bool,
    in_query: bool,
}

impl Conn {
    /// Is left in the middle when it is dropped.
    async fn query(&mut self, polls: usize) {
        assert!(self.in_transaction, "a query outside a transaction");
        assert!(!mem::replace(&mut self.in_query, true), "two queries at once");
        yields(polls).await;
        self.in_query = false;
    }

    fn end_transaction(&mut self) {
        assert!(mem::take(&mut self.in_transaction), "no transaction to end");
        self.in_query = false;
    }

    fn is_clean(&self) -> bool {
        !self.in_transaction && !self.in_query
    }
}

struct Pool {
    free: Semaphore,
    idle: Mutex<Vec<Conn>>,
    lent: [AtomicBool; CONNS],
    acquired: AtomicUsize,
    fates: Mutex<BTreeMap<Fate, usize>>,
}

impl Pool {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            free: Semaphore::new(CONNS),
            idle: Mutex::new((0..CONNS).map(|number| Conn { number, ..Conn::default() }).collect()),
            lent: Default::default(),
            acquired: AtomicUsize::new(0),
            fates: Mutex::default(),
        })
    }

    async fn acquire(&self) -> Lease<'_> {
        self.free.acquire().await.expect("it is never closed").forget();
        let conn = self.idle.lock().unwrap().pop().expect("a permit for each");
        assert!(!self.lent[conn.number].swap(true, SeqCst), "connection {} is used twice", conn.number);
        assert!(conn.is_clean(), "connection {} is dirty", conn.number);
        self.acquired.fetch_add(1, SeqCst);
        Lease { pool: self, conn, phase: Phase::Entering, fate: None }
    }

    /// Panics when all is done, so that nobody waits for ever for a connection.
    fn take_back(&self, conn: Conn, fate: Fate) {
        let (number, clean) = (conn.number, conn.is_clean());
        let lent = self.lent[number].swap(false, SeqCst);
        *self.fates.lock().unwrap().entry(fate).or_default() += 1;
        self.idle.lock().unwrap().push(conn);
        self.free.add_permits(1);
        assert!(lent, "connection {number} comes back twice");
        assert!(clean, "connection {number} comes back dirty");
        assert_ne!(fate, Fate::Leaked, "connection {number} is leaked: its manager was not left");
    }

    fn fate(&self, fate: Fate) -> usize {
        self.fates.lock().unwrap().get(&fate).copied().unwrap_or(0)
    }

    /// # Panics
    ///
    /// Unless all connections are back and clean, and something has become of each that was acquired.
    fn check(&self) {
        let idle = self.idle.lock().unwrap();
        let mut numbers: Vec<_> = idle.iter().map(|conn| conn.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..CONNS).collect::<Vec<_>>(), "all are back");
        assert!(idle.iter().all(Conn::is_clean), "and clean");
        assert!(self.lent.iter().all(|lent| !lent.load(SeqCst)), "and nobody has one");
        assert_eq!(self.free.available_permits(), CONNS);
        assert_eq!(self.acquired.load(SeqCst), self.fates.lock().unwrap().values().sum());
        assert_eq!(panics(), [""; 0]);
    }
}

/// A connection that is in use.
struct Lease<'p> {
    pool: &'p Pool,
    conn: Conn,
    phase: Phase,
    /// What has been done about it, if it is done.
    fate: Option<Fate>,
}

impl Drop for Lease<'_> {
    /// Only an `.await` of the manager's own may be cut short. The connection is then closed, and another opened.
    fn drop(&mut self) {
        let Conn { number, .. } = self.conn;
        let fate = match (self.fate, self.phase) {
            (Some(fate), _) => return self.pool.take_back(mem::take(&mut self.conn), fate),
            (None, Phase::Entering) => Fate::DroppedEntering,
            (None, Phase::Leaving) => Fate::DroppedLeaving,
            (None, Phase::Lent) => Fate::Leaked,
        };
        self.pool.take_back(Conn { number, ..Conn::default() }, fate);
    }
}

#[async_context_manager]
async fn transaction(pool: &Pool) -> &mut Conn {
    let mut lease = pool.acquire().await;
    lease.conn.in_transaction = true;
    yield_now().await;
    lease.phase = Phase::Lent;
    let outcome = r#yield!(&mut lease.conn);
    let fate = match outcome {
        Outcome::Cancelled => Fate::RolledBackAtOnce,
        Outcome::Completed => Fate::Committed,
        Outcome::Failed(()) | Outcome::Panicked => Fate::RolledBack,
    };
    // After a cancellation nobody waits: what is done then is done without an `.await`, and can't be cut short.
    if !outcome.is_cancelled() {
        lease.phase = Phase::Leaving;
        yield_now().await;
    }
    lease.conn.end_transaction();
    lease.fate = Some(fate);
}

/// The same, but that no phase of it is ever cut short: so it may wait after a cancellation.
#[async_context_manager(shielded)]
async fn shielded_transaction(pool: Arc<Pool>) -> &mut Conn {
    let mut lease = pool.acquire().await;
    lease.conn.in_transaction = true;
    yield_now().await;
    lease.phase = Phase::Lent;
    let outcome = r#yield!(&mut lease.conn);
    lease.phase = Phase::Leaving;
    yield_now().await;
    lease.conn.end_transaction();
    lease.fate = Some(if outcome.is_completed() { Fate::Committed } else { Fate::RolledBack });
}

// ---- What clients do ---------------------------------------------------------

/// How a block ends that nobody stops.
#[derive(Clone, Copy, Debug)]
enum Way {
    Value,
    Return,
    QuestionMark,
    Panic,
    Never,
}

/// Who stops it.
#[derive(Clone, Copy, Debug)]
enum Limit {
    None,
    Abort,
    Outside(Duration),
    Inside(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    way: Way,
    limit: Limit,
    /// How often the query is pending.
    polls: usize,
    /// How long the one waits who aborts it.
    patience: usize,
    shielded: bool,
}

/// How it ended, as its client sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Ended {
    Done,
    Failed,
    Panicked,
    Aborted,
    TimedOut,
}

/// Out of time inside, or planned.
#[derive(Debug)]
struct Failure;

impl From<Elapsed> for Failure {
    fn from(_: Elapsed) -> Self {
        Self
    }
}

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).expect("below the limit")
    }

    /// Time limits are rare, as the timer's tick is a thousand times as long as all the rest.
    fn plan(&mut self, shielded: bool) -> Plan {
        let short = Duration::from_micros(self.below(500) as u64);
        let limit = match self.below(100) {
            0..40 => Limit::Abort,
            40 => Limit::Outside(short),
            41 => Limit::Inside(short),
            _ => Limit::None,
        };
        let way = match (self.below(10), limit) {
            (0..5, Limit::Abort | Limit::Outside(_)) => Way::Never,
            (0 | 5, _) => Way::Panic,
            (1 | 6, _) => Way::QuestionMark,
            (2 | 7, _) => Way::Return,
            _ => Way::Value,
        };
        Plan { way, limit, polls: self.below(4), patience: self.below(40), shielded }
    }
}

/// What is tested: one `with!` around a connection.
async fn scope(pool: Arc<Pool>, plan: Plan) -> Result<(), Failure> {
    if plan.shielded {
        return shielded_scope(pool, plan).await;
    }
    with!(transaction(&pool) as conn => {
        work(conn, plan).await?;
        match plan.way {
            Way::Value => Ok(()),
            Way::Return => return Ok(()),
            Way::QuestionMark => Err(Failure)?,
            // Not by `panic!`, which would tell the hook.
            Way::Panic => resume_unwind(Box::new(Planned)),
            Way::Never => pending().await,
        }
    })
}

/// The same.
async fn shielded_scope(pool: Arc<Pool>, plan: Plan) -> Result<(), Failure> {
    with!(shielded_transaction(pool) as conn => {
        work(conn, plan).await?;
        match plan.way {
            Way::Value => Ok(()),
            Way::Return => return Ok(()),
            Way::QuestionMark => Err(Failure)?,
            // Not by `panic!`, which would tell the hook.
            Way::Panic => resume_unwind(Box::new(Planned)),
            Way::Never => pending().await,
        }
    })
}

async fn work(conn: &mut Conn, plan: Plan) -> Result<(), Failure> {
    conn.query(plan.polls).await;
    if let Limit::Inside(limit) = plan.limit {
        with!(timeout(limit) => pending::<()>().await)?;
    }
    Ok(())
}

async fn run(pool: Arc<Pool>, plan: Plan) -> Ended {
    let scope = scope(pool, plan);
    let result = match plan.limit {
        Limit::Outside(limit) => tokio::time::timeout(limit, scope).await,
        _ => Ok(scope.await),
    };
    match result {
        Ok(Ok(())) => Ended::Done,
        Ok(Err(Failure)) => Ended::Failed,
        Err(_elapsed) => Ended::TimedOut,
    }
}

/// One `with!` in a task of its own, from its beginning to its end.
async fn attempt(pool: &Arc<Pool>, plan: Plan) -> Ended {
    let task = tokio::spawn(run(pool.clone(), plan));
    if let Limit::Abort = plan.limit {
        yields(plan.patience).await;
        task.abort();
    }
    match task.await {
        Ok(ended) => ended,
        Err(error) if error.is_cancelled() => Ended::Aborted,
        Err(error) => {
            assert!(error.into_panic().is::<Planned>(), "an unplanned panic");
            Ended::Panicked
        }
    }
}

/// All clients, each with its share of the `with!`s, which are shielded or not. Each tells of every end.
fn clients(runtime: &Runtime, pool: &Arc<Pool>, ends: &mpsc::Sender<Ended>, shielded: bool) -> Vec<JoinHandle<()>> {
    let client = |seed| {
        let (pool, ends) = (pool.clone(), ends.clone());
        async move {
            let mut random = Random(seed);
            for _ in 0..SCOPES / CLIENTS {
                // Else each of many would print its backtrace.
                if !panics().is_empty() {
                    return;
                }
                let ended = attempt(&pool, random.plan(shielded)).await;
                ends.send(ended).expect("somebody counts");
            }
        }
    };
    (0..CLIENTS as u64).map(|seed| runtime.spawn(client(seed))).collect()
}

fn two_workers() -> Runtime {
    watch_panics();
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// Has all clients come to their end: how their `with!`s did.
fn soak(pool: &Arc<Pool>, shielded: bool) -> BTreeMap<Ended, usize> {
    let (runtime, (sender, ends)) = (two_workers(), mpsc::channel());
    for client in clients(&runtime, pool, &sender, shielded) {
        runtime.block_on(client).expect("no client panics");
    }
    drop(sender);
    runtime.block_on(rescue::drain());
    let mut ended = BTreeMap::new();
    for end in ends {
        *ended.entry(end).or_default() += 1;
    }
    println!("{ended:?}\n{:?} of {:?}", pool.fates.lock().unwrap(), pool.acquired);
    pool.check();
    assert_eq!(ended.values().sum::<usize>(), SCOPES);
    ended
}

/// Drops the runtime of all clients in the middle.
fn drop_in_the_middle(pool: &Arc<Pool>, shielded: bool) {
    let (runtime, (sender, ends)) = (two_workers(), mpsc::channel());
    let clients = clients(&runtime, pool, &sender, shielded);
    drop(sender);
    let before = ends.iter().take(SCOPES / 20).count();
    drop(runtime);
    assert_eq!(before, SCOPES / 20);
    for client in clients {
        let error = tests::block_on(client).expect_err("it has not come to its end");
        assert!(error.is_cancelled(), "{error}");
    }
    executor::block_on(rescue::drain());
    pool.check();
}

#[test]
fn a_hundred_thousand_scopes_leave_the_pool_as_it_was() {
    let pool = Pool::new();
    let ended = soak(&pool, false);
    assert_eq!(ended[&Ended::Done], pool.fate(Fate::Committed));
    assert_eq!(ended[&Ended::Failed] + ended[&Ended::Panicked], pool.fate(Fate::RolledBack));
    // Those that were stopped: while they waited for a connection, and in each phase of their manager.
    let waiting = SCOPES - pool.acquired.load(SeqCst);
    let fates = [Fate::DroppedEntering, Fate::RolledBackAtOnce, Fate::DroppedLeaving].map(|fate| pool.fate(fate));
    assert_eq!(ended[&Ended::Aborted] + ended[&Ended::TimedOut], waiting + fates.iter().sum::<usize>());
    assert!(waiting > 0 && fates.iter().all(|&count| count > 0), "{waiting} and {fates:?}");
}

#[test]
fn a_hundred_thousand_shielded_scopes_are_all_left_to_their_end() {
    let pool = Pool::new();
    let ended = soak(&pool, true);
    let (committed, rolled_back) = (pool.fate(Fate::Committed), pool.fate(Fate::RolledBack));
    assert_eq!(committed + rolled_back, pool.acquired.load(SeqCst), "nothing is dropped");
    // Those that are aborted while they commit are committed all the same.
    assert!(committed > ended[&Ended::Done] && rolled_back > ended[&Ended::Failed] + ended[&Ended::Panicked]);
}

#[test]
fn a_runtime_that_is_dropped_in_the_middle_leaves_the_pool_as_it_was() {
    drop_in_the_middle(&Pool::new(), false);
}

#[test]
fn what_is_shielded_is_left_to_its_end_without_its_runtime() {
    let pool = Pool::new();
    drop_in_the_middle(&pool, true);
    assert_eq!(pool.fate(Fate::Committed) + pool.fate(Fate::RolledBack), pool.acquired.load(SeqCst));
}
