//! The server: one handler with one transaction, written in four ways.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use async_context_manager::{async_context_manager, graceful, rescue, with};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{Router, get};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower::util::MapFutureLayer;
use tower_http::timeout::TimeoutLayer;

use crate::Error;
use crate::probe::APPLICATION;

pub(crate) const CONNECTIONS: u32 = 20;

/// How the handler cleans up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The transaction of `sqlx` is a local of the handler.
    Plain,
    /// It is in a manager.
    Manager,
    /// It is in a shielded manager.
    Shielded,
    /// It is in a manager, and the handler is in `graceful`.
    Graceful,
}

impl Mode {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Manager, Self::Shielded, Self::Graceful];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "sqlx",
            Self::Manager => "manager",
            Self::Shielded => "shielded",
            Self::Graceful => "graceful",
        }
    }
}

// ---- The transaction ---------------------------------------------------------

#[async_context_manager]
async fn transaction(pool: &PgPool) -> sqlx::Result<&mut PgConnection> {
    let mut conn = pool.acquire().await?;
    let mut tx = conn.begin().await?;
    if r#yield!(&mut *tx).is_completed() { tx.commit().await } else { tx.rollback().await }
}

#[async_context_manager(shielded)]
async fn shielded(pool: PgPool) -> sqlx::Result<&mut PgConnection> {
    with!(transaction(&pool) as tx, {
        r#yield!(tx);
    })
}

// ---- The handler -------------------------------------------------------------

async fn work(tx: &mut PgConnection, millis: u64) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO storm VALUES (1)").execute(&mut *tx).await?;
    if millis > 0 {
        sleep(Duration::from_millis(millis)).await;
    }
    sqlx::query("INSERT INTO storm VALUES (2)").execute(&mut *tx).await?;
    Ok(())
}

async fn handle(mode: Mode, pool: PgPool, millis: u64) -> sqlx::Result<()> {
    match mode {
        Mode::Plain => {
            let mut tx = pool.begin().await?;
            work(&mut tx, millis).await?;
            tx.commit().await
        }
        Mode::Manager | Mode::Graceful => with!(transaction(&pool) as tx, { work(tx, millis).await? }),
        Mode::Shielded => with!(shielded(pool) as tx, { work(tx, millis).await? }),
    }
}

async fn handler(State((mode, pool)): State<(Mode, PgPool)>, Path(millis): Path<u64>) -> StatusCode {
    match handle(mode, pool, millis).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

// ---- The server --------------------------------------------------------------

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pool: PgPool,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(options: PgConnectOptions, mode: Mode, time_limit: Duration) -> Result<Self, Error> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .min_connections(CONNECTIONS)
            .connect_with(options.application_name(APPLICATION))
            .await?;
        while pool.num_idle() < CONNECTIONS as usize {
            sleep(Duration::from_millis(5)).await;
        }
        let mut app = Router::new().route("/{millis}", get(handler)).with_state((mode, pool.clone()));
        if mode == Mode::Graceful {
            app = app.layer(MapFutureLayer::new(graceful));
        }
        let app = app.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, time_limit));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, app).with_graceful_shutdown(async { _ = stopped.await });
        Ok(Self { address, pool, stop, running: tokio::spawn(server.into_future()) })
    }

    pub(crate) async fn stop(self) -> Result<(), Error> {
        drop(self.stop);
        self.running.await??;
        rescue::drain().await;
        self.pool.close().await;
        Ok(())
    }
}
