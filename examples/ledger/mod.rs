//! Accounts in memory, with a pool of connections and with transactions, in place of a database on the network: a
//! statement waits for its answer, and a connection that is dropped in a transaction leaves that transaction open.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio::task::yield_now;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    Begin,
    Add,
    Commit,
    Rollback,
}

/// There is not enough money in the account.
#[derive(Debug)]
pub(crate) struct Overdrawn;

/// The numbers of transactions by how they have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) committed: usize,
    pub(crate) rolled_back: usize,
    pub(crate) left_open: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [(self.committed, "committed"), (self.rolled_back, "rolled back"), (self.left_open, "left open")];
        let some = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        f.pad(&some.collect::<Vec<_>>().join(", "))
    }
}

pub(crate) struct Ledger {
    /// A permit for each connection in the pool.
    pool: Semaphore,
    cents: Mutex<HashMap<&'static str, i64>>,
    tally: Mutex<Tally>,
    /// The statement that is not answered for now.
    held: watch::Sender<Option<Statement>>,
    /// A permit for each statement that waits because of `held`.
    waiting: Semaphore,
}

impl Ledger {
    pub(crate) fn new(connections: usize, accounts: &[(&'static str, i64)]) -> Self {
        Self {
            pool: Semaphore::new(connections),
            cents: Mutex::new(accounts.iter().copied().collect()),
            tally: Mutex::default(),
            held: watch::Sender::new(None),
            waiting: Semaphore::new(0),
        }
    }

    /// Takes a connection from the pool.
    pub(crate) async fn connect(self: &Arc<Self>) -> Connection {
        self.pool.acquire().await.expect("the pool is never closed").forget();
        Connection { ledger: self.clone(), is_open: false, added: Vec::new() }
    }

    /// The number of connections in the pool.
    pub(crate) fn idle(&self) -> usize {
        self.pool.available_permits()
    }

    /// The money in all accounts.
    pub(crate) fn total(&self) -> i64 {
        lock(&self.cents).values().sum()
    }

    /// Returns the numbers of the transactions that have ended since the last call.
    pub(crate) fn take_tally(&self) -> Tally {
        mem::take(&mut *lock(&self.tally))
    }

    /// From now on, such a statement waits.
    pub(crate) fn hold(&self, statement: Option<Statement>) {
        self.held.send_replace(statement);
    }

    /// Returns when so many statements wait.
    pub(crate) async fn has_held(&self, count: u32) {
        self.waiting.acquire_many(count).await.expect("it is never closed").forget();
    }

    async fn answer(&self, statement: Statement) {
        yield_now().await;
        let mut held = self.held.subscribe();
        if *held.borrow() == Some(statement) {
            self.waiting.add_permits(1);
            held.wait_for(Option::is_none).await.expect("the ledger has the sender");
        }
    }
}

/// A connection of the pool.
pub(crate) struct Connection {
    ledger: Arc<Ledger>,
    /// Whether a transaction is open.
    is_open: bool,
    /// The amount that the transaction has added to the account.
    added: Vec<(&'static str, i64)>,
}

impl Connection {
    pub(crate) async fn begin(&mut self) {
        self.is_open = true;
        self.ledger.answer(Statement::Begin).await;
    }

    /// Adds to an account, or takes from it.
    pub(crate) async fn add(&mut self, account: &'static str, cents: i64) -> Result<(), Overdrawn> {
        {
            let mut accounts = lock(&self.ledger.cents);
            let balance = accounts.entry(account).or_default();
            if *balance + cents < 0 {
                return Err(Overdrawn);
            }
            *balance += cents;
        }
        self.added.push((account, cents));
        self.ledger.answer(Statement::Add).await;
        Ok(())
    }

    pub(crate) async fn commit(&mut self) {
        self.ledger.answer(Statement::Commit).await;
        self.is_open = false;
        self.added.clear();
        lock(&self.ledger.tally).committed += 1;
    }

    pub(crate) async fn rollback(&mut self) {
        self.ledger.answer(Statement::Rollback).await;
        for (account, cents) in self.added.drain(..) {
            *lock(&self.ledger.cents).entry(account).or_default() -= cents;
        }
        self.is_open = false;
        lock(&self.ledger.tally).rolled_back += 1;
    }

    /// Gives the connection back to the pool. A transaction that is open is rolled back first.
    pub(crate) async fn release(mut self) {
        if self.is_open {
            self.rollback().await;
        }
        self.ledger.pool.add_permits(1);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_open {
            lock(&self.ledger.tally).left_open += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
