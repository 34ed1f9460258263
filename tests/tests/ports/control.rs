//! The way of control and of errors: recursion, backends by name, the clauses of a `try`, limits in managers.

use std::collections::HashMap;

use async_context_manager::{AsyncExitStack, Outcome, async_context_manager, timeout, with};
use futures::future::BoxFuture;

use super::applications::lifespan;
use super::clients::stream;
use super::pools::Conn;
use super::trace::{Ended, Error, SECOND, Trace};

#[async_context_manager]
async fn level(t: &Trace, depth: u32) {
    t.op(format!("open {depth}")).await;
    r#yield!();
    t.op(format!("close {depth}")).await;
}

/// A manager that enters itself. `level` is a manager so that it is closed if the inner one can't be entered.
#[async_context_manager]
async fn nested(t: &Trace, depth: u32) -> Result<u32, Error> {
    let left = with!(level(t, depth), AsyncExitStack::new() as stack => {
        let opened = if depth > 1 { enter_nested(stack, t, depth - 1).await? } else { 0 };
        r#yield!(opened + 1);
    });
    left.map(drop)
}

fn enter_nested<'s, 'env: 's>(
    stack: &'s AsyncExitStack<'env, Error>,
    t: &'env Trace,
    depth: u32,
) -> BoxFuture<'s, Result<u32, Error>> {
    Box::pin(stack.enter(nested(t, depth)))
}

pub(super) async fn c25_recursive(t: &Trace) -> Ended {
    with!(nested(t, 3) as opened => opened + t.work().await?)
}

/// A backend that is chosen at run time. It enters its session on the stack of the caller.
trait Backend: Sync {
    fn session<'s, 'env: 's>(&self, stack: &'s AsyncExitStack<'env, Error>, t: &'env Trace) -> BoxFuture<'s, &'s Conn>;
}

struct Postgres;

#[async_context_manager]
async fn postgres(t: &Trace) -> &Conn {
    t.op("open postgres").await;
    let conn = Conn::new(t);
    r#yield!(&conn);
    t.op("close postgres").await;
}

impl Backend for Postgres {
    fn session<'s, 'env: 's>(&self, stack: &'s AsyncExitStack<'env, Error>, t: &'env Trace) -> BoxFuture<'s, &'s Conn> {
        Box::pin(stack.enter(postgres(t)))
    }
}

struct Sqlite;

#[async_context_manager]
async fn sqlite(t: &Trace) -> &Conn {
    let conn = Conn::new(t);
    r#yield!(&conn);
}

impl Backend for Sqlite {
    fn session<'s, 'env: 's>(&self, stack: &'s AsyncExitStack<'env, Error>, t: &'env Trace) -> BoxFuture<'s, &'s Conn> {
        Box::pin(stack.enter(sqlite(t)))
    }
}

pub(super) async fn c26_backend_by_name(t: &Trace) -> Ended {
    let backends: HashMap<&str, &dyn Backend> = HashMap::from([("postgres", &Postgres as _), ("sqlite", &Sqlite as _)]);
    with!(AsyncExitStack::new() as stack => {
        let conn = backends["postgres"].session(stack, t).await;
        let cache = backends["sqlite"].session(stack, t).await;
        cache.execute("SELECT").await?;
        conn.execute("UPDATE").await?;
        t.work().await?
    })
}

/// All the clauses of a `try`.
#[async_context_manager(catch, suppress)]
async fn unit_of_work(t: &Trace) -> Result<(), Error> {
    t.op("begin").await;
    let ended = match r#yield!() {
        Outcome::Completed => {
            t.op("commit").await;
            Ok(())
        }
        Outcome::Failed(Error::Bad) => {
            t.op("undo").await;
            Ok(())
        }
        Outcome::Failed(Error::Net) => {
            t.op("reconnect").await;
            Err(Error::Lost)
        }
        outcome => outcome.into_result(),
    };
    t.op("end").await;
    ended
}

pub(super) async fn c27_all_clauses(t: &Trace) -> Ended {
    let worked = with!(unit_of_work(t) => t.work().await?)?;
    Ok(worked.unwrap_or(0))
}

/// httpx: raises an error of its own for one of httpcore.
#[async_context_manager(catch)]
async fn mapped_errors() -> Result<(), Error> {
    match r#yield!() {
        Outcome::Failed(Error::Bad) => Err(Error::Net),
        outcome => outcome.into_result(),
    }
}

pub(super) async fn c29_mapped_errors(t: &Trace) -> Ended {
    with!(mapped_errors(), stream(t) => t.work().await?)
}

/// A manager that limits the time of its block.
#[async_context_manager]
async fn limited(t: &Trace) -> Result<(), Error> {
    t.op("start").await;
    let in_time = with!(timeout(SECOND * 5 / 4) => {
        r#yield!();
    });
    t.op("stop").await;
    Ok(in_time?)
}

pub(super) async fn c32_limit_in_a_manager(t: &Trace) -> Ended {
    with!(lifespan(t, "app"), limited(t) => t.work().await?)
}
