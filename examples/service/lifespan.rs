//! The lifespan of the service: a pool with the tables of the service, tasks in the background, and the signals that stop it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_context_manager::{TaskGroupError, async_context_manager, rescue, task_group, with};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::net::TcpListener;
use tokio::select;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::log::Log;
use crate::metrics::Counts;
use crate::requests::router;

/// How many transactions there are at the same time. The pool has one connection more, for the journal.
pub(crate) const TRANSACTIONS: usize = 10;
pub(crate) const CONNECTIONS: u32 = 11;
/// How many lines of the journal are written at once.
const AT_ONCE: usize = 16;
/// How long the rescues may take that are pending when the last request was answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// The name of the connections of the service in `PostgreSQL`.
const NAME: &str = "service";

static TABLES: Migrator = sqlx::migrate!("service/migrations");

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Tables(#[from] MigrateError),
    #[error(transparent)]
    Task(#[from] TaskGroupError<sqlx::Error>),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Pending(#[from] rescue::DrainError),
}

/// The state that the handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) pool: PgPool,
    /// A permit for each transaction that may begin.
    pub(crate) turns: Arc<Semaphore>,
    /// Takes how each request has ended.
    pub(crate) journal: mpsc::Sender<&'static str>,
    pub(crate) counts: Arc<Counts>,
}

/// Becomes `true` when the service is to stop.
type Stop = watch::Receiver<bool>;

// ---- The managers ------------------------------------------------------------

#[async_context_manager]
async fn pool(options: PgConnectOptions, log: &Log) -> Result<PgPool, Error> {
    let sizes = PgPoolOptions::new().min_connections(CONNECTIONS).max_connections(CONNECTIONS);
    let pool = sizes.max_lifetime(None).idle_timeout(None).connect_with(options.application_name(NAME)).await?;
    log.add("the pool is open");
    r#yield!(pool.clone());
    pool.close().await;
    log.add("the pool is closed");
    Ok(())
}

/// The tasks in the background. If one of them fails, the service is stopped.
#[async_context_manager]
async fn background(pool: PgPool, log: &Log) -> Result<(mpsc::Sender<&'static str>, Stop), Error> {
    let (journal, entries) = mpsc::channel(AT_ONCE);
    let (stop, stopped) = watch::channel(false);
    let signals = signals()?;
    with!(task_group() as tasks, {
        tasks.spawn(write_journal(pool, entries));
        tasks.spawn(async move {
            signals.await;
            stop.send_replace(true);
            Ok(())
        });
        r#yield!((journal, stopped));
        // The group waits for both. The journal ends when nobody is left who could send an entry.
    })?;
    log.add("the journal is complete, and no task is left");
    Ok(())
}

#[async_context_manager]
async fn lifespan(options: PgConnectOptions, counts: Arc<Counts>, log: &Log) -> Result<(App, Stop), Error> {
    with!(pool(options, log) as pool, {
        TABLES.run(&pool).await?;
        log.add("the tables are there");
        with!(background(pool.clone(), log) as (journal, stop), {
            r#yield!((App { pool, turns: Arc::new(Semaphore::new(TRANSACTIONS)), journal, counts }, stop));
        })?;
    })
}

// ---- The tasks ---------------------------------------------------------------

async fn write_journal(pool: PgPool, mut entries: mpsc::Receiver<&'static str>) -> sqlx::Result<()> {
    let mut some = Vec::new();
    while entries.recv_many(&mut some, AT_ONCE).await > 0 {
        sqlx::query("INSERT INTO journal (ended) SELECT unnest($1::TEXT[])").bind(&some).execute(&pool).await?;
        some.clear();
    }
    Ok(())
}

/// Returns a future that waits for ctrl-c or SIGTERM. From the call on, neither of them ends the process.
fn signals() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

// ---- The service -------------------------------------------------------------

/// Serves until a signal arrives. Then it answers the requests that it has, and completes what clients have left.
pub(crate) async fn serve(
    options: PgConnectOptions,
    listener: TcpListener,
    counts: Arc<Counts>,
    log: &Log,
) -> Result<(), Error> {
    with!(lifespan(options, counts, log) as (app, mut stop), {
        let server = axum::serve(listener, router(app)).with_graceful_shutdown(async move {
            _ = stop.wait_for(|stop| *stop).await;
        });
        log.add("the service is up");
        server.await?;
        log.add("it was told to stop, and has answered all requests");
        rescue::drain_timeout(PATIENCE).await?;
        log.add("what clients had left is completed");
    })
}
