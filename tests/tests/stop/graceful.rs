//! Futures that are stopped, and not dropped, when they are dropped.

use std::panic::panic_any;

use async_context_manager::{AsyncExitStack, TaskGroupError, graceful, task_group};
use futures::FutureExt;
use tests::{alone_as, told};

use super::*;

/// Drops a future after 10 ms, and waits for what becomes of it.
async fn drop_and_drain<F: Future>(future: F) {
    assert!(tokio::time::timeout(10 * MS, future).await.is_err());
    rescue::drain().await;
}

/// Runs a part of a test in a process of its own, on a runtime with virtual time: what the hook is told.
fn alone_in_runtime<F: AsyncFnOnce()>(run: F) -> Vec<String> {
    let said = alone_as::<F>(|| {
        rescue::set_hook(|loss| eprintln!("async-context-manager: {loss}"));
        paused().block_on(run());
    });
    told(&said).into_iter().map(ToString::to_string).collect()
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("it starts")
}

mod dropped {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn by_a_foreign_time_limit_is_left_by_the_rescuer() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            with!(resource(&inner, "a") => holds(&inner, "b").await);
            inner.add("not reached");
        }))
        .await;
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn by_the_abort_of_its_task_is_left_by_the_rescuer() {
        let trace = Trace::new();
        let inner = trace.clone();
        let task = tokio::spawn(graceful(async move {
            with!(resource(&inner, "a") => with!(timeout(LONG) => holds(&inner, "b").await)).ok();
        }));
        sleep(5 * MS).await;
        task.abort();
        assert!(task.await.expect_err("it is aborted").is_cancelled());
        rescue::drain().await;
        assert_eq!(trace.take(), ["5 b Cancelled", "10 -b", "10 a Cancelled", "15 -a"]);
    }

    #[test]
    fn counts_as_pending_until_it_is_left() {
        let losses = alone_in_runtime(async || {
            let trace = Trace::new();
            let future = graceful(owns(trace.clone(), "a"));
            tokio::time::timeout(10 * MS, future).await.expect_err("it is dropped");
            assert_eq!(rescue::pending().len(), 1);
            rescue::drain().await;
            assert_eq!(rescue::pending().len(), 0);
        });
        assert!(losses.is_empty(), "{losses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_enters_gives_that_up() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            with!(resource(&inner, "a") => with!(slow(&inner, "b") => inner.add("not reached")));
        }))
        .await;
        assert_eq!(trace.take(), ["0 (b", "10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_leaves_is_left_to_the_end() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            with!(resource(&inner, "a") => sleep(7 * MS).await);
            inner.add("goes on");
            sleep(MS).await;
            inner.add("not reached");
        }))
        .await;
        assert_eq!(trace.take(), ["7 a Completed", "12 -a", "12 goes on"]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_middle_of_a_stop_goes_on_leaving() {
        let trace = Trace::new();
        let inner = trace.clone();
        let stops = graceful(async move {
            let late = with!(timeout(10 * MS) => {
                with!(resource(&inner, "a") => holds(&inner, "b").await);
            });
            inner.add(format!("not reached {late:?}"));
        });
        tokio::time::timeout(12 * MS, stops).await.expect_err("it is dropped");
        trace.add("dropped");
        rescue::drain().await;
        assert_eq!(trace.take(), ["10 b Cancelled", "12 dropped", "15 -b", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_open_manager_is_dropped() {
        let trace = Trace::new();
        let local = trace.log.on_drop("local dropped");
        let waits = graceful(async move {
            let _local = local;
            sleep(LONG).await;
        });
        tokio::time::timeout(10 * MS, waits).await.expect_err("it is dropped");
        assert_eq!(trace.take(), ["local dropped"]);
    }

    #[test]
    fn before_its_first_poll_is_nothing() {
        drop(graceful(async { unreachable!("it is not polled") }));
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_end_is_nothing() {
        let mut future = graceful(ready(5));
        assert_eq!((&mut future).await, 5);
        drop(future);
    }

    #[test]
    fn by_its_runtime_is_left_on_the_thread_of_the_crate() {
        let losses = alone_in_runtime(async || {
            let log = Log::new();
            let inner = log.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
                runtime.spawn(graceful(async move {
                    with!(by_itself(&inner, "outer") => with!(by_itself(&inner, "inner") => pending::<()>().await));
                }));
                runtime.block_on(tokio::task::yield_now());
            })
            .join()
            .expect("no panic leaves the drop of a runtime");
            rescue::drain().await;
            assert_eq!(log.take(), ["inner Cancelled", "-inner", "outer Cancelled", "-outer"]);
        });
        assert!(losses.is_empty(), "{losses:?}");
    }

    /// Waits for no timer.
    #[async_context_manager]
    async fn by_itself(log: &Log, name: &str) {
        let outcome = r#yield!();
        log.add(format!("{name} {outcome:?}"));
        tests::yields(3).await;
        log.add(format!("-{name}"));
    }
}

mod not_dropped {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_its_value() {
        let trace = Trace::new();
        let inner = trace.clone();
        let value = graceful(async move { with!(resource(&inner, "a") => 5) }).await;
        assert_eq!(value, 5);
        assert_eq!(trace.take(), ["0 a Completed", "5 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_scope_is_stopped_by_it() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => graceful(owns(trace.clone(), "b")).await);
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn panics_when_its_future_panics() {
        let trace = Trace::new();
        let future = graceful(async move {
            with!(resource(&trace, "a") => panic_any(5_u8));
        });
        let payload = std::panic::AssertUnwindSafe(future).catch_unwind().await.expect_err("it panics");
        assert_eq!(payload.downcast_ref(), Some(&5_u8));
    }

    #[test]
    fn panics_with_the_panic_of_its_future_although_the_drop_panics_as_well() {
        let guard = tests::PanicsInDrop;
        let future = graceful(std::future::poll_fn(move |_| -> std::task::Poll<()> {
            let _owned = &guard;
            panic_any(5_u8)
        }));
        let payload = tests::panic_of(future);
        assert_eq!(payload.downcast_ref(), Some(&5_u8));
    }
}

mod exit_phase {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_fails_gives_its_error_to_the_code_around() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            with!(resource(&inner, "a") => {
                let failed: Result<(), String> = with!(failing(&inner, "b") => sleep(LONG).await);
                inner.add(format!("{failed:?}"));
                failed.ok();
            });
        }))
        .await;
        assert_eq!(trace.take(), ["10 b Cancelled", "15 Err(\"b failed\")", "15 a Completed", "20 -a"]);
    }

    #[test]
    fn that_panics_is_told() {
        let losses = alone_in_runtime(async || {
            let trace = Trace::new();
            let inner = trace.clone();
            drop_and_drain(graceful(async move {
                with!(resource(&inner, "a") => with!(panicking(&inner, "b") => sleep(LONG).await));
            }))
            .await;
            assert_eq!(trace.take(), ["10 b Cancelled", "15 a Panicked", "20 -a"]);
        });
        assert_eq!(losses.len(), 1, "{losses:?}");
        assert!(losses[0].contains("b panicked"), "{losses:?}");
    }
}

mod within {
    use super::*;

    #[test]
    fn a_limit_that_is_enough_nothing_is_told() {
        let losses = alone_in_runtime(async || {
            let trace = Trace::new();
            drop_and_drain(graceful(owns(trace.clone(), "a")).within(6 * MS)).await;
            assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
        });
        assert!(losses.is_empty(), "{losses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_over_only_after_the_drop_the_future_goes_on() {
        let trace = Trace::new();
        let inner = trace.clone();
        let future = graceful(async move { with!(resource(&inner, "a") => sleep(20 * MS).await) }).within(MS);
        future.await;
        assert_eq!(trace.take(), ["20 a Completed", "25 -a"]);
    }

    #[test]
    fn a_limit_that_is_over_the_rest_is_dropped_and_told() {
        let losses = alone_in_runtime(async || {
            let log = Log::new();
            let inner = log.clone();
            let future = graceful(async move {
                with!(endless(&inner, "a") => with!(endless(&inner, "b") => pending::<()>().await));
            });
            drop_and_drain(future.within(MS)).await;
            assert_eq!(log.take(), ["b Cancelled", "a Cancelled"]);
        });
        assert!(losses.iter().any(|loss| loss.contains("`graceful` was not left within its limit")), "{losses:?}");
    }

    #[async_context_manager]
    async fn endless(log: &Log, name: &str) {
        let outcome = r#yield!();
        log.add(format!("{name} {outcome:?}"));
        pending::<()>().await;
    }
}

mod spawned {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn task_that_is_aborted_completes_when_it_was_left() {
        let trace = Trace::new();
        let task = graceful(owns(trace.clone(), "a")).spawn();
        sleep(10 * MS).await;
        task.abort();
        sleep(2 * MS).await;
        assert!(!task.is_finished());
        let error = task.await.expect_err("it was aborted");
        trace.add("completed");
        assert!(error.is_cancelled());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a", "15 completed"]);
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_ends_gives_its_output() {
        let task = graceful(async { 7 }).spawn();
        sleep(MS).await;
        assert!(task.is_finished());
        assert_eq!(task.await.expect("it ended"), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn task_that_panics_gives_the_panic() {
        let task = graceful(async { panic_any("it panicked") }).spawn();
        let ended: Result<(), _> = task.await;
        assert!(ended.expect_err("it panicked").is_panic());
    }

    #[tokio::test(start_paused = true)]
    async fn task_whose_handle_is_dropped_goes_on() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop(graceful(async move { with!(resource(&inner, "a") => sleep(10 * MS).await) }).spawn());
        sleep(20 * MS).await;
        assert_eq!(trace.take(), ["10 a Completed", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn task_can_be_aborted_before_its_first_poll() {
        let trace = Trace::new();
        let task = graceful(owns(trace.clone(), "a")).spawn();
        task.abort_handle().abort();
        assert!(task.await.expect_err("it was aborted").is_cancelled());
        assert!(trace.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn task_waits_for_the_managers_that_the_rescue_has_dropped() {
        let trace = Trace::new();
        let inner = trace.clone();
        let task = graceful(async move {
            let held = Box::pin(owns(inner.clone(), "b"));
            with!(resource(&inner, "a") => with!(shielded(inner.clone(), "s") => held.await));
        })
        .spawn();
        sleep(10 * MS).await;
        task.abort();
        task.await.expect_err("it was aborted");
        trace.add("completed");
        let events = trace.take();
        assert_eq!(events.last().map(String::as_str), Some("25 completed"), "{events:?}");
    }

    #[test]
    fn task_of_a_runtime_that_is_shut_down_completes_when_it_was_left() {
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("it starts");
        let inner = log.clone();
        let within = runtime.enter();
        let task = graceful(async move { with!(waits(&inner) => pending::<()>().await) }).spawn();
        drop(within);
        while log.is_empty() {
            std::thread::yield_now();
        }
        runtime.shutdown_background();
        assert!(futures::executor::block_on(task).expect_err("it was dropped").is_cancelled());
        assert_eq!(log.take(), ["entered", "left"]);

        #[async_context_manager]
        async fn waits(log: &Log) {
            log.add("entered");
            r#yield!();
            tests::yields(3).await;
            log.add("left");
        }
    }
}

mod with_others_in_it {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shielded_one_is_left_in_order() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            with!(resource(&inner, "a") => {
                with!(shielded(inner.clone(), "s") => holds(&inner, "b").await);
            });
        }))
        .await;
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 s Cancelled", "20 -s", "20 a Cancelled", "25 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stack_is_left_in_order() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            let _: Result<(), String> = with!(AsyncExitStack::new() as stack => {
                stack.enter(resource(&inner, "a")).await;
                stack.enter(resource(&inner, "b")).await;
                sleep(LONG).await;
            });
        }))
        .await;
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_is_stopped_and_waited_for() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            let task = inner.clone();
            let ended: Result<(), TaskGroupError<String>> = with!(task_group() as group => {
                group.spawn(async move {
                    holds(&task, "t").await;
                    Ok(())
                });
                holds(&inner, "block").await;
            });
            inner.add(format!("not reached {ended:?}"));
        }))
        .await;
        assert_eq!(trace.take(), ["10 block Cancelled", "10 t Cancelled", "15 -block", "15 -t"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_graceful_one_is_stopped_with_it() {
        let trace = Trace::new();
        let inner = trace.clone();
        drop_and_drain(graceful(async move {
            with!(resource(&inner, "a") => graceful(owns(inner.clone(), "b")).await);
        }))
        .await;
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
    }
}
