#![doc = include_str!("../../../README.md")]
#![allow(clippy::doc_markdown, reason = "it is not written for rustdoc alone")]
#![allow(clippy::unused_async, reason = "there is no database")]

/// What the README's code has of a database.
#[derive(Debug)]
pub struct Pool;

/// A connection of the pool.
#[derive(Debug)]
pub struct Conn;

/// Why the database failed.
#[derive(Debug)]
pub enum DbError {
    /// There is no such account.
    NoAccount,
}

impl Pool {
    /// A connection, when there is one.
    ///
    /// # Errors
    ///
    /// When the database can't be reached.
    pub async fn acquire(&self) -> Result<Conn, DbError> {
        Ok(Conn)
    }
}

impl Conn {
    /// How many rows the statement changed.
    ///
    /// # Errors
    ///
    /// When the statement can't be run.
    pub async fn execute(&mut self, _sql: &str) -> Result<u64, DbError> {
        Ok(1)
    }

    /// Gives the connection back.
    ///
    /// # Errors
    ///
    /// When the database can't be reached.
    pub async fn release(self) -> Result<(), DbError> {
        Ok(())
    }
}

/// A connection of the pool, given back in the end.
///
/// # Errors
///
/// When the database can't be reached.
#[async_context_manager::async_context_manager]
pub async fn connection(pool: &Pool) -> Result<&mut Conn, DbError> {
    let mut conn = pool.acquire().await?;
    r#yield!(&mut conn);
    conn.release().await
}
