//! Four hundred transfers at once, through five connections to one `SQLite` database. Some fail, some panic, some take
//! too long; of these, nothing is left behind.
//!
//! `cargo run -p examples --example bank`

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use std::{env, io, panic, process};

use async_context_manager::{async_context_manager, with};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection};
use tokio::time::{error::Elapsed, sleep, timeout};
use tokio::{fs, task};

mod data;
use data::Transfer;

const CONNECTIONS: u32 = 5;
const REVIEW_LIMIT: Duration = Duration::from_millis(50);
/// In cents, by the class of the transfer.
const FEES: [i64; 3] = [0, 50, 200];

#[derive(Debug, thiserror::Error)]
enum BankError {
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

// ---- The managers ------------------------------------------------------------

/// A directory that is gone afterwards, as with Python's `TemporaryDirectory`.
#[async_context_manager]
async fn temporary_directory() -> Result<&Path, BankError> {
    let path = env::temp_dir().join(format!("bank-{}", process::id()));
    fs::create_dir(&path).await?;
    r#yield!(&path);
    fs::remove_dir_all(&path).await?;
    Ok(())
}

/// Connections to a new database in `directory`, all closed afterwards.
#[async_context_manager]
async fn database(directory: &Path) -> Result<SqlitePool, BankError> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("bank.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(30)); // one can write at a time, and the others wait for it
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
    r#yield!(pool.clone());
    pool.close().await;
    Ok(())
}

/// One connection of the pool.
#[async_context_manager]
async fn connection(pool: &SqlitePool) -> Result<&mut SqliteConnection, BankError> {
    let mut conn = pool.acquire().await?;
    if r#yield!(&mut *conn).is_cancelled() {
        // The whole task is being dropped, perhaps in the middle of a query: nobody is to use this connection again.
        conn.close_on_drop();
    }
    Ok(())
}

/// A transaction: committed when the block comes to its end, rolled back whatever else becomes of it.
#[async_context_manager]
async fn begin(conn: &mut SqliteConnection, tally: &Tally) -> Result<&mut SqliteConnection, BankError> {
    // `IMMEDIATE` waits here for its turn to write. If two began by reading, neither could go on to write.
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

/// Both of them. A manager can be made of others: it yields in their block, and they see how its own block ends.
#[async_context_manager]
async fn transaction(bank: &Bank) -> Result<&mut SqliteConnection, BankError> {
    with!(connection(&bank.pool) as conn, begin(conn, &bank.tally) as tx => { r#yield!(tx); })
}

/// A time limit. The block is a future like any other here, and `timeout` may drop it.
#[async_context_manager]
async fn deadline(limit: Duration) -> Result<(), BankError> {
    timeout(limit, async { r#yield!() }).await?;
    Ok(())
}

// ---- The bank ----------------------------------------------------------------

struct Bank {
    pool: SqlitePool,
    tally: Tally,
}

/// What became of the transactions.
#[derive(Default)]
struct Tally {
    begun: AtomicU32,
    committed: AtomicU32,
    rolled_back: AtomicU32,
}

/// Leave the block as you like: by any way but its end, the money is back where it was.
///
/// The deadline is inside the transaction. When time is up, this is one more error that `?` takes out of the block, and
/// the rollback has all the time it needs. A `timeout` around the transaction would drop it, and nobody could wait for
/// its rollback.
async fn transfer(bank: Arc<Bank>, it: Transfer) -> Result<(), BankError> {
    with!(transaction(&bank) as tx => {
        add(tx, it.from, -it.cents).await?;
        // Somebody has a look, while the money is in nobody's account.
        with!(deadline(REVIEW_LIMIT) => sleep(it.review).await)?;
        let fee = FEES[it.class]; // panics if there is no such class
        add(tx, it.to, it.cents - fee).await?;
        add(tx, "bank", fee).await?;
    })
}

/// Looks at the balance when it has changed it: if it fails, the transaction changes it back.
async fn add(tx: &mut SqliteConnection, account: &str, cents: i64) -> Result<(), BankError> {
    let balance: Option<i64> =
        sqlx::query_scalar("UPDATE accounts SET cents = cents + ? WHERE name = ? RETURNING cents")
            .bind(cents)
            .bind(account)
            .fetch_optional(tx)
            .await?;
    match balance {
        None => Err(BankError::UnknownAccount),
        Some(..0) => Err(BankError::NotEnoughMoney),
        Some(0..) => Ok(()),
    }
}

async fn open_accounts(bank: &Bank) -> Result<(), BankError> {
    with!(transaction(bank) as tx => {
        sqlx::query("CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL)").execute(&mut *tx).await?;
        for (name, cents) in data::accounts() {
            sqlx::query("INSERT INTO accounts VALUES (?, ?)").bind(name).bind(cents).execute(&mut *tx).await?;
        }
    })
}

async fn all_the_money(bank: &Bank) -> Result<i64, BankError> {
    with!(connection(&bank.pool) as conn => {
        sqlx::query_scalar("SELECT SUM(cents) FROM accounts").fetch_one(conn).await?
    })
}

// ---- Its day -----------------------------------------------------------------

#[tokio::main]
async fn main() -> Result<(), BankError> {
    // Of a panic in a task, its `JoinError` tells. Elsewhere there is the usual message.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if task::try_id().is_none() {
            usual(info);
        }
    }));

    // The checks panic when they fail. Even then the database is closed and the directory removed.
    with!(temporary_directory() as directory, database(directory) as pool => {
        let bank = Arc::new(Bank { pool, tally: Tally::default() });
        open_accounts(&bank).await?;
        let before = all_the_money(&bank).await?;
        all_transfers(&bank).await;
        nothing_left_open(&bank).await?;
        let after = all_the_money(&bank).await?;
        println!("cents:        {before} before, {after} after");
        assert_eq!(before, after, "money was lost or made");
    })
}

/// Runs them at once, and compares what becomes of each with what the file announces.
async fn all_transfers(bank: &Arc<Bank>) {
    let tasks: Vec<_> = data::transfers().map(|it| (it, tokio::spawn(transfer(bank.clone(), it)))).collect();
    let mut as_announced = true;
    let mut kinds = BTreeMap::<_, [u32; 2]>::new();
    for (it, task) in tasks {
        let ended = match task.await {
            Ok(Ok(())) => "done".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) if error.is_panic() => "panicked".to_owned(),
            Err(error) => error.to_string(),
        };
        if ended != it.ends {
            println!("transfer {}: {ended}, where the file says: {}", it.id, it.ends);
            as_announced = false;
        }
        kinds.entry(it.ends.to_owned()).or_default()[0] += 1;
        kinds.entry(ended).or_default()[1] += 1;
    }
    println!("transfers         announced  came so");
    for (kind, [announced, came]) in &kinds {
        println!("  {kind:<16}{announced:>9}{came:>9}");
    }
    assert!(as_announced, "not as announced");
}

/// Checks that all transactions have ended, and that each connection is back in the pool and can begin another one.
async fn nothing_left_open(bank: &Bank) -> Result<(), BankError> {
    let Tally { begun, committed, rolled_back } = &bank.tally;
    let [begun, committed, rolled_back] = [begun, committed, rolled_back].map(|count| count.load(Relaxed));
    println!("transactions: {begun} begun, {committed} committed, {rolled_back} rolled back");
    assert_eq!(begun, committed + rolled_back, "a transaction has not ended");

    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(bank.pool.acquire().await?);
    }
    for conn in &mut connections {
        conn.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
    }
    println!("connections:  {} in the pool, all of them clean", connections.len());
    Ok(())
}
