//! The rescuer: where what is left of shielded managers runs, and what becomes of it. Much of that is one for the whole
//! process, so many of these tests run in a process of their own.

#![forbid(unsafe_code)]

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::Receiver;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use async_context_manager::{async_context_manager, rescue, with};
use futures::FutureExt;
use futures::executor::block_on as block_on_with_threads;
use tests::{Log, alone, drop_after, told, yields};

mod cancellable;
mod drains;
mod executors;
mod groups;
mod limits;
mod losses;
mod nested_executors;
mod owned;
mod places;
mod random;
mod shutdown;
mod user_code;
mod ways;

/// The name of the thread that this crate has for what has no executor.
const OWN: &str = "rescue";

/// Stops a test that hangs.
const LONG: Duration = Duration::from_secs(50);

/// Pends before the block, and after it, and says where it was left.
#[async_context_manager(shielded)]
async fn lease(log: Log) {
    yields(1).await;
    log.add("entered");
    let outcome = r#yield!();
    log.add(format!("sees {outcome:?}"));
    yields(1).await;
    log.add(format!("left on {}", here()));
}

/// Its with! is dropped in the block.
fn drop_a_lease(log: &Log) {
    drop_after(2, async { with!(lease(log.clone()) => pending::<()>().await) });
}

type With = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A with! that waits in its block.
fn entered(log: &Log) -> With {
    let log = log.clone();
    let mut with: With = Box::pin(async { with!(lease(log) => pending::<()>().await) });
    for _ in 0..2 {
        assert!((&mut with).now_or_never().is_none());
    }
    with
}

/// Waits until so much has happened.
async fn happened(log: &Log, events: usize) {
    while log.len() < events {
        tokio::task::yield_now().await;
    }
}

/// Runs a future until so much has happened, and drops it.
async fn drop_when<F: Future<Output = ()>>(log: &Log, events: usize, future: F) {
    tokio::select! {
        () = future => unreachable!("it does not end"),
        () = happened(log, events) => {}
    }
}

/// The name of this thread.
fn here() -> String {
    thread::current().name().unwrap_or("no name").to_string()
}

/// Pends until it is polled on the crate's own thread.
async fn on_own_thread() {
    poll_fn(|_| if here() == OWN { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Waits for all that is rescued.
fn drain() {
    block_on_with_threads(rescue::drain());
}

/// Waits for a thing that happens on another thread.
fn wait_for<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LONG).expect("it happens")
}
