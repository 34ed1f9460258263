//! Measures requests per second and the CPU time of a request, for clients that wait for the answer.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use sqlx::postgres::PgConnectOptions;
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Error;
use crate::server::{CONNECTIONS, Mode, Server};

const REQUEST: &[u8] = b"GET /0 HTTP/1.1\r\nHost: storm\r\n\r\n";

/// How often each way is measured, by turns. Each is the first one in a quarter of the rounds.
const ROUNDS: usize = 24;

/// The measurements of one round.
struct Round {
    /// Requests per second.
    speed: f64,
    /// The CPU time of a request in this process, in microseconds.
    cpu: f64,
}

/// The rounds of each way.
pub(crate) struct Speed([Vec<Round>; 4]);

/// Sends so many requests in each round, as many at a time as there are connections.
pub(crate) async fn measure(url: &str, requests: u32) -> Result<Speed, Error> {
    let mut servers = Vec::new();
    for mode in Mode::ALL {
        let options: PgConnectOptions = url.parse()?;
        servers.push(Server::start(options, mode, Duration::from_mins(1)).await?);
    }
    for server in &servers {
        round(server.address, requests).await?; // does not count
    }
    let mut rounds: [Vec<Round>; 4] = Default::default();
    for first in 0..ROUNDS {
        for way in (0..4).map(|turn| (first + turn) % 4) {
            rounds[way].push(round(servers[way].address, requests).await?);
        }
    }
    for server in servers {
        server.stop().await?;
    }
    Ok(Speed(rounds))
}

async fn round(address: SocketAddr, requests: u32) -> Result<Round, Error> {
    let clients = (0..CONNECTIONS).map(|_| async move { tokio::spawn(client(address, requests / CONNECTIONS)).await? });
    let (begin, cpu_before) = (Instant::now(), cpu().await?);
    try_join_all(clients).await?;
    let (elapsed, cpu) = (begin.elapsed(), Duration::from_nanos(cpu().await? - cpu_before));
    let requests = f64::from(requests);
    Ok(Round { speed: requests / elapsed.as_secs_f64(), cpu: cpu.as_secs_f64() * 1e6 / requests })
}

/// Sends requests on one connection, each after the answer to the last one.
async fn client(address: SocketAddr, requests: u32) -> Result<(), Error> {
    let mut server = TcpStream::connect(address).await?;
    for _ in 0..requests {
        server.write_all(REQUEST).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if server.read_buf(&mut answer).await? == 0 {
                return Err("the server has closed the connection".into());
            }
        }
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(String::from_utf8_lossy(&answer).into());
        }
    }
    Ok(())
}

/// The CPU time that the threads of this process have used, in nanoseconds. Only Linux says it so.
async fn cpu() -> Result<u64, Error> {
    let mut nanoseconds = 0;
    let mut threads = fs::read_dir("/proc/self/task").await?;
    while let Some(thread) = threads.next_entry().await? {
        let stat = fs::read_to_string(thread.path().join("schedstat")).await?;
        nanoseconds += stat.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(nanoseconds)
}

/// The median of some values, the lowest and the highest.
struct Spread([f64; 3]);

impl FromIterator<f64> for Spread {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let [middle, last] = [values.len() / 2, values.len() - 1];
        Self([f64::midpoint(values[last / 2], values[middle]), values[0], values[last]])
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        let [median, low, high] = self.0.map(|value| format!("{value:.digits$}"));
        write!(f, "{:<28}", format!("{median} ({low} to {high})"))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["requests per second", "CPU of a request, in us", "CPU, of sqlx in that round"];
        writeln!(f, "{:10}{:<28}{:<28}{:<28}", "", head[0], head[1], head[2])?;
        for (mode, rounds) in Mode::ALL.iter().zip(&self.0) {
            let speed: Spread = rounds.iter().map(|round| round.speed).collect();
            let cpu: Spread = rounds.iter().map(|round| round.cpu).collect();
            let ratio: Spread = rounds.iter().zip(&self.0[0]).map(|(round, plain)| round.cpu / plain.cpu).collect();
            writeln!(f, "{:<10}{speed}{cpu}{ratio:.2}", mode.name())?;
        }
        Ok(())
    }
}
