//! A service with axum and `PostgreSQL`, from its start to its end. Its lifespan is a manager, the transaction of each request
//! is another one, and `graceful` is a middleware. Clients hang up, time out and come in a storm; then SIGTERM ends the
//! service while it has requests. The program prints what that left behind, and fails if anything was lost.
//!
//! `.ci/services cargo run -p examples --example service`

#![forbid(unsafe_code)]

use std::env;

mod clients;
mod database;
mod lifespan;
mod log;
mod metrics;
mod report;
mod requests;
mod visits;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let Ok(url) = env::var("POSTGRES_URL") else {
        println!("needs PostgreSQL: .ci/services cargo run -p examples --example service");
        return Ok(());
    };
    let report = visits::run(&url, 400).await?;
    println!("{report}");
    report.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_lost() {
        let Ok(url) = env::var("POSTGRES_URL") else { return };
        let report = visits::run(&url, 100).await.expect("it runs");
        println!("{report}");
        report.check().expect("nothing is lost");
        let ends: Vec<_> =
            report.rows.iter().map(|row| (row.ends.to_string(), row.committed, row.rolled_back)).collect();
        let expected = [("10 x 200", 10, 0), ("10 x 409", 0, 10), ("20 hung up", 0, 10)];
        assert_eq!(ends[..3], expected.map(|(ends, committed, back)| (ends.to_string(), committed, back)));
        assert_eq!((ends[3].0.as_str(), ends[3].1), ("10 x 504", 0));
        assert_eq!(ends[5], ("5 x 200, 5 hung up".to_string(), 5, 5));
    }
}
