//! Locks between processes: a lease in Redis, which is renewed while the block runs, and an advisory lock of `PostgreSQL`. A
//! block whose lock is lost is stopped. A counter shows that no increment is lost, whoever is killed or suspended.
//!
//! `.ci/services cargo run -p examples --example lease`

#![forbid(unsafe_code)]

use std::env;
use std::future::pending;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use async_context_manager::{async_context_manager, until, with};
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

mod processes;
use processes::{HOLDS, REFUSED, WROTE, database};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("another process has taken the lock")]
    Stale,
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}

// ---- A lease in Redis --------------------------------------------------------

const TTL: Duration = Duration::from_secs(3);
/// Takes the lease if nobody has it, and returns the next fencing number.
const TAKE: &str = "return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('INCR', KEYS[2])";
/// This one and the next do nothing if the lease has expired, or if somebody else has taken it.
const RENEW: &str = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2])";
const RELEASE: &str = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])";

struct Lease {
    redis: MultiplexedConnection,
    token: String,
}

impl Lease {
    /// Runs a script. Returns `None` if it has done nothing.
    async fn run(&self, script: &str) -> Result<Option<i64>, Error> {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(2).arg(&["lease", "lease:fence"]).arg(&self.token).arg(TTL.as_millis().to_string());
        Ok(command.query_async(&mut self.redis.clone()).await?)
    }

    /// Renews the lease. Returns when it is lost, or may be lost because Redis does not answer in time.
    async fn lost(&self) {
        while let Ok(Some(_)) = self.run(RENEW).await {
            sleep(TTL / 4).await;
        }
    }
}

/// Holds the lease, and lends its fencing number. The block is stopped when the lease is lost.
#[async_context_manager(suppress)]
async fn lease(url: &str) -> Result<i64, Error> {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(TTL / 3));
    let redis = redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?;
    let lease = Lease { redis, token: RandomState::new().hash_one(()).to_string() };
    let fence = loop {
        match lease.run(TAKE).await? {
            Some(fence) => break fence,
            None => sleep(Duration::from_millis(5)).await,
        }
    };
    _ = until(lease.lost(), async { r#yield!(fence) }).await;
    lease.run(RELEASE).await?;
    Ok(())
}

// ---- An advisory lock of PostgreSQL ------------------------------------------

/// Holds the lock, and lends a fencing number. When the connection is lost, so is the lock, and the block is stopped.
#[async_context_manager(suppress)]
async fn advisory_lock(url: &str) -> Result<i64, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut connection = tokio::spawn(connection);
    client.execute("SELECT pg_advisory_lock(7)", &[]).await?;
    let fence = client.query_one("SELECT nextval('lease_fence')", &[]).await?.get(0);
    _ = until(&mut connection, async { r#yield!(fence) }).await;
    _ = client.execute("SELECT pg_advisory_unlock(7)", &[]).await; // fails if the connection is lost
    Ok(())
}

// ---- The counter that they protect -------------------------------------------

/// Reads a counter and lends its value, which is written in the end, also if the block was stopped. A process that was
/// suspended learns too late that it has lost the lock. So the counter keeps the fencing number of its last reader, and a
/// process with a smaller number can no longer read or write.
#[async_context_manager]
async fn counter(db: &Client, name: &str, fence: i64) -> Result<&mut i64, Error> {
    const READ: &str = "UPDATE lease_counters SET fence = $2 WHERE name = $1 AND fence < $2 RETURNING value";
    const WRITE: &str = "UPDATE lease_counters SET value = $3 WHERE name = $1 AND fence = $2";
    let mut value = db.query_opt(READ, &[&name, &fence]).await?.ok_or(Error::Stale)?.get(0);
    r#yield!(&mut value);
    if db.execute(WRITE, &[&name, &fence, &value]).await? == 0 {
        return Err(Error::Stale);
    }
    println!("{WROTE}");
    Ok(())
}

// ---- The program -------------------------------------------------------------

/// Adds one. If the job is to hold the lock, the block ends only when it is stopped.
async fn increment(db: &Client, name: &str, fence: i64, job: &str) -> Result<(), Error> {
    with!(counter(db, name, fence) as value, {
        *value += 1;
        if job == "hold" {
            println!("{HOLDS}");
            pending::<()>().await;
        }
    })
}

/// Runs a worker process, with the lock and the counter of this name. The job is "hold", or the number of increments.
async fn work(db: &Client, [postgres, redis]: [&str; 2], name: &str, job: &str) -> Result<(), Error> {
    for _ in 0..job.parse().unwrap_or(1) {
        match name {
            "redis" => with!(lease(redis) as fence, { increment(db, name, fence, job).await? })?,
            _ => with!(advisory_lock(postgres) as fence, { increment(db, name, fence, job).await? })?,
        };
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (Ok(postgres), Ok(redis)) = (env::var("POSTGRES_URL"), env::var("REDIS_URL")) else {
        println!("needs PostgreSQL and Redis: .ci/services cargo run -p examples --example lease");
        return Ok(());
    };
    let args: Vec<String> = env::args().collect();
    with!(database(&postgres) as db, {
        match args.as_slice() {
            [_, worker, name, job] if worker == "worker" => match work(db, [&postgres, &redis], name, job).await {
                Err(Error::Stale) => println!("{REFUSED}"),
                ended => ended?,
            },
            _ => processes::run(db).await?,
        }
    })
}
