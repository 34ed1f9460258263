//! Managers, and functions with blocks, of a crate of edition 2021 that knows the crate under another name.
//!
//! In this edition `impl Trait` captures less, temporaries live longer, `gen` is a name and `Future` is not in the
//! prelude.

#![forbid(unsafe_code)]

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use renamed::{async_context_manager, context_managers, with, within, AsyncContextManager, Outcome};

/// What has happened.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<String>>);

impl Log {
    /// Something happens.
    pub fn add(&self, event: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.into());
    }

    /// All that happened since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Logs when it is dropped.
#[derive(Debug)]
pub struct Guard<'l>(&'l Log);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.add("guard dropped");
    }
}

/// Borrows from two arguments, and lends an argument and a local.
#[async_context_manager(crate = renamed)]
pub async fn logged<'a, T: ToString>(log: &'a Log, name: &str, gen: T) -> (&'a Log, &mut String) {
    let mut local = format!("{name} {}", gen.to_string());
    let outcome: Outcome = r#yield!((log, &mut local));
    log.add(format!("{local} {outcome:?}"));
}

/// Has a manager for a method.
#[derive(Debug, Default)]
pub struct Own {
    /// What has happened.
    pub log: Log,
}

impl Own {
    /// Lends a field, and fails to leave where it is told to.
    #[async_context_manager(crate = renamed)]
    pub async fn borrowed(&self, fails: bool) -> Result<&Log, String> {
        r#yield!(&self.log);
        self.log.add("exit");
        if fails {
            Err("leaving".to_string())
        } else {
            Ok(())
        }
    }
}

/// Is made of the others.
#[async_context_manager(crate = ::renamed)]
pub async fn composed(own: &Own) -> Result<&mut String, String> {
    with!(own.borrowed(false) as log, logged(log, "inner", 5) as (_, local) => { r#yield!(local); })
}

/// Ends in a temporary that borrows from an argument.
#[allow(clippy::semicolon_if_nothing_returned)]
#[async_context_manager(crate = renamed)]
pub async fn ends_in_a_temporary((own, _): (Own, u8)) -> usize {
    r#yield!(own.log.0.lock().map_or(0, |events| events.len()));
    own.log.0.lock().unwrap_or_else(PoisonError::into_inner).clear()
}

/// Drops a block that pends.
#[async_context_manager(crate = renamed)]
pub async fn polled_once(log: &Log) -> Result<(), &'static str> {
    let mut block = Box::pin(async { r#yield!() });
    let outcome = std::future::poll_fn(|cx| std::task::Poll::Ready(block.as_mut().poll(cx))).await;
    drop(block);
    log.add(format!("{outcome:?}"));
    if outcome.is_pending() {
        Err("pending")
    } else {
        Ok(())
    }
}

context_managers! {
    /// Is written with a plain marker.
    #[async_context_manager(crate = renamed)]
    pub async fn wrapped(log: &Log) -> Guard<'_> {
        let outcome = async { yield!(Guard(log)) }.await;
        log.add(format!("{outcome:?}"));
    }
}

/// Leaves its block in each way.
///
/// # Errors
///
/// When `way` says so.
pub async fn leave(own: &Own, way: u8) -> Result<u8, String> {
    for round in 0.. {
        let number = with!(own.borrowed(way == 4) as log => {
            log.add("block");
            match (way, round) {
                (0, _) => Err("error")?,
                (1, _) => return Ok(1),
                (2, _) => break,
                (3, 0) => continue,
                _ => way,
            }
        })?;
        return Ok(number + round);
    }
    Ok(2)
}

/// Gives a future that can be sent, without what an `async fn` does.
///
/// # Errors
///
/// Never.
pub fn sendable<'o>(own: &'o Own, _unused: &str) -> impl Future<Output = Result<usize, String>> + Send + 'o {
    async move { with!(composed(own) as local => local.len()) }
}

/// Has a temporary in the last expression of a block.
pub async fn temporary(log: &Log) -> usize {
    with!(wrapped(log) as _guard => { format!("{:?}", Guard(log)).len() })
}

/// Is within a manager that borrows from an argument, has a temporary in its last expression, and gives something
/// without a name.
///
/// # Errors
///
/// When `fails` says so.
#[within(crate = renamed, own.borrowed(fails) as log, logged(log, &temporary(log).await.to_string(), gen) as (_, local))]
pub async fn within_all(own: &Own, fails: bool, gen: &str) -> Result<impl Iterator<Item = char>, String> {
    local.push('!');
    if gen.is_empty() {
        return Err(format!("empty, not {:?}", Guard(&own.log)));
    }
    Ok(format!("{local}{}", Guard(log).0.take().len()).into_bytes().into_iter().map(char::from))
}

/// Catches.
#[async_context_manager(crate = renamed, catch)]
pub async fn catching<E: ToString>(log: &Log) -> Result<Guard<'_>, E> {
    let outcome = r#yield!(Guard(log));
    match outcome {
        Outcome::Failed(error) => {
            log.add(error.to_string());
            Err(error)
        }
        other => other.into_result(),
    }
}

impl AsyncContextManager for &Log {
    type Value<'v>
        = Guard<'v>
    where
        Self: 'v;
    type Exit = ();

    async fn enter(&mut self) -> Guard<'_> {
        Guard(self)
    }

    async fn exit(&mut self, outcome: Outcome) {
        self.add(format!("{outcome:?}"));
    }
}

/// Fails in a block of each kind, with temporaries in the last expression.
///
/// # Errors
///
/// Always.
pub async fn exits(log: &Log) -> Result<usize, String> {
    let value = with!(catching(log) as _guard => Err::<usize, String>("caught".to_string()));
    log.add(format!("{value:?}"));
    log.add(log.number(1).await.to_string());
    with!(log as _guard => { format!("{:?}", Guard(log)).parse::<usize>().map_err(|_| "failed".to_string())? });
    with!(log as _guard => value?)
}

impl Log {
    /// A `scope` that gives back a number.
    async fn number(&self, number: usize) -> usize {
        catching::<String>(self).scope(async move |_guard| number).await.unwrap_or(0)
    }
}
