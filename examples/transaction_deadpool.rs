//! Imports orders into `PostgreSQL` by `tokio-postgres` and `deadpool`. Its transactions borrow their client, and its manager
//! is shielded: when a task is aborted in the middle, the rollback is completed in the background.
//!
//! `.ci/services cargo run -p examples --example transaction_deadpool`

#![forbid(unsafe_code)]

use std::env;
use std::future::pending;
use std::time::Duration;

use async_context_manager::{async_context_manager, closing, move_on_after, rescue, with};
use deadpool_postgres::{Manager, Pool, PoolError, Transaction};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_postgres::NoTls;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
}

// ---- The managers ------------------------------------------------------------

// ANCHOR: transaction
/// A transaction on a connection of the pool. It is rolled back unless the block reaches its end.
#[async_context_manager(shielded)]
async fn transaction(pool: Pool) -> Result<&Transaction<'_>, Error> {
    let mut client = rescue::cancellable(pool.get()).await?; // only this wait may be given up
    let tx = client.transaction().await?;
    let ended = if r#yield!(&tx).is_completed() { tx.commit().await } else { tx.rollback().await };
    Ok(ended?)
}
// ANCHOR_END: transaction

// ANCHOR: savepoint
/// A savepoint. The block uses the transaction.
#[async_context_manager]
async fn savepoint(tx: &Transaction<'_>) -> Result<(), Error> {
    tx.batch_execute("SAVEPOINT one").await?;
    let end = if r#yield!().is_completed() { "RELEASE one" } else { "ROLLBACK TO one" };
    Ok(tx.batch_execute(end).await?)
}
// ANCHOR_END: savepoint

// ---- The import --------------------------------------------------------------

/// Imports one order, for which a client has this much time. Returns whether it was imported.
async fn import_one(tx: &Transaction<'_>, product: &str, patience: Duration) -> Result<bool, Error> {
    // The limit stops the block, and the rollback to the savepoint is awaited.
    let ended = with!(move_on_after(patience), savepoint(tx), {
        tx.execute("INSERT INTO imported VALUES ($1)", &[&product]).await?;
        tx.query_one("SELECT pg_sleep(0.05)", &[]).await?; // the price of the product
    })?;
    Ok(ended.is_some())
}

async fn import(pool: Pool, orders: &[(&str, Duration)]) -> Result<Vec<String>, Error> {
    with!(transaction(pool) as tx, {
        let mut report = Vec::new();
        for (product, patience) in orders {
            let ended = if import_one(tx, product, *patience).await? { "imported" } else { "rolled back" };
            report.push(format!("{product:<8}{ended}"));
        }
        report
    })
}

/// Inserts an order, and then waits for ever.
async fn hang(pool: Pool) -> Result<(), Error> {
    with!(transaction(pool) as tx, {
        tx.execute("INSERT INTO imported VALUES ('dodo')", &[]).await?;
        pending::<()>().await;
    })
}

/// Aborts the task in the middle of its transaction, and waits for the rollback.
// ANCHOR: abort
async fn abort(task: JoinHandle<Result<(), Error>>) {
    sleep(Duration::from_millis(50)).await;
    task.abort();
    _ = task.await;
    rescue::drain().await;
}
// ANCHOR_END: abort

// ---- The program -------------------------------------------------------------

/// Returns the lines that the program prints.
async fn run(url: &str) -> Result<Vec<String>, Error> {
    let pool = Pool::builder(Manager::new(url.parse()?, NoTls)).max_size(2).build().expect("it has a runtime");
    with!(closing(pool, async |pool: Pool| pool.close()) as pool, {
        pool.get().await?.batch_execute("DROP TABLE IF EXISTS imported; CREATE TABLE imported (product TEXT)").await?;
        let (long, short) = (Duration::from_secs(9), Duration::from_millis(20));
        let mut lines = import(pool.clone(), &[("apple", long), ("caviar", short), ("bread", long)]).await?;

        abort(tokio::spawn(hang(pool.clone()))).await;
        lines.push("aborted, and rolled back in the background".to_string());

        let client = pool.get().await?;
        let rows = client.query("SELECT product FROM imported ORDER BY product", &[]).await?;
        let products: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let open = client.query_one("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'", &[]).await?;
        lines.push(format!("the table has {products:?}"));
        lines.push(format!("{} transactions are open", open.get::<_, i64>(0)));
        Ok(lines)
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let Ok(url) = env::var("POSTGRES_URL") else {
        println!("needs PostgreSQL: .ci/services cargo run -p examples --example transaction_deadpool");
        return Ok(());
    };
    run(&url).await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_given_up_is_rolled_back() {
        let Ok(url) = env::var("POSTGRES_URL") else { return };
        let lines = run(&url).await.expect("it runs");
        assert_eq!(lines[..3], ["apple   imported", "caviar  rolled back", "bread   imported"]);
        assert_eq!(lines[4..], ["the table has [\"apple\", \"bread\"]", "0 transactions are open"]);
    }
}
