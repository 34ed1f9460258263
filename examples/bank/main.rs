//! Runs four hundred concurrent transfers through five connections to one `SQLite` database. Some fail, some panic, some
//! take too long; each of these is rolled back.
//!
//! `cargo run -p examples --example bank`

use std::collections::BTreeMap;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_context_manager::with;
use sqlx::{Connection, SqliteConnection};
use tokio::task;
use tokio::time::sleep;

mod data;
mod managers;

use data::Transfer;
use managers::{Bank, BankError, CONNECTIONS, Tally, connection, database, deadline, temporary_directory, transaction};

const REVIEW_LIMIT: Duration = Duration::from_millis(50);
/// In cents, by the class of the transfer.
const FEES: [i64; 3] = [0, 50, 200];

/// Moves money. Unless the block reaches its end, the transaction is rolled back.
///
/// The deadline is inside of the transaction. When it expires, `?` leaves the block with an error, and the rollback is
/// awaited. A `timeout` around the transaction would drop it, and its rollback could not be awaited.
async fn transfer(bank: Arc<Bank>, it: Transfer) -> Result<(), BankError> {
    with!(transaction(&bank) as tx, {
        add(tx, it.from, -it.cents).await?;
        // The transfer is reviewed while the money is in neither account.
        with!(deadline(REVIEW_LIMIT), { sleep(it.review).await })?;
        let fee = FEES[it.class]; // panics if there is no such class
        add(tx, it.to, it.cents - fee).await?;
        add(tx, "bank", fee).await?;
    })
}

/// Changes a balance and checks it. If the check fails, the transaction is rolled back.
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
    with!(transaction(bank) as tx, {
        sqlx::query("CREATE TABLE accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL)").execute(&mut *tx).await?;
        for (name, cents) in data::accounts() {
            sqlx::query("INSERT INTO accounts VALUES (?, ?)").bind(name).bind(cents).execute(&mut *tx).await?;
        }
    })
}

async fn all_the_money(bank: &Bank) -> Result<i64, BankError> {
    with!(connection(&bank.pool) as conn, {
        sqlx::query_scalar("SELECT SUM(cents) FROM accounts").fetch_one(conn).await?
    })
}

#[tokio::main]
async fn main() -> Result<(), BankError> {
    // The `JoinError` of a task reports its panic. Other panics print the usual message.
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if task::try_id().is_none() {
            usual(info);
        }
    }));

    // The checks panic if they fail. The database is closed and the directory is removed even then.
    with!(temporary_directory() as directory, database(directory) as pool, {
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

/// Runs all transfers at once, and compares how each ends with the file.
async fn all_transfers(bank: &Arc<Bank>) {
    let tasks: Vec<_> = data::transfers().map(|it| (it, tokio::spawn(transfer(bank.clone(), it)))).collect();
    let mut as_expected = true;
    let mut kinds = BTreeMap::<_, [u32; 2]>::new();
    for (it, task) in tasks {
        let ended = match task.await {
            Ok(Ok(())) => "done".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) if error.is_panic() => "panicked".to_owned(),
            Err(error) => error.to_string(),
        };
        if ended != it.ends {
            println!("transfer {}: {ended}, but expected: {}", it.id, it.ends);
            as_expected = false;
        }
        kinds.entry(it.ends.to_owned()).or_default()[0] += 1;
        kinds.entry(ended).or_default()[1] += 1;
    }
    println!("transfers          expected   actual");
    for (kind, [expected, actual]) in &kinds {
        println!("  {kind:<16}{expected:>10}{actual:>9}");
    }
    assert!(as_expected, "not as expected");
}

/// Checks that all transactions have ended, and that each connection is back in the pool and can begin a new one.
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
