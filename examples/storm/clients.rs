//! The clients: each sends a request, and most hang up before the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::Error;

const FOREVER: u64 = 3_600_000;

pub(crate) struct Scenario {
    pub(crate) what: &'static str,
    clients: u32,
    /// How many clients are there at the same time.
    at_once: u32,
    /// How long the handler works between its two statements, in milliseconds.
    works: u64,
    /// When clients hang up. Their times are spread over this range, in milliseconds.
    hangs_up: [u64; 2],
    /// The time limit of the server.
    pub(crate) time_limit: Duration,
}

pub(crate) const SCENARIOS: [Scenario; 4] = [
    Scenario {
        what: "500 clients hang up in the block, 20 at a time",
        clients: 500,
        at_once: 20,
        works: FOREVER,
        hangs_up: [30, 40],
        time_limit: Duration::from_mins(1),
    },
    Scenario {
        what: "2,000 clients hang up anywhere, 20 at a time",
        clients: 2000,
        at_once: 20,
        works: 2,
        hangs_up: [0, 12],
        time_limit: Duration::from_mins(1),
    },
    Scenario {
        what: "500 clients at once, who hang up after 0.3 s",
        clients: 500,
        at_once: 500,
        works: 20,
        hangs_up: [300, 301],
        time_limit: Duration::from_mins(1),
    },
    Scenario {
        what: "40 requests that take longer than the time limit of the server, 0.2 s",
        clients: 40,
        at_once: 20,
        works: FOREVER,
        hangs_up: [60_000, 60_001],
        time_limit: Duration::from_millis(200),
    },
];

impl Scenario {
    /// The same with at most this many clients.
    #[cfg(test)]
    pub(crate) fn with_clients(&self, clients: u32) -> Self {
        Self { clients: self.clients.min(clients), ..*self }
    }

    /// Returns when all clients have gone.
    pub(crate) async fn run(&self, address: SocketAddr) -> Result<(), Error> {
        let places = Arc::new(Semaphore::new(self.at_once as usize));
        let clients = (0..self.clients).map(|number| {
            let places = places.clone();
            let patience = self.patience(number);
            let works = self.works;
            let client = async move {
                let _place = places.acquire().await?;
                visit(address, works, patience).await
            };
            async { tokio::spawn(client).await? }
        });
        try_join_all(clients).await?;
        Ok(())
    }

    /// When the client with this number hangs up.
    fn patience(&self, number: u32) -> Duration {
        let [from, to] = self.hangs_up.map(|millis| millis * 1000);
        Duration::from_micros(from + (to - from) * u64::from(number * 7919 % self.clients) / u64::from(self.clients))
    }
}

/// Sends a request, and waits so long for the answer.
async fn visit(address: SocketAddr, works: u64, patience: Duration) -> Result<(), Error> {
    let mut server = TcpStream::connect(address).await?;
    server.write_all(format!("GET /{works} HTTP/1.1\r\nHost: storm\r\n\r\n").as_bytes()).await?;
    _ = timeout(patience, server.read(&mut [0; 512])).await;
    Ok(())
}
