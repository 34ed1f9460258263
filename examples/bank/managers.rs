//! The bank and its managers: six of a few lines each.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use std::{env, io, process};

use async_context_manager::{async_context_manager, with};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};
use tokio::fs;
use tokio::time::{error::Elapsed, timeout};

pub(crate) const CONNECTIONS: u32 = 5;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BankError {
    #[error("unknown account")]
    UnknownAccount,
    #[error("not enough money")]
    NotEnoughMoney,
    #[error("timed out")]
    TimedOut(#[from] Elapsed),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(crate) struct Bank {
    pub(crate) pool: SqlitePool,
    pub(crate) tally: Tally,
}

/// How many transactions ended in which way.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) begun: AtomicU32,
    pub(crate) committed: AtomicU32,
    pub(crate) rolled_back: AtomicU32,
}

/// A directory that is removed afterwards, as by Python's `TemporaryDirectory`.
#[async_context_manager]
pub(crate) async fn temporary_directory() -> Result<&Path, BankError> {
    let path = env::temp_dir().join(format!("bank-{}", process::id()));
    fs::create_dir(&path).await?;
    r#yield!(&path);
    fs::remove_dir_all(&path).await?;
    Ok(())
}

/// A pool of connections to a new database in `directory`. They are closed afterwards.
#[async_context_manager]
pub(crate) async fn database(directory: &Path) -> Result<SqlitePool, BankError> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("bank.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(30)); // one connection writes at a time; the others wait
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
    r#yield!(pool.clone());
    pool.close().await;
    Ok(())
}

/// One connection of the pool.
#[async_context_manager]
pub(crate) async fn connection(pool: &SqlitePool) -> Result<&mut SqliteConnection, BankError> {
    let mut conn = pool.acquire().await?;
    if r#yield!(&mut *conn).is_cancelled() {
        // The task is dropped, perhaps in the middle of a query, so the connection must not be used again.
        conn.close_on_drop();
    }
    Ok(())
}

/// A transaction. It is committed if the block reaches its end, and rolled back otherwise.
#[async_context_manager]
pub(crate) async fn begin(conn: &mut SqliteConnection, tally: &Tally) -> Result<&mut SqliteConnection, BankError> {
    // `IMMEDIATE` waits here for the lock. If two transactions began by reading, neither could write later.
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    tally.begun.fetch_add(1, Relaxed);
    if r#yield!(&mut *tx).is_completed() {
        tx.commit().await?;
        tally.committed.fetch_add(1, Relaxed);
    } else {
        tx.rollback().await?;
        tally.rolled_back.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// A connection with a transaction. A manager can use other managers: it yields in their block, and they see how its own
/// block ends.
#[async_context_manager]
pub(crate) async fn transaction(bank: &Bank) -> Result<&mut SqliteConnection, BankError> {
    with!(connection(&bank.pool) as conn, begin(conn, &bank.tally) as tx, {
        r#yield!(tx);
    })
}

/// A time limit. In an `async` block, the `yield!` is a future that `timeout` may drop.
#[async_context_manager]
pub(crate) async fn deadline(limit: Duration) -> Result<(), BankError> {
    timeout(limit, async { r#yield!() }).await?;
    Ok(())
}
