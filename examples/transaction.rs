//! Imports orders into `PostgreSQL` by `sqlx`: a pool, a connection, a transaction and savepoints, each a manager. Orders
//! whose price is unknown, or too slow to come, are rolled back alone.
//!
//! `.ci/services cargo run -p examples --example transaction`

#![forbid(unsafe_code)]

use std::{env, time::Duration};

use async_context_manager::{async_context_manager, move_on_after, with};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("there is no product {0:?}")]
    NoSuchProduct(String),
    #[error("the list is too short")]
    TooShort,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

// ---- The managers ------------------------------------------------------------

/// A pool. It is closed afterwards.
#[async_context_manager]
async fn pool(url: &str) -> Result<PgPool, Error> {
    let pool = PgPoolOptions::new().max_connections(2).connect(url).await?;
    r#yield!(pool.clone());
    pool.close().await;
    Ok(())
}

/// A connection with an empty table of orders, which only this connection sees.
#[async_context_manager]
async fn connection(pool: &PgPool) -> Result<&mut PgConnection, Error> {
    let mut conn = pool.acquire().await?;
    sqlx::query("CREATE TEMPORARY TABLE orders (product TEXT, cents BIGINT)").execute(&mut *conn).await?;
    r#yield!(&mut *conn);
    sqlx::query("DROP TABLE orders").execute(&mut *conn).await?;
    Ok(())
}

/// A transaction, or a savepoint if the connection is in a transaction. It is rolled back unless the block reaches its end.
// ANCHOR: atomic
#[async_context_manager]
async fn atomic(conn: &mut PgConnection) -> Result<&mut PgConnection, Error> {
    let mut tx = conn.begin().await?;
    let ended = if r#yield!(&mut *tx).is_completed() { tx.commit().await } else { tx.rollback().await };
    Ok(ended?)
}
// ANCHOR_END: atomic

// ---- The import --------------------------------------------------------------

const LIMIT: Duration = Duration::from_millis(50);

/// Asks a service for the price of a product. The service does not know every product, and is slow for some.
async fn price(product: &str) -> Result<i64, Error> {
    match product {
        "apple" => Ok(120),
        "bread" => Ok(390),
        "caviar" => {
            sleep(Duration::from_mins(1)).await;
            Ok(9900)
        }
        _ => Err(Error::NoSuchProduct(product.to_string())),
    }
}

/// Imports one order. Returns its price, or `None` if the service is too slow. An order without a price is rolled back, and
/// the others are not.
// ANCHOR: import_one
async fn import_one(tx: &mut PgConnection, product: &str) -> Result<Option<i64>, Error> {
    // The limit stops the block, and the rollback of the savepoint is awaited.
    // A `timeout` of tokio would only drop both.
    with!(move_on_after(LIMIT), atomic(tx) as savepoint, {
        sqlx::query("INSERT INTO orders VALUES ($1, NULL)").bind(product).execute(&mut *savepoint).await?;
        let cents = price(product).await?;
        sqlx::query("UPDATE orders SET cents = $1 WHERE cents IS NULL").bind(cents).execute(savepoint).await?;
        cents
    })
}
// ANCHOR_END: import_one

/// Imports a list of orders. All are rolled back if the list is too short.
async fn import(conn: &mut PgConnection, list: &[&str]) -> Result<Vec<String>, Error> {
    with!(atomic(conn) as tx, {
        let mut report = Vec::new();
        for product in list {
            let ended = match import_one(tx, product).await {
                Ok(Some(cents)) => format!("imported for {cents} cents"),
                Ok(None) => "rolled back: the price service is too slow".to_string(),
                Err(error) => format!("rolled back: {error}"),
            };
            report.push(format!("{product:<8}{ended}"));
        }
        if report.len() < 3 {
            return Err(Error::TooShort);
        }
        report
    })
}

async fn orders(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar("SELECT product FROM orders ORDER BY product").fetch_all(conn).await?)
}

// ---- The program -------------------------------------------------------------

/// Returns the lines that the program prints.
async fn run(url: &str) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    with!(pool(url) as pool, connection(&pool) as conn, {
        lines.extend(import(conn, &["apple", "caviar", "bread", "dodo", "apple"]).await?);
        lines.push(format!("the table has {:?}", orders(conn).await?));

        let error = import(conn, &["bread", "bread"]).await.expect_err("it is too short");
        lines.push(format!("a list is rolled back: {error}"));
        lines.push(format!("the table has {:?}", orders(conn).await?));
    })?;
    Ok(lines)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let Ok(url) = env::var("POSTGRES_URL") else {
        println!("needs PostgreSQL: .ci/services cargo run -p examples --example transaction");
        return Ok(());
    };
    run(&url).await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_without_a_price_are_rolled_back_alone() {
        let Ok(url) = env::var("POSTGRES_URL") else { return };
        let lines = run(&url).await.expect("it runs");
        let in_the_table = "the table has [\"apple\", \"apple\", \"bread\"]";
        assert_eq!(lines[1], "caviar  rolled back: the price service is too slow");
        assert_eq!(lines[3], "dodo    rolled back: there is no product \"dodo\"");
        assert_eq!(lines[5..], [in_the_table, "a list is rolled back: the list is too short", in_the_table]);
    }
}
