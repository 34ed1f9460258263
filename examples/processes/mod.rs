//! Worker processes of the example `lease`: they compete for a lock, and are killed or suspended while they hold it.

use std::env;
use std::process::Stdio;

use async_context_manager::{async_context_manager, with};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::try_join;
use tokio_postgres::{Client, NoTls};

type Error = Box<dyn std::error::Error>;

/// The lines that a worker prints: it has written the counter, its write was refused, or it holds the lock for long.
pub(crate) const WROTE: &str = "wrote";
pub(crate) const REFUSED: &str = "refused";
pub(crate) const HOLDS: &str = "holds";

/// The number of increments of each process that competes.
const TIMES: &str = "20";

const TABLES: &str = "
    DROP TABLE IF EXISTS lease_counters;
    DROP SEQUENCE IF EXISTS lease_fence;
    CREATE SEQUENCE lease_fence;
    CREATE TABLE lease_counters (name TEXT, value BIGINT, fence BIGINT);
    INSERT INTO lease_counters VALUES ('redis', 0, 0), ('postgres', 0, 0)";

/// Terminates the connection of the process that has the advisory lock, as a broken network would.
const DISCONNECT: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted";

/// A connection to the database with the counters.
#[async_context_manager]
pub(crate) async fn database(url: &str) -> Result<&Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    r#yield!(&client);
    drop(client);
    _ = connection.await;
    Ok(())
}

/// A process that runs this program as a worker.
struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Waits until the process has the lock for long.
    async fn holds(&mut self) -> Result<(), Error> {
        let line = self.lines.next_line().await?;
        assert_eq!(line.as_deref(), Some(HOLDS), "the worker should hold the lock");
        Ok(())
    }

    async fn signal(&self, name: &str) -> Result<(), Error> {
        let id = self.child.id().expect("nobody has waited for it");
        Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().await?;
        Ok(())
    }

    /// Returns what the process prints until it ends.
    async fn rest(&mut self) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next_line().await? {
            lines.push(line);
        }
        Ok(lines)
    }
}

#[async_context_manager]
async fn worker(name: &str, job: &str) -> Result<&mut Worker, Error> {
    let mut command = Command::new(env::current_exe()?);
    let mut child = command.args(["worker", name, job]).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut worker = Worker { child, lines };
    if !r#yield!(&mut worker).is_completed() {
        worker.child.kill().await?;
    }
    worker.child.wait().await?;
    Ok(())
}

/// A process holds the lock and gets a signal. Another one makes an increment. Returns what both have printed.
async fn take_over(db: &Client, name: &str, signal: &str) -> Result<[Vec<String>; 2], Error> {
    with!(worker(name, "hold") as holder, {
        holder.holds().await?;
        let next = with!(worker(name, "1") as next, {
            holder.signal(signal).await?;
            if name == "postgres" && signal == "STOP" {
                db.execute(DISCONNECT, &[]).await?;
            }
            next.rest().await?
        })?;
        holder.signal("CONT").await?;
        [holder.rest().await?, next]
    })
}

/// Returns how many increments were confirmed by the processes that made them.
fn confirmed(lines: &[String]) -> i64 {
    lines.iter().filter(|line| *line == WROTE).count().try_into().expect("they are few")
}

/// Lets processes compete for the lock of this name, and checks the counter that it protects.
async fn compete(db: &Client, name: &str) -> Result<(), Error> {
    let together = with!(worker(name, TIMES) as a, worker(name, TIMES) as b, worker(name, TIMES) as c, {
        let (a, b, c) = try_join!(a.rest(), b.rest(), c.rest())?;
        [a, b, c].concat()
    })?;
    assert_eq!(together, [WROTE; 60], "one process at a time should have the lock");
    let together = confirmed(&together);
    println!("  3 processes made {together} increments");

    let [_, next] = take_over(db, name, "KILL").await?;
    let after_kill = confirmed(&next);
    println!("  a process was killed while it held the lock; the next one made {after_kill} increment");

    let [late, next] = take_over(db, name, "STOP").await?;
    let meanwhile = confirmed(&next);
    println!("  a process was suspended until it had lost the lock; the next one made {meanwhile} increment");
    assert_eq!(late, [REFUSED], "the process should be stopped, and its write be refused");
    println!("  the suspended process continued: its block was stopped, and its late write was refused");

    let value: i64 = db.query_one("SELECT value FROM lease_counters WHERE name = $1", &[&name]).await?.get(0);
    let confirmed = together + after_kill + meanwhile;
    println!("  the counter is {value}, and {confirmed} increments were confirmed");
    assert_eq!(value, confirmed, "the counter is wrong");
    Ok(())
}

pub(crate) async fn run(db: &Client) -> Result<(), Error> {
    db.batch_execute(TABLES).await?;
    println!("a lease in Redis");
    compete(db, "redis").await?;
    println!("an advisory lock of PostgreSQL");
    compete(db, "postgres").await
}
