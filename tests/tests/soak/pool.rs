//! A pool of connections that forgives nothing: it records a fault if a connection is used twice, leaked or dirty, or if
//! an exit phase was cut that must be awaited.

use std::collections::BTreeMap;
use std::mem::{replace, take};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::panicking;

use async_context_manager::Outcome;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use super::{complain, faults, require};

/// The number of connections. There are more clients, so that some wait.
const CONNS: usize = 8;

/// The phase of the manager of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    Entering,
    Lent,
    Leaving,
}

/// What has become of a connection that was acquired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fate {
    Committed,
    RolledBack,
    /// Rolled back after its block was stopped or dropped.
    Cancelled,
    RolledBackAtOnce,
    DroppedEntering,
    DroppedLeaving,
    Leaked,
}

/// When the exit phase of a manager may be dropped before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    Never,
    /// Only when its runtime is dropped.
    AtShutdown,
    Always,
}

/// The rules for the manager of a connection.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) cut: Cut,
    /// Whether its enter phase is completed in any case.
    pub(crate) shielded: bool,
    /// For each scope that must wait for the manager: how many such managers it contains.
    pub(crate) awaited: Vec<Arc<AtomicUsize>>,
}

#[derive(Default)]
pub(crate) struct Conn {
    number: usize,
    in_transaction: bool,
    in_query: bool,
    /// Whether the block has ended without an error. `None` if it has not ended.
    pub(crate) block_end: Option<bool>,
}

impl Conn {
    /// Runs a query, which ends when `work` does. If it is dropped, it leaves the connection in the middle of a query.
    pub(crate) async fn query<F: Future>(&mut self, work: F) -> F::Output {
        require(self.in_transaction, || "a query outside of a transaction".to_owned());
        require(!replace(&mut self.in_query, true), || "two queries at once".to_owned());
        let output = work.await;
        self.in_query = false;
        output
    }

    pub(crate) fn end_transaction(&mut self) {
        require(take(&mut self.in_transaction), || "no transaction to end".to_owned());
        self.in_query = false;
    }

    fn is_clean(&self) -> bool {
        !self.in_transaction && !self.in_query
    }
}

pub(crate) struct Pool {
    free: Semaphore,
    idle: Mutex<Vec<Conn>>,
    lent: [AtomicBool; CONNS],
    pub(crate) acquired: AtomicUsize,
    pub(crate) is_shut_down: AtomicBool,
    pub(crate) fates: Mutex<BTreeMap<Fate, usize>>,
}

impl Pool {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            free: Semaphore::new(CONNS),
            idle: Mutex::new((0..CONNS).map(|number| Conn { number, ..Conn::default() }).collect()),
            lent: Default::default(),
            acquired: AtomicUsize::new(0),
            is_shut_down: AtomicBool::new(false),
            fates: Mutex::default(),
        })
    }

    pub(crate) async fn acquire(&self, terms: Terms) -> Lease<'_> {
        self.free.acquire().await.expect("it is never closed").forget();
        let conn = self.idle.lock().unwrap().pop().expect("a permit for each");
        let Conn { number, .. } = conn;
        require(!self.lent[number].swap(true, SeqCst), || format!("connection {number} is used twice"));
        require(conn.is_clean(), || format!("connection {number} is dirty"));
        self.acquired.fetch_add(1, SeqCst);
        for count in &terms.awaited {
            count.fetch_add(1, SeqCst);
        }
        Lease { pool: self, conn, phase: Phase::Entering, fate: None, terms }
    }

    fn take_back(&self, conn: Conn, fate: Fate) {
        let (number, clean) = (conn.number, conn.is_clean());
        let lent = self.lent[number].swap(false, SeqCst);
        *self.fates.lock().unwrap().entry(fate).or_default() += 1;
        self.idle.lock().unwrap().push(conn);
        self.free.add_permits(1);
        require(lent, || format!("connection {number} comes back twice"));
        require(clean, || format!("connection {number} comes back dirty"));
    }

    pub(crate) fn fate(&self, fate: Fate) -> usize {
        self.fates.lock().unwrap().get(&fate).copied().unwrap_or(0)
    }

    /// # Panics
    ///
    /// Panics unless all connections are back and clean, and each lease has a fate.
    pub(crate) fn check(&self) {
        let idle = self.idle.lock().unwrap();
        let mut numbers: Vec<_> = idle.iter().map(|conn| conn.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..CONNS).collect::<Vec<_>>(), "all are back");
        assert!(idle.iter().all(Conn::is_clean), "and clean");
        assert!(self.lent.iter().all(|lent| !lent.load(SeqCst)), "and nobody has one");
        assert_eq!(self.free.available_permits(), CONNS);
        assert_eq!(self.acquired.load(SeqCst), self.fates.lock().unwrap().values().sum());
        assert_eq!(faults(), [""; 0]);
    }
}

/// A connection that is in use.
pub(crate) struct Lease<'p> {
    pool: &'p Pool,
    pub(crate) conn: Conn,
    pub(crate) phase: Phase,
    /// `None` if its manager has not come to its end.
    pub(crate) fate: Option<Fate>,
    terms: Terms,
}

/// Is pending so often, and lets other tasks run.
async fn pause(awaits: usize) {
    for _ in 0..awaits {
        yield_now().await;
    }
}

impl Lease<'_> {
    /// Begins the transaction. The next thing is to lend the connection.
    pub(crate) async fn begin(&mut self, awaits: usize) {
        self.conn.in_transaction = true;
        pause(awaits).await;
        self.phase = Phase::Lent;
    }

    /// Ends the transaction after so many awaits.
    pub(crate) async fn leave(&mut self, outcome: Outcome, awaits: usize) {
        self.phase = Phase::Leaving;
        pause(awaits).await;
        self.conn.end_transaction();
        self.fate = Some(match outcome {
            Outcome::Completed => Fate::Committed,
            Outcome::Cancelled => Fate::Cancelled,
            Outcome::Failed(()) | Outcome::Panicked => Fate::RolledBack,
        });
    }

    /// Returns what has become of a lease that is dropped now.
    fn fate(&self) -> Fate {
        match (self.fate, self.phase) {
            (Some(fate), _) => fate,
            (None, Phase::Entering) => Fate::DroppedEntering,
            (None, Phase::Leaving) => Fate::DroppedLeaving,
            (None, Phase::Lent) => Fate::Leaked,
        }
    }

    fn check(&self, fate: Fate) {
        let Terms { cut, shielded, .. } = self.terms;
        let is_shut_down = self.pool.is_shut_down.load(SeqCst);
        let is_allowed = match fate {
            Fate::Committed | Fate::RolledBack | Fate::Cancelled | Fate::RolledBackAtOnce => true,
            Fate::DroppedEntering => !shielded,
            Fate::DroppedLeaving => match if shielded { Cut::Never } else { cut } {
                // An exit phase panics if the runtime drops the task that it waits for.
                Cut::Never => is_shut_down && panicking(),
                Cut::AtShutdown => is_shut_down,
                Cut::Always => true,
            },
            Fate::Leaked => false,
        };
        if !is_allowed {
            complain(format!("connection {} is {fate:?}; cut: {cut:?}, shielded: {shielded}", self.conn.number));
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let fate = self.fate();
        self.check(fate);
        // A connection that is in the middle of something is closed, and another is opened.
        let Conn { number, .. } = self.conn;
        let conn = if self.fate.is_some() { take(&mut self.conn) } else { Conn { number, ..Conn::default() } };
        self.pool.take_back(Conn { block_end: None, ..conn }, fate);
        for count in &self.terms.awaited {
            count.fetch_sub(1, SeqCst);
        }
    }
}
