//! Transactions in a web server, and its lifespan: the code of `docs/guide/src/servers.md`.

#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex as Lock};

use axum::body::Body;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::yield_now;
use tower::ServiceExt;

use std::io;

use async_context_manager::{async_context_manager, rescue, with};
use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use tokio::net::TcpListener;

// ---- The database ------------------------------------------------------------

#[derive(Clone, Default)]
struct Pool {
    log: Arc<Lock<Vec<&'static str>>>,
}

/// A handle to a connection.
#[derive(Clone)]
struct Conn {
    pool: Pool,
    used: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct DbError;

impl Pool {
    fn log(&self, what: &'static str) {
        self.log.lock().expect("no panic").push(what);
    }

    async fn open(self) -> Result<Self, AppError> {
        yield_now().await;
        self.log("open");
        Ok(self)
    }

    async fn close(self) -> Result<(), AppError> {
        yield_now().await;
        self.log("close");
        Ok(())
    }

    async fn acquire(&self) -> Result<Conn, DbError> {
        yield_now().await;
        Ok(Conn { pool: self.clone(), used: Arc::default() })
    }
}

impl Conn {
    async fn lock(&self) -> MutexGuard<'_, ()> {
        self.used.lock().await
    }

    /// Returns the number of rows.
    async fn execute(&self, sql: &'static str, id: u32) -> Result<u32, DbError> {
        let _used = self.lock().await;
        self.pool.log(sql);
        if id == 500 { Err(DbError) } else { Ok(u32::from(id != 404)) }
    }
}

#[async_context_manager]
async fn transaction(pool: &Pool) -> Result<Conn, AppError> {
    let conn = pool.acquire().await?;
    conn.execute("BEGIN", 0).await?;
    let outcome = r#yield!(conn.clone());
    conn.execute(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }, 0).await?;
    Ok(())
}

// ---- The code of the page ----------------------------------------------------

enum AppError {
    NotFound,
    Internal,
}

impl From<DbError> for AppError {
    fn from(_: DbError) -> Self {
        Self::Internal
    }
}

impl From<io::Error> for AppError {
    fn from(_: io::Error) -> Self {
        Self::Internal
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

async fn rename(State(pool): State<Pool>, Path(id): Path<u32>) -> Result<&'static str, AppError> {
    with!(transaction(&pool) as tx => {
        if tx.execute("UPDATE", id).await? == 0 {
            return Err(AppError::NotFound); // rolls back
        }
        "renamed"
    })
}

/// Makes a response with an error status an `Err`.
#[allow(clippy::result_large_err, reason = "it goes no further than the `with!`")]
fn checked(response: Response) -> Result<Response, Response> {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() { Err(response) } else { Ok(response) }
}

/// Returns the response of a block that ended in `checked(response)`.
fn answer(ended: Result<Result<Response, Response>, AppError>) -> Response {
    match ended {
        Ok(Ok(response) | Err(response)) => response,
        Err(error) => error.into_response(),
    }
}

async fn delete(State(pool): State<Pool>, Path(id): Path<u32>) -> Response {
    answer(with!(transaction(&pool) as tx => {
        checked(match tx.execute("DELETE", id).await {
            Ok(0) => StatusCode::NOT_FOUND.into_response(), // rolls back
            Ok(_) => "deleted".into_response(),
            Err(error) => AppError::from(error).into_response(),
        })
    }))
}

async fn in_transaction(State(pool): State<Pool>, mut request: Request, next: Next) -> Response {
    answer(with!(transaction(&pool) as tx => {
        request.extensions_mut().insert(tx); // a handle that can be cloned
        checked(next.run(request).await)
    }))
}

async fn insert(Extension(tx): Extension<Conn>, Path(id): Path<u32>) -> Result<StatusCode, AppError> {
    if tx.execute("INSERT", id).await? == 0 { Err(AppError::NotFound) } else { Ok(StatusCode::CREATED) }
}

#[async_context_manager]
async fn lifespan(pool: Pool) -> Result<Pool, AppError> {
    let pool = pool.open().await?;
    r#yield!(pool.clone());
    pool.close().await
}

async fn serve(
    pool: Pool,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    with!(lifespan(pool) as pool => {
        axum::serve(listener, app(pool)).with_graceful_shutdown(stop).await?;
        rescue::drain().await; // what clients have given up may still use the pool
    })
}

fn app(pool: Pool) -> Router {
    Router::new()
        .route("/insert/{id}", get(insert))
        .layer(from_fn_with_state(pool.clone(), in_transaction))
        .route("/rename/{id}", get(rename))
        .route("/delete/{id}", get(delete))
        .with_state(pool)
}

// ---- The tests ---------------------------------------------------------------

/// Returns the status of the answer, and what the database was told.
async fn request(path: &str) -> (u16, Vec<&'static str>) {
    let pool = Pool::default();
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = app(pool.clone()).oneshot(request).await.expect("it does not fail");
    let log = pool.log.lock().expect("no panic").clone();
    (response.status().as_u16(), log)
}

#[tokio::test]
async fn answer_with_an_error_status_is_rolled_back() {
    for (path, success, sql) in [("rename", 200, "UPDATE"), ("delete", 200, "DELETE"), ("insert", 201, "INSERT")] {
        assert_eq!(request(&format!("/{path}/1")).await, (success, vec!["BEGIN", sql, "COMMIT"]));
        for status in [404, 500] {
            assert_eq!(request(&format!("/{path}/{status}")).await, (status, vec!["BEGIN", sql, "ROLLBACK"]));
        }
    }
}

#[tokio::test]
async fn lifespan_ends_after_the_server() {
    let pool = Pool::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let served = pool.clone();
    assert!(serve(pool.clone(), listener, async move { served.log("stop") }).await.is_ok());
    assert_eq!(*pool.log.lock().expect("no panic"), ["open", "stop", "close"]);
}

#[test]
fn code_of_the_page_is_tested() {
    let page = include_str!("../../docs/guide/src/servers.md").replace('\r', ""); // on Windows
    let file = include_str!("requests.rs").replace('\r', "");
    let blocks: Vec<_> =
        page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("rust,ignore\n")).collect();
    assert!(blocks.len() >= 4);
    for block in blocks {
        assert!(file.contains(block), "this file does not have this code:\n{block}");
    }
}
