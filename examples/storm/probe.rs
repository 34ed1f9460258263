//! Looks at the database server from outside, before and after a storm.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_context_manager::rescue;
use sqlx::{Connection, PgConnection};
use tokio::fs;
use tokio::time::sleep;

use crate::Error;
use crate::server::{CONNECTIONS, Server};

/// The name of the server's connections.
pub(crate) const APPLICATION: &str = "storm";

/// A line in the log of the database server: each connection of the pool logs its statements.
const ROLLBACK: &str = "statement: ROLLBACK";

/// How long the connections are watched.
const LIMIT: Duration = Duration::from_secs(5);

/// The number of losses that the crate has reported.
static LOSSES: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Probe {
    conn: PgConnection,
    log: String,
    /// The process numbers of the connections, and the number of warnings and of rollbacks at the beginning.
    before: (BTreeSet<i32>, usize, usize),
}

/// The state of the database server after a storm, compared with the state before.
pub(crate) struct Report {
    /// How many of the connections are still the same.
    kept: usize,
    idle: usize,
    in_transaction: i64,
    locks: i64,
    warnings: usize,
    rollbacks: usize,
    /// How many exit phases were cut off.
    cut_off: usize,
    /// How long it took after the storm until nothing was open any more. `None` if it took too long.
    settled: Option<Duration>,
}

impl Report {
    pub(crate) const HEADER: &'static str =
        "          kept    idle in pool  open transactions  locks  warnings  rollbacks  cut off  settled after";

    /// Whether nothing was lost, and nothing is left.
    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        let all = CONNECTIONS as usize;
        let left = (self.in_transaction, self.locks, self.warnings);
        (self.kept, self.idle, left) == (all, all, (0, 0, 0)) && self.settled.is_some()
    }

    #[cfg(test)]
    pub(crate) fn completed_each_exit_phase(&self) -> bool {
        self.cut_off == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, idle, in_transaction, locks, warnings, rollbacks, cut_off, settled } = self;
        let settled = settled.map_or("never".to_string(), |after| format!("{:.2} s", after.as_secs_f64()));
        let kept = format!("{kept}/{CONNECTIONS}");
        write!(f, "{kept:<8}{idle:<14}{in_transaction:<19}{locks:<7}{warnings:<10}{rollbacks:<11}{cut_off:<9}{settled}")
    }
}

impl Probe {
    pub(crate) async fn new(url: &str, log: &str) -> Result<Self, Error> {
        let mut conn = PgConnection::connect(url).await?;
        sqlx::query("DROP TABLE IF EXISTS storm").execute(&mut conn).await?;
        sqlx::query("CREATE TABLE storm (number INT)").execute(&mut conn).await?;
        Ok(Self { conn, log: log.to_string(), before: (BTreeSet::new(), 0, 0) })
    }

    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        rescue::set_hook(|_loss| _ = LOSSES.fetch_add(1, Relaxed));
        LOSSES.store(0, Relaxed);
        self.before = (self.processes().await?, self.logged("WARNING").await?, self.logged(ROLLBACK).await?);
        Ok(())
    }

    /// Waits until nothing is open any more, or for the limit.
    pub(crate) async fn end(&mut self, server: &Server) -> Result<Report, Error> {
        let begin = Instant::now();
        let mut settled = None;
        while settled.is_none() && begin.elapsed() < LIMIT {
            sleep(Duration::from_millis(10)).await;
            let is_open = self.in_transaction().await? > 0 || !rescue::pending().is_empty();
            if !is_open && server.pool.num_idle() == server.pool.size() as usize {
                settled = Some(begin.elapsed());
            }
        }
        let (processes, warnings, rollbacks) = self.before.clone();
        Ok(Report {
            kept: processes.intersection(&self.processes().await?).count(),
            idle: server.pool.num_idle(),
            in_transaction: self.in_transaction().await?,
            locks: self.count("SELECT count(*) FROM pg_locks WHERE relation = 'storm'::regclass").await?,
            warnings: self.logged("WARNING").await? - warnings,
            rollbacks: self.logged(ROLLBACK).await? - rollbacks,
            cut_off: LOSSES.load(Relaxed),
            settled,
        })
    }

    async fn count(&mut self, sql: &'static str) -> Result<i64, Error> {
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.conn).await?)
    }

    async fn in_transaction(&mut self) -> Result<i64, Error> {
        self.count(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'storm' AND state <> 'idle' AND backend_type \
             = 'client backend'",
        )
        .await
    }

    async fn processes(&mut self) -> Result<BTreeSet<i32>, Error> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'storm'";
        Ok(sqlx::query_scalar(sql).fetch_all(&mut self.conn).await?.into_iter().collect())
    }

    /// The number of lines with `text` in the log of the database server.
    async fn logged(&self, text: &str) -> Result<usize, Error> {
        Ok(fs::read_to_string(&self.log).await?.lines().filter(|line| line.contains(text)).count())
    }
}
