//! Without a runtime, rescues run on the crate's own thread, which has an executor of its own.

#![forbid(unsafe_code)]
#![cfg(not(feature = "tokio"))]

use std::future::pending;
use std::thread;
use std::time::Duration;

use async_context_manager::{async_context_manager, graceful, rescue, with};
use futures::channel::oneshot;
use futures::executor::block_on as block_on_with_threads;
use tests::{Log, drop_after, in_child, yields};

/// Stops a test that hangs.
const LONG: Duration = Duration::from_secs(50);

/// Is left when it is told to.
#[async_context_manager(shielded)]
async fn held(log: Log, leave: oneshot::Receiver<()>) {
    let outcome = r#yield!();
    log.add(format!("sees {outcome:?}"));
    yields(1).await;
    leave.await.expect("the test says so");
    log.add(format!("left on {}", thread::current().name().unwrap_or("no name")));
}

/// One of these, in its rescue: what lets it go.
fn under_way(log: &Log) -> oneshot::Sender<()> {
    let (leave, is_left) = oneshot::channel();
    drop_after(1, async { with!(held(log.clone(), is_left) => pending::<()>().await) });
    leave
}

fn drain() {
    block_on_with_threads(rescue::drain_timeout(LONG)).expect("they end");
}

#[test]
fn a_graceful_future_is_left_on_the_thread_of_the_crate() {
    /// Is not shielded.
    #[async_context_manager]
    async fn session(log: &Log) {
        let outcome = r#yield!();
        log.add(format!("sees {outcome:?}"));
        yields(3).await;
        log.add(format!("left on {}", thread::current().name().unwrap_or("no name")));
    }
    let log = Log::new();
    let inner = log.clone();
    drop_after(1, graceful(async move { with!(session(&inner) => pending::<()>().await) }));
    drain();
    assert_eq!(log.take(), ["sees Cancelled", "left on rescue"]);
}

#[test]
fn they_are_woken_from_other_threads() {
    let logs = [(); 100].map(|()| Log::new());
    let leaves: Vec<_> = logs.iter().map(under_way).collect();
    thread::scope(|threads| {
        for leave in leaves {
            threads.spawn(|| leave.send(()).expect("it waits"));
        }
    });
    drain();
    for log in logs {
        assert_eq!(log.take(), ["sees Cancelled", "left on rescue"]);
    }
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

#[async_context_manager(shielded)]
async fn throws() -> Result<(), Bomb> {
    r#yield!();
    std::panic::panic_any(Bomb);
}

#[async_context_manager(shielded)]
async fn gives() -> Result<(), Bomb> {
    r#yield!();
    Err(Bomb)
}

/// Nobody has its waker.
#[async_context_manager(shielded)]
async fn stuck() {
    let _bomb = Bomb;
    r#yield!();
    pending::<()>().await;
}

#[test]
fn nothing_ends_the_thread() {
    let child = in_child("nothing_ends_the_thread", || {
        drop_after(1, async { with!(throws() => pending::<()>().await) });
        drop_after(1, async { with!(gives() => pending::<()>().await) });
        drop_after(1, async { with!(stuck() => pending::<()>().await) });
        let log = Log::new();
        under_way(&log).send(()).expect("it waits");
        drain();
        assert_eq!(log.take(), ["sees Cancelled", "left on rescue"]);
    });
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    let ours: Vec<_> = said.lines().filter(|line| line.starts_with("async-context-manager")).collect();
    assert_eq!(
        ours,
        [
            "async-context-manager: `gives` failed after a cancellation; its error is lost: Bomb",
            "async-context-manager: `stuck` could not be completed: its rescue was dropped",
        ]
    );
}

/// Its executor is gone.
struct Stale;

impl std::task::Wake for Stale {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("the queue of the executor is gone");
    }
}

#[test]
fn nor_does_a_waker_of_a_drain_that_panics() {
    let child = in_child("nor_does_a_waker_of_a_drain_that_panics", || {
        let log = Log::new();
        let leave = under_way(&log);
        let mut stale = Box::pin(rescue::drain());
        let waker = std::sync::Arc::new(Stale).into();
        assert!(stale.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        leave.send(()).expect("it waits");
        drain();
        for _ in 0..3 {
            under_way(&log).send(()).expect("it waits");
            drain();
        }
        assert_eq!(log.take().len(), 8);
        drop(stale);
    });
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("the queue of the executor is gone"), "{said}");
}

/// Panics like a timer of tokio.
#[async_context_manager(shielded)]
async fn sleeps() {
    r#yield!();
    panic!("there is no reactor running, must be called from the context of a Tokio 1.x runtime");
}

#[test]
fn panic_because_of_a_missing_runtime_names_the_feature() {
    let child = in_child("panic_because_of_a_missing_runtime_names_the_feature", || {
        drop_after(1, async { with!(sleeps() => pending::<()>().await) });
        drain();
    });
    let said = String::from_utf8_lossy(&child.stderr);
    let cure = "async-context-manager: `sleeps` panicked after a cancellation, because it needs a tokio runtime; enable the \
                feature `tokio` of `async-context-manager`";
    assert!(child.status.success() && said.contains(cure), "{said}");
}
