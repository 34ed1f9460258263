//! The clients of the server: groups of them that stay, hang up, or are told that the time is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_context_manager::rescue;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Version;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time;

use crate::TIME_LIMIT;
use crate::ledger::{Ledger, Statement, Tally};

/// The number of clients in a group. They send their requests at the same time.
pub(crate) const CLIENTS: u32 = 10;

/// More than anybody has.
const TOO_MUCH: i64 = 1_000_000;

/// How a client leaves.
#[derive(Clone, Copy)]
enum End {
    Answer,
    HangUp(Statement),
    TimeLimit(Statement),
}

impl End {
    /// The statement that the clients do not wait for.
    fn statement(self) -> Option<Statement> {
        match self {
            Self::Answer => None,
            Self::HangUp(statement) | Self::TimeLimit(statement) => Some(statement),
        }
    }
}

pub(crate) struct Group {
    pub(crate) what: &'static str,
    cents: i64,
    end: End,
}

pub(crate) const GROUPS: [Group; 7] = [
    Group { what: "wait for the answer", cents: 1, end: End::Answer },
    Group { what: "ask for too much money", cents: TOO_MUCH, end: End::Answer },
    Group { what: "hang up during BEGIN", cents: 1, end: End::HangUp(Statement::Begin) },
    Group { what: "hang up between two updates", cents: 1, end: End::HangUp(Statement::Add) },
    Group { what: "reach the time limit there", cents: 1, end: End::TimeLimit(Statement::Add) },
    Group { what: "hang up during COMMIT", cents: 1, end: End::HangUp(Statement::Commit) },
    Group { what: "hang up during ROLLBACK", cents: TOO_MUCH, end: End::HangUp(Statement::Rollback) },
];

/// The server as its clients see it, and what else shows how far the requests are.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) http: Version,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) present: Present,
}

/// The requests that the server has: each holds a permit, and there are as many as clients in a group.
pub(crate) struct Present(Arc<Semaphore>);

impl Present {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CLIENTS as usize)))
    }

    /// Adds the outermost layer. It takes a permit for each request.
    pub(crate) fn watch(&self, server: Router) -> Router {
        server.layer(from_fn_with_state(self.0.clone(), with_permit))
    }

    /// Returns when the server has none.
    async fn none(&self) {
        drop(self.0.acquire_many(CLIENTS).await);
    }
}

async fn with_permit(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let _permit = permits.acquire().await;
    next.run(request).await
}

/// The results of the requests of one group.
pub(crate) struct Visit {
    /// The status of the answers, as a number. It is empty if there are none.
    pub(crate) answer: String,
    pub(crate) tally: Tally,
}

impl Group {
    /// Sends the requests of the group, and waits until the server is done with them.
    ///
    /// Each step waits for an event, and not for a duration: the requests are at their statement, the server no longer
    /// has them, and no rescue is pending.
    pub(crate) async fn visit(&self, site: &Site) -> Visit {
        let held = self.end.statement();
        site.ledger.hold(held);
        let mut requests = self.send(site);
        if held.is_some() {
            site.ledger.has_held(CLIENTS).await;
        }
        let answer = match self.end {
            End::Answer => common_status(requests).await,
            End::HangUp(_) => {
                requests.shutdown().await;
                String::new()
            }
            End::TimeLimit(_) => {
                skip(TIME_LIMIT).await;
                common_status(requests).await
            }
        };
        site.present.none().await;
        site.ledger.hold(None);
        rescue::drain().await;
        Visit { answer, tally: site.ledger.take_tally() }
    }

    fn send(&self, site: &Site) -> JoinSet<String> {
        let is_http2 = site.http == Version::HTTP_2;
        let client = Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http::<Body>();
        let uri = format!("http://{}/transfer/{}", site.address, self.cents);
        let request = || Request::post(&uri).body(Body::empty()).expect("it is valid");
        (0..CLIENTS).map(|_| answer(client.request(request()))).collect()
    }
}

/// Returns the status that all answers have.
async fn common_status(requests: JoinSet<String>) -> String {
    let mut statuses = requests.join_all().await;
    statuses.dedup();
    statuses.join(", ")
}

async fn answer(response: ResponseFuture) -> String {
    match response.await {
        Ok(response) => response.status().as_str().to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Lets the time of the program jump.
async fn skip(duration: Duration) {
    time::pause();
    time::advance(duration).await;
    time::resume();
}
