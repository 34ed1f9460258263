//! After a `fork`, which leaves the child with one thread: what it rescues is not left to threads that it does not have.

#![cfg(unix)]

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use async_context_manager::{async_context_manager, rescue, with};
use futures::executor::block_on;
use tests::{Log, drop_after, in_child, yields};

// SAFETY: these are the functions of the C library. They take and give numbers; none of them is unsafe to call.
unsafe extern "C" {
    safe fn fork() -> i32;
    safe fn waitpid(child: i32, status: &mut i32, options: i32) -> i32;
    safe fn _exit(status: i32) -> !;
}

/// Stops a test that hangs.
const LONG: Duration = Duration::from_secs(30);

/// Runs `run` in a forked child, which has none of the threads of this process: whether it came to its end.
fn in_fork(run: impl FnOnce()) -> bool {
    match fork() {
        0 => _exit(i32::from(catch_unwind(AssertUnwindSafe(run)).is_err())),
        child => {
            let mut status = -1;
            assert_eq!(waitpid(child, &mut status, 0), child);
            status == 0
        }
    }
}

#[async_context_manager(shielded)]
async fn lease(log: Log) {
    r#yield!();
    yields(1).await;
    log.add("left");
}

#[async_context_manager(shielded)]
async fn held(leave: futures::channel::oneshot::Receiver<()>) {
    r#yield!();
    leave.await.expect("the test says so");
}

fn is_left() {
    let log = Log::new();
    drop_after(1, async { with!(lease(log.clone()) => pending::<()>().await) });
    while log.is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(log.take(), ["left"]);
}

/// In a process of its own, in which nothing else is under way.
fn alone(test: &str, run: impl FnOnce()) {
    let child = in_child(test, run);
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn what_begins_in_a_forked_child_is_rescued_there() {
    alone("what_begins_in_a_forked_child_is_rescued_there", || {
        // The threads of this process are there.
        is_left();
        block_on(rescue::drain());
        assert!(in_fork(|| {
            is_left();
            block_on(rescue::drain_timeout(LONG)).expect("they end");
        }));
        is_left();
    });
}

#[test]
fn forked_child_rescues_though_the_parent_has_never_had_the_threads() {
    alone("forked_child_rescues_though_the_parent_has_never_had_the_threads", || {
        assert!(in_fork(is_left));
        is_left();
    });
}

/// The number of rescues that a drain with a limit has left.
fn left(drained: Result<(), rescue::DrainError>) -> usize {
    drained.map_or_else(|error| error.pending().len(), |()| 0)
}

/// What is under way in the parent is counted in the child, and is not done there. The time limit is.
#[test]
fn a_drain_with_a_limit_ends_in_a_forked_child() {
    alone("a_drain_with_a_limit_ends_in_a_forked_child", || {
        let (leave, is_let_go) = futures::channel::oneshot::channel();
        drop_after(1, async { with!(held(is_let_go) => pending::<()>().await) });
        // The thread that keeps the time is there.
        assert_eq!(left(block_on(rescue::drain_timeout(Duration::from_millis(1)))), 1);
        assert!(in_fork(|| {
            is_left();
            assert_eq!(left(block_on(rescue::drain_timeout(Duration::from_millis(1)))), 1);
        }));
        leave.send(()).expect("it waits");
        block_on(rescue::drain());
    });
}

#[test]
fn a_child_of_a_child_has_its_own_threads_again() {
    alone("a_child_of_a_child_has_its_own_threads_again", || {
        is_left();
        assert!(in_fork(|| {
            is_left();
            assert!(in_fork(is_left));
            is_left();
        }));
    });
}
