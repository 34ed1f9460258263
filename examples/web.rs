//! A web server whose clients hang up in the middle of a transaction. With one line of middleware, each transaction is
//! still committed or rolled back. The program runs the server without that line, and with it.
//!
//! `cargo run -p examples --example web`

#![forbid(unsafe_code)]

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use async_context_manager::{async_context_manager, graceful, rescue, with};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Version};
use axum::routing::{Router, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::util::MapFutureLayer;
use tower_http::timeout::TimeoutLayer;

mod clients;
mod ledger;
use clients::{CLIENTS, GROUPS, Present, Site, Visit};
use ledger::{Connection, Ledger};

const CONNECTIONS: usize = 70;
const MONEY: i64 = 1000;
/// How long a request may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

// ---- The managers: none of them is shielded ----------------------------------

#[async_context_manager]
async fn connection(ledger: &Arc<Ledger>) -> &mut Connection {
    let mut conn = ledger.connect().await;
    r#yield!(&mut conn);
    conn.release().await;
}

#[async_context_manager]
async fn transaction(ledger: &Arc<Ledger>) -> &mut Connection {
    with!(connection(ledger) as conn, {
        conn.begin().await;
        if r#yield!(&mut *conn).is_completed() { conn.commit().await } else { conn.rollback().await }
    });
}

/// A server on the address that it lends. In the end it answers the requests that it has, and completes what clients
/// have left.
#[async_context_manager]
async fn running(app: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async { _ = stopped.await });
    let server = tokio::spawn(server.into_future());
    r#yield!(address);
    drop(stop);
    server.await??;
    rescue::drain().await;
    Ok(())
}

// ---- The server --------------------------------------------------------------

async fn transfer(State(ledger): State<Arc<Ledger>>, Path(cents): Path<i64>) -> Result<&'static str, StatusCode> {
    with!(transaction(&ledger) as tx, {
        tx.add("ann", -cents).await.map_err(|_| StatusCode::CONFLICT)?;
        tx.add("bob", cents).await.map_err(|_| StatusCode::CONFLICT)?;
    });
    Ok("done")
}

fn server(ledger: Arc<Ledger>, is_graceful: bool) -> Router {
    let mut router = Router::new().route("/transfer/{cents}", post(transfer)).with_state(ledger);
    if is_graceful {
        router = router.layer(MapFutureLayer::new(graceful)); // the line
    }
    // It drops what takes too long, so it must be outside of the line. The last layer is the outermost.
    router.layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIME_LIMIT))
}

// ---- The program -------------------------------------------------------------

/// The results of the requests of each group, and the state of the pool at the end.
struct Report {
    visits: Vec<Visit>,
    ledger: Arc<Ledger>,
    /// The number of exit phases that the crate reported as cut off.
    cut_off: u32,
}

async fn run(is_graceful: bool, http: Version) -> io::Result<Report> {
    let cut_off = Arc::new(AtomicU32::new(0));
    let counter = cut_off.clone();
    rescue::set_hook(move |_| _ = counter.fetch_add(1, Relaxed));

    let ledger = Arc::new(Ledger::new(CONNECTIONS, &[("ann", MONEY)]));
    let present = Present::new();
    let app = present.watch(server(ledger.clone(), is_graceful));
    with!(running(app) as address, {
        let site = Site { address, http, ledger, present };
        let mut visits = Vec::new();
        for group in &GROUPS {
            visits.push(group.visit(&site).await);
        }
        Report { visits, ledger: site.ledger, cut_off: cut_off.load(Relaxed) }
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let [without, with] = [run(false, Version::HTTP_11).await?, run(true, Version::HTTP_11).await?];
    println!("{CLIENTS} clients each                 answer  without the line    with it");
    for (group, (a, b)) in GROUPS.iter().zip(without.visits.iter().zip(&with.visits)) {
        println!("{:<32}{:<8}{:<20}{}", group.what, b.answer, a.tally, b.tally);
    }
    let [a, b] = [without, with];
    println!("{:<40}{:<20}{}", format!("connections in the pool, of {CONNECTIONS}"), a.ledger.idle(), b.ledger.idle());
    println!("{:<40}{:<20}{}", format!("money, of {MONEY}"), a.ledger.total(), b.ledger.total());
    println!("{:<40}{:<20}{}", "cleanups that were cut off", a.cut_off, b.cut_off);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_line_completes_each_transaction() {
        let [done, back, open] = ["10 committed", "10 rolled back", "10 left open"];
        for http in [Version::HTTP_11, Version::HTTP_2] {
            let Report { visits, ledger, cut_off } = run(true, http).await.expect("it starts");
            assert_eq!(ends(&visits), [done, back, back, back, back, done, back]);
            assert_eq!((ledger.idle(), ledger.total(), cut_off), (CONNECTIONS, MONEY, 0));

            let Report { visits, ledger, cut_off } = run(false, http).await.expect("it starts");
            assert_eq!(ends(&visits), [done, back, open, open, open, open, open]);
            assert_eq!((ledger.idle(), ledger.total(), cut_off), (20, MONEY - 20, 90));
        }
    }

    fn ends(visits: &[Visit]) -> Vec<String> {
        visits.iter().map(|visit| visit.tally.to_string()).collect()
    }
}
