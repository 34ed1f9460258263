//! The clients of the service: they wait for the answer, hang up, or come in a storm.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Error;

/// How many clients of a storm there are at the same time.
const AT_ONCE: usize = 40;
/// How long a client of a storm waits at most, in microseconds.
const PATIENCE: u64 = 200_000;

/// How the requests of a group have ended: the number of answers with each status, and of clients that have hung up.
#[derive(Default, Clone, PartialEq, Debug)]
pub(crate) struct Ends {
    pub(crate) answers: BTreeMap<u16, u64>,
    pub(crate) hung_up: u64,
}

impl Ends {
    pub(crate) fn total(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.hung_up
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<_> = self.answers.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        if self.hung_up > 0 {
            parts.push(format!("{} hung up", self.hung_up));
        }
        f.pad(&parts.join(", "))
    }
}

/// Requests that are under way. A task returns the status of the answer, or `None` if its client has hung up.
pub(crate) struct Requests(JoinSet<Result<Option<u16>, Error>>);

impl Requests {
    /// All clients wait for their answer.
    pub(crate) async fn answered(self) -> Result<Ends, Error> {
        let mut ends = Ends::default();
        for end in self.0.join_all().await {
            match end? {
                Some(status) => *ends.answers.entry(status).or_default() += 1,
                None => ends.hung_up += 1,
            }
        }
        Ok(ends)
    }

    /// All clients hang up.
    pub(crate) async fn hang_up(mut self) -> Ends {
        let hung_up = self.0.len() as u64;
        self.0.shutdown().await;
        Ends { hung_up, ..Ends::default() }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Site(pub(crate) SocketAddr);

impl Site {
    /// Sends this request for so many clients.
    pub(crate) fn send(self, count: u64, path: &'static str) -> Requests {
        Requests((0..count).map(|_| async move { Ok(Some(self.request(Method::POST, path).await?.0)) }).collect())
    }

    /// Sends it for clients, each of which hangs up at another time.
    pub(crate) fn storm(self, count: u64, path: &'static str) -> Requests {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let client = |number: u64| {
            let places = places.clone();
            let patience = Duration::from_micros(PATIENCE * (number * 7919 % count) / count);
            async move {
                let _place = places.acquire().await?;
                let answer = timeout(patience, self.request(Method::POST, path)).await;
                Ok(answer.ok().transpose()?.map(|(status, _)| status))
            }
        };
        Requests((0..count).map(client).collect())
    }

    /// Returns the page `/metrics` as soon as it has all these lines.
    pub(crate) async fn metrics(self, lines: &[String]) -> Result<String, Error> {
        loop {
            let (_, page) = self.request(Method::GET, "/metrics").await?;
            if lines.iter().all(|line| page.lines().any(|other| other == line)) {
                return Ok(page);
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns when the service takes no new connections.
    pub(crate) async fn until_closed(self) {
        while TcpStream::connect(self.0).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends a request on a connection of its own.
    async fn request(self, method: Method, path: &str) -> Result<(u16, String), Error> {
        let uri = format!("http://{}{path}", self.0);
        let request = Request::builder().method(method).uri(uri).body(Body::empty())?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let response = client.request(request).await?;
        let status = response.status().as_u16();
        let body = to_bytes(Body::new(response.into_body()), usize::MAX).await?;
        Ok((status, String::from_utf8(body.to_vec())?))
    }
}
