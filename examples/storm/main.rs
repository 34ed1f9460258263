//! Runs a web server whose clients hang up, and looks at what that leaves in `PostgreSQL`: with the transactions of `sqlx`
//! alone, with managers, with shielded managers, and with managers inside `graceful`. Then it measures how many requests
//! each of them serves, and their CPU time, if no client hangs up.
//!
//! `.ci/services cargo run --release -p examples --example storm`

#![forbid(unsafe_code)]

use std::env;

mod clients;
mod probe;
mod server;
mod speed;

use clients::{SCENARIOS, Scenario};
use probe::{Probe, Report};
use server::{Mode, Server};
use sqlx::postgres::PgConnectOptions;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The number of requests in a round that measures the speed.
const REQUESTS: u32 = 2000;

/// Runs one scenario against a new server with a new pool.
async fn run(url: &str, log: &str, mode: Mode, scenario: &Scenario) -> Result<Report, Error> {
    let mut probe = Probe::new(url, log).await?;
    let options = url.parse::<PgConnectOptions>()?.options([("log_statement", "all")]);
    let server = Server::start(options, mode, scenario.time_limit).await?;
    probe.begin().await?;
    scenario.run(server.address).await?;
    let report = probe.end(&server).await?;
    server.stop().await?;
    Ok(report)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (Ok(url), Ok(log)) = (env::var("POSTGRES_URL"), env::var("POSTGRES_LOG")) else {
        println!("needs PostgreSQL: .ci/services cargo run --release -p examples --example storm");
        return Ok(());
    };
    for scenario in &SCENARIOS {
        println!("{}", scenario.what);
        println!("{}", Report::HEADER);
        for mode in Mode::ALL {
            println!("{:<10}{}", mode.name(), run(&url, &log, mode, scenario).await?);
        }
        println!();
    }
    println!("{REQUESTS} requests in each round, by turns, of 20 clients that wait for the answer");
    Probe::new(&url, &log).await?; // empties the table
    print!("{}", speed::measure(&url, REQUESTS).await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn shielded_managers_lose_no_connection_and_graceful_completes_exit_phases() {
        let (Ok(url), Ok(log)) = (env::var("POSTGRES_URL"), env::var("POSTGRES_LOG")) else { return };
        for scenario in &SCENARIOS {
            let report = run(&url, &log, Mode::Shielded, &scenario.with_clients(60)).await.expect("it runs");
            assert!(report.is_clean(), "{}: {report}", scenario.what);
            let report = run(&url, &log, Mode::Graceful, &scenario.with_clients(60)).await.expect("it runs");
            assert!(report.completed_each_exit_phase(), "{}: {report}", scenario.what);
        }
        Probe::new(&url, &log).await.expect("it empties the table");
        speed::measure(&url, 40).await.expect("each request is answered");
    }
}
