//! Scopes that are dropped: one `with!` around a connection in each task, and tasks that are aborted or out of time.

use std::collections::BTreeMap;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_context_manager::{async_context_manager, rescue, timeout, with};
use futures::executor;
use tests::yields;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;

use super::pool::{Conn, Cut, Fate, Pool, Terms};
use super::{CLIENTS, Planned, Random, SCOPES, faults, two_workers};

#[async_context_manager]
async fn transaction(pool: &Pool) -> &mut Conn {
    let mut lease = pool.acquire(Terms { cut: Cut::Always, shielded: false, awaited: Vec::new() }).await;
    lease.begin(1).await;
    let outcome = r#yield!(&mut lease.conn);
    if outcome.is_cancelled() {
        // Nobody waits after a drop. What is done without an `.await` cannot be cut.
        lease.conn.end_transaction();
        lease.fate = Some(Fate::RolledBackAtOnce);
    } else {
        lease.leave(outcome, 1).await;
    }
}

/// No phase of it is ever cut, so it may wait after a drop.
#[async_context_manager(shielded)]
async fn shielded_transaction(pool: Arc<Pool>) -> &mut Conn {
    let mut lease = pool.acquire(Terms { cut: Cut::Never, shielded: true, awaited: Vec::new() }).await;
    lease.begin(1).await;
    let outcome = r#yield!(&mut lease.conn);
    lease.leave(outcome, 1).await;
}

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

impl Random {
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
    conn.query(yields(plan.polls)).await;
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
                if !faults().is_empty() {
                    return;
                }
                let ended = attempt(&pool, random.plan(shielded)).await;
                ends.send(ended).expect("somebody counts");
            }
        }
    };
    (0..CLIENTS as u64).map(|seed| runtime.spawn(client(seed))).collect()
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
    assert_eq!(committed + rolled_back + pool.fate(Fate::Cancelled), pool.acquired.load(SeqCst), "nothing is dropped");
    // Those that are aborted while they commit are committed all the same.
    assert!(committed > ended[&Ended::Done] && rolled_back > ended[&Ended::Failed] + ended[&Ended::Panicked]);
    assert!(pool.fate(Fate::Cancelled) > 0);
}

#[test]
fn a_runtime_that_is_dropped_in_the_middle_leaves_the_pool_as_it_was() {
    drop_in_the_middle(&Pool::new(), false);
}

#[test]
fn what_is_shielded_is_left_to_its_end_without_its_runtime() {
    let pool = Pool::new();
    drop_in_the_middle(&pool, true);
    let left = [Fate::Committed, Fate::RolledBack, Fate::Cancelled].map(|fate| pool.fate(fate));
    assert_eq!(left.iter().sum::<usize>(), pool.acquired.load(SeqCst));
}
