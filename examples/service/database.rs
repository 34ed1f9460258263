//! The database, apart from the service: one for this run, a row that is locked, and what there is in the end.

use std::collections::BTreeSet;
use std::process;
use std::time::Duration;

use async_context_manager::async_context_manager;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::sleep;

/// Creates a database for this run, and drops it in the end. The drop fails if a connection to the database is still open.
#[async_context_manager]
pub(crate) async fn database(url: &str) -> sqlx::Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse()?;
    let mut server = options.connect().await?;
    let name = format!("service_{}", process::id());
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut server).await?;
    let outcome = r#yield!(options.database(&name));
    let force = if outcome.is_completed() { "" } else { "WITH (FORCE)" };
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} {force}"))).execute(&mut server).await?;
    server.close().await
}

/// Keeps the account of the vault locked: whoever wants to change it has to wait.
#[async_context_manager]
pub(crate) async fn vault_is_locked(options: &PgConnectOptions) -> sqlx::Result<()> {
    let mut conn = options.connect().await?;
    let mut tx = conn.begin().await?;
    sqlx::query("SELECT FROM accounts WHERE name = 'vault' FOR UPDATE").execute(&mut *tx).await?;
    r#yield!();
    tx.rollback().await?;
    conn.close().await
}

/// Looks at the database.
pub(crate) struct Observer(PgConnection);

#[async_context_manager]
pub(crate) async fn observer(options: &PgConnectOptions) -> sqlx::Result<&mut Observer> {
    let mut observer = Observer(options.connect().await?);
    r#yield!(&mut observer);
    observer.0.close().await
}

impl Observer {
    pub(crate) async fn cents(&mut self) -> sqlx::Result<i64> {
        self.number("SELECT sum(cents)::BIGINT FROM accounts").await
    }

    pub(crate) async fn transfers(&mut self) -> sqlx::Result<i64> {
        self.number("SELECT count(*) FROM transfers").await
    }

    pub(crate) async fn journal(&mut self) -> sqlx::Result<i64> {
        self.number("SELECT count(*) FROM journal").await
    }

    /// The process numbers of the connections of the service.
    pub(crate) async fn connections(&mut self) -> sqlx::Result<BTreeSet<i32>> {
        let sql =
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'service' AND datname = current_database()";
        Ok(sqlx::query_scalar(sql).fetch_all(&mut self.0).await?.into_iter().collect())
    }

    /// Returns when so many connections of the service wait for a locked row.
    pub(crate) async fn until_waiting(&mut self, count: i64) -> sqlx::Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'service' AND datname = \
                   current_database() AND wait_event_type = 'Lock'";
        while self.number(sql).await? != count {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Returns when the service has no connection. A server process needs a moment to end.
    pub(crate) async fn until_disconnected(&mut self) -> sqlx::Result<()> {
        while !self.connections().await?.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn number(&mut self, sql: &'static str) -> sqlx::Result<i64> {
        sqlx::query_scalar(sql).fetch_one(&mut self.0).await
    }
}
