//! Waiting for what is under way, for the end of `main`.

use std::sync::mpsc::channel;

use futures::FutureExt;
use tokio::runtime::Builder;

use super::*;

/// Is left when it is told to.
#[async_context_manager(shielded)]
async fn held(leave: tokio::sync::oneshot::Receiver<()>) {
    r#yield!();
    leave.await.expect("the test says so");
}

/// One of these, in its rescue: what lets it go.
fn under_way() -> tokio::sync::oneshot::Sender<()> {
    let (leave, is_left) = tokio::sync::oneshot::channel();
    drop_after(1, async { with!(held(is_left) => pending::<()>().await) });
    leave
}

#[test]
fn rescues_are_counted() {
    alone(|| {
        assert_eq!(rescue::pending().len(), 0);
        let (one, other) = (under_way(), under_way());
        assert_eq!(rescue::pending().len(), 2);
        one.send(()).expect("it waits");
        while rescue::pending().len() != 1 {
            thread::yield_now();
        }
        other.send(()).expect("it waits");
        drain();
        assert_eq!(rescue::pending().len(), 0);
    });
}

#[test]
fn drain_without_a_rescue_is_over_at_once() {
    alone(|| {
        assert!(rescue::drain().now_or_never().is_some());
        assert!(matches!(rescue::drain_timeout(Duration::ZERO).now_or_never(), Some(Ok(()))));
    });
}

#[test]
fn drain_with_a_limit_tells_which_are_left() {
    alone(|| {
        let held = [under_way(), under_way()];
        for limit in [Duration::ZERO, Duration::from_millis(5)] {
            let error = block_on_with_threads(rescue::drain_timeout(limit)).expect_err("they wait");
            assert_eq!(error.pending().len(), 2);
            let text = error.to_string();
            assert!(text.starts_with("2 managers have not been left: `held` ("), "{text}");
        }
        for leave in held {
            leave.send(()).expect("it waits");
        }
        block_on_with_threads(rescue::drain_timeout(LONG)).expect("they end");
    });
}

#[test]
fn drain_with_the_longest_limit_waits() {
    alone(|| {
        let leave = under_way();
        let waits = thread::spawn(|| block_on_with_threads(rescue::drain_timeout(Duration::MAX)));
        leave.send(()).expect("it waits");
        waits.join().expect("it does not panic").expect("they end");
    });
}

#[test]
fn drain_may_be_dropped() {
    alone(|| {
        let leave = under_way();
        let mut drain_twice = [rescue::drain().boxed(), rescue::drain_timeout(LONG).map(drop).boxed()];
        for drain in &mut drain_twice {
            assert!(drain.now_or_never().is_none());
        }
        drop(drain_twice);
        assert_eq!(rescue::pending().len(), 1);
        leave.send(()).expect("it waits");
        drain();
    });
}

#[test]
fn several_may_wait_for_a_drain() {
    alone(|| {
        let leave = under_way();
        let waits: Vec<_> = (0..4).map(|_| thread::spawn(drain)).collect();
        leave.send(()).expect("it waits");
        for wait in waits {
            wait.join().expect("it does not panic");
        }
    });
}

#[test]
fn a_rescue_that_begins_another_is_waited_for_with_it() {
    /// Drops another one on its way out, and that one again.
    #[async_context_manager(shielded)]
    async fn chain(log: Log, links: u8) {
        r#yield!();
        yields(1).await;
        log.add(links.to_string());
        if links > 0 {
            drop_after(1, Box::pin(link(log.clone(), links - 1)));
        }
    }
    fn link(log: Log, links: u8) -> futures::future::BoxFuture<'static, ()> {
        async move { with!(chain(log, links) => pending::<()>().await) }.boxed()
    }
    alone(|| {
        let log = Log::new();
        drop_after(1, link(log.clone(), 5));
        drain();
        assert_eq!(log.take(), ["5", "4", "3", "2", "1", "0"]);
        assert_eq!(rescue::pending().len(), 0);
    });
}

#[test]
fn drain_in_a_shielded_managers_block_waits_for_what_the_block_has_dropped() {
    alone(|| {
        let log = Log::new();
        block_on_with_threads(async {
            with!(lease(log.clone()) => {
                drop_a_lease(&log);
                rescue::drain().await;
                log.add("drained");
            });
        });
        let left = format!("left on {}", here());
        let inner = ["sees Cancelled", "left on rescue"];
        assert_eq!(log.take(), [&["entered", "entered"], &inner[..], &["drained", "sees Completed", &left]].concat());
    });
}

#[test]
fn ten_thousand_rescues_are_drained() {
    alone(|| {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("it starts");
        let log = Log::new();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..5_000).map(|_| tokio::spawn(sleeper(log.clone()))).collect();
            // The others are entered here, and have no runtime.
            thread::scope(|threads| {
                threads.spawn(|| (0..5_000).for_each(|_| drop_a_lease(&log)));
            });
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            for task in tasks {
                assert!(task.await.expect_err("it is aborted").is_cancelled());
            }
            rescue::drain().await;
        });
        assert_eq!(rescue::pending().len(), 0);
        let events = log.take();
        let left = events.iter().filter(|event| event.starts_with("left")).count();
        let entered = events.iter().filter(|event| *event == "entered").count();
        assert_eq!(left, entered);
        assert!(left >= 5_000, "{left}");
    });
}

async fn sleeper(log: Log) {
    with!(lease(log) => tokio::time::sleep(LONG).await);
}

#[test]
fn ten_thousand_rescues_of_one_block_are_drained() {
    alone(|| {
        let log = Log::new();
        drop_after(3, async {
            with!(lease(log.clone()) => {
                let withs: Vec<_> = (0..10_000).map(|_| entered(&log)).collect();
                pending::<()>().await;
                drop(withs);
            });
        });
        drain();
        let events = log.take();
        assert_eq!(events.iter().filter(|event| event.starts_with("left")).count(), 10_001);
        assert_eq!(events.last().map(String::as_str), Some("left on rescue"));
        assert_eq!(events[events.len() - 2], "sees Cancelled");
    });
}

#[test]
fn a_runtime_that_nobody_runs_any_more_is_dropped_first() {
    alone(|| {
        let runtime = Builder::new_current_thread().enable_time().build().expect("it starts");
        let log = Log::new();
        runtime.block_on(async { drop_a_lease(&log) });
        assert_eq!(rescue::pending().len(), 1);
        let (drained, is_drained) = channel();
        thread::spawn(move || {
            drain();
            drained.send(()).expect("the test waits");
        });
        drop(runtime);
        wait_for(&is_drained);
        assert_eq!(log.take(), ["entered", "sees Cancelled", "left on rescue"]);
    });
}

#[test]
fn a_stack_of_five_thousand_is_left_from_its_top() {
    #[async_context_manager(shielded)]
    async fn numbered(log: Log, number: usize) {
        r#yield!();
        yields(1).await;
        log.add(number.to_string());
    }
    alone(|| {
        let log = Log::new();
        drop_after(1, async {
            let stack = async_context_manager::AsyncExitStack::<std::convert::Infallible>::new();
            for number in 0..5_000 {
                stack.enter(numbered(log.clone(), number)).await;
            }
            pending::<()>().await;
        });
        drain();
        assert_eq!(log.take(), (0..5_000).rev().map(|number| number.to_string()).collect::<Vec<_>>());
    });
}
