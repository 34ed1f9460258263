//! The requests: each has a transaction, which is a manager, and a line in the journal, which is another.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_context_manager::{Outcome, async_context_manager, graceful, rescue, with};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get, post};
use sqlx::{Connection, PgConnection};
use tower::util::MapFutureLayer;
use tower_http::timeout::TimeoutLayer;

use crate::lifespan::App;
use crate::metrics;

/// How long a request may take, and one for `/quick`.
const TIME_LIMIT: Duration = Duration::from_mins(1);
pub(crate) const QUICK: Duration = Duration::from_millis(500);

// ---- The managers ------------------------------------------------------------

/// A transaction. It is shielded, because `sqlx` loses a connection when acquiring it or beginning is cut short.
#[async_context_manager(shielded)]
async fn transaction(app: App) -> sqlx::Result<&mut PgConnection> {
    // The wait for a turn may be given up: nothing is open yet.
    let _turn = rescue::cancellable(app.turns.acquire()).await.map_err(|_| sqlx::Error::PoolClosed)?;
    let mut conn = app.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    if r#yield!(&mut *tx).is_completed() {
        tx.commit().await?;
        app.counts.committed.fetch_add(1, Relaxed);
    } else {
        tx.rollback().await?;
        app.counts.rolled_back.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// Notes how a request has ended. It borrows, and is not shielded: `graceful` completes it when the client hangs up.
#[async_context_manager]
async fn visit(app: &App) {
    app.counts.visits.fetch_add(1, Relaxed);
    let ended = match r#yield!() {
        Outcome::Completed => "completed",
        Outcome::Failed(()) => "failed",
        Outcome::Panicked => "panicked",
        Outcome::Cancelled => "cancelled",
    };
    app.journal.send(ended).await.ok(); // waits while the journal is busy
    app.counts.visits_ended.fetch_add(1, Relaxed);
}

// ---- The handlers ------------------------------------------------------------

struct Refused(sqlx::Error);

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let is_refused = self.0.as_database_error().is_some_and(sqlx::error::DatabaseError::is_check_violation);
        if is_refused { StatusCode::CONFLICT } else { StatusCode::INTERNAL_SERVER_ERROR }.into_response()
    }
}

type Transfer = (String, String, i64);

async fn transfer(State(app): State<App>, Path(it): Path<Transfer>) -> Result<&'static str, Refused> {
    let (sender, receiver, cents) = it;
    with!(visit(&app), transaction(app.clone()) as tx, {
        add(tx, &sender, -cents).await?;
        add(tx, &receiver, cents).await?;
        let sql = "INSERT INTO transfers (sender, receiver, cents) VALUES ($1, $2, $3)";
        sqlx::query(sql).bind(&sender).bind(&receiver).bind(cents).execute(tx).await?;
        "done"
    })
    .map_err(Refused::from)
}

/// Adds to an account. It fails if this takes more than there is.
async fn add(tx: &mut PgConnection, name: &str, cents: i64) -> sqlx::Result<()> {
    let sql = "UPDATE accounts SET cents = cents + $1 WHERE name = $2";
    sqlx::query(sql).bind(cents).bind(name).execute(tx).await?;
    Ok(())
}

pub(crate) fn router(app: App) -> Router {
    let limited = |limit| {
        Router::new()
            .route("/transfer/{sender}/{receiver}/{cents}", post(transfer))
            .layer(MapFutureLayer::new(graceful)) // what a client has left, or a time limit drops, is completed
            .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limit))
    };
    limited(TIME_LIMIT).nest("/quick", limited(QUICK)).route("/metrics", get(metrics::page)).with_state(app)
}
