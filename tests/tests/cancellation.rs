//! The future around a `with!` is dropped: in the block, while entering, while leaving, and in odd places.

#![forbid(unsafe_code)]

use std::future::pending;

use async_context_manager::{Outcome, async_context_manager, with};
use tests::{Log, PanicsInDrop, drop_after, yields};

/// Pends once before the block and twice after it.
#[async_context_manager]
async fn plain(log: &Log) {
    let _local = log.on_drop("local dropped");
    log.add("enter");
    yields(1).await;
    log.add("entered");
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    yields(1).await;
    log.add("leave");
    yields(1).await;
    log.add("exit");
}

/// Never pends.
#[async_context_manager]
async fn at_once(log: &Log, name: &str) {
    log.add(format!("enter {name}"));
    let outcome = r#yield!();
    log.add(format!("{outcome:?} {name}"));
    async {}.await;
    log.add(format!("exit {name}"));
}

/// Never pends, and fails after a cancellation.
#[async_context_manager]
async fn fails(log: &Log) -> Result<(), String> {
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    outcome.is_cancelled().then_some(()).ok_or("not cancelled")?;
    Err("leaving".to_string())
}

#[async_context_manager]
async fn panics(log: &Log) {
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    panic!("leaving");
}

mod in_the_block {
    use super::*;

    #[test]
    fn drop_in_the_block_runs_the_exit_phase_to_its_first_pending_await() {
        let log = Log::new();
        drop_after(2, async {
            with!(plain(&log) => {
                let _block = log.on_drop("block dropped");
                log.add("block");
                pending::<()>().await;
                log.add("not reached");
            });
            log.add("not reached");
        });
        assert_eq!(log.take(), ["enter", "entered", "block", "block dropped", "Cancelled", "local dropped"]);
    }

    #[test]
    fn exit_phase_that_never_pends_runs_to_its_end_in_a_drop() {
        let log = Log::new();
        drop_after(1, async { with!(at_once(&log, "a") => { pending::<()>().await }) });
        assert_eq!(log.take(), ["enter a", "Cancelled a", "exit a"]);
    }

    #[test]
    fn locals_of_a_dropped_block_are_dropped_last_first() {
        let log = Log::new();
        drop_after(1, async {
            let _function = log.on_drop("of the function");
            with!(at_once(&log, "a") => {
                let _first = log.on_drop("first");
                let _second = log.on_drop("second");
                pending::<()>().await;
            });
        });
        let expected = ["enter a", "second", "first", "Cancelled a", "exit a", "of the function"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn values_moved_into_a_dropped_block_are_dropped_before_the_exit_phase() {
        let log = Log::new();
        let moved = log.on_drop("moved dropped");
        drop_after(1, async {
            with!(at_once(&log, "a") => {
                pending::<()>().await;
                drop(moved);
            });
        });
        assert_eq!(log.take(), ["enter a", "moved dropped", "Cancelled a", "exit a"]);
    }

    #[test]
    fn manager_has_its_locals_back_when_its_block_was_dropped() {
        #[async_context_manager]
        async fn counts(log: &Log) -> &mut Vec<u8> {
            let mut local = Vec::new();
            r#yield!(&mut local);
            local.push(2);
            log.add(format!("{local:?}"));
        }
        let log = Log::new();
        drop_after(1, async {
            with!(counts(&log) as local => {
                local.push(1);
                pending::<()>().await;
                local.push(3);
            });
        });
        assert_eq!(log.take(), ["[1, 2]"]);
    }

    #[test]
    fn block_that_was_polled_several_times_is_cancelled_by_a_drop() {
        let log = Log::new();
        drop_after(3, async {
            with!(at_once(&log, "a") => {
                for n in 0.. {
                    log.add(format!("block {n}"));
                    yields(1).await;
                }
            });
        });
        assert_eq!(log.take(), ["enter a", "block 0", "block 1", "block 2", "Cancelled a", "exit a"]);
    }

    #[test]
    fn error_of_an_exit_phase_in_a_drop_reaches_no_caller() {
        let log = Log::new();
        drop_after(1, async { with!(fails(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["Cancelled"]);
    }

    #[test]
    fn panic_of_an_exit_phase_in_a_drop_is_contained() {
        let log = Log::new();
        drop_after(1, async {
            let _function = log.on_drop("of the function");
            with!(panics(&log) => { pending::<()>().await });
        });
        log.add("after");
        assert_eq!(log.take(), ["Cancelled", "of the function", "after"]);
    }

    #[test]
    fn panic_in_the_drop_of_a_block_is_contained_and_seen_by_the_manager() {
        let log = Log::new();
        drop_after(1, async {
            with!(at_once(&log, "a") => {
                let _local = PanicsInDrop;
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["enter a", "Panicked a", "exit a"]);
    }

    #[test]
    fn panic_in_the_drop_of_a_block_whose_payload_panics_too_is_contained() {
        struct Payload;
        impl Drop for Payload {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        struct PanicsInDrop;
        impl Drop for PanicsInDrop {
            fn drop(&mut self) {
                std::panic::panic_any(Payload);
            }
        }
        let log = Log::new();
        drop_after(1, async {
            with!(at_once(&log, "a") => {
                let _local = PanicsInDrop;
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["enter a", "Panicked a", "exit a"]);
    }

    #[test]
    fn panic_in_the_drop_of_the_managers_locals_is_contained() {
        #[async_context_manager]
        async fn holds(log: &Log) {
            let _local = PanicsInDrop;
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
            pending::<()>().await;
        }
        let log = Log::new();
        drop_after(1, async { with!(holds(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["Cancelled"]);
    }

    #[test]
    fn panic_of_an_exit_phase_in_a_drop_whose_payload_panics_too_is_contained() {
        struct PanicsInDrop;
        impl Drop for PanicsInDrop {
            fn drop(&mut self) {
                std::panic::panic_any(PanicsInDrop);
            }
        }
        #[async_context_manager]
        async fn panics_again(log: &Log) {
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
            std::panic::panic_any(PanicsInDrop);
        }
        let log = Log::new();
        drop_after(1, async { with!(panics_again(&log) => pending::<()>().await) });
        assert_eq!(log.take(), ["Cancelled"]);
    }

    #[test]
    fn with_that_is_dropped_while_a_panic_unwinds_sees_cancelled() {
        let log = Log::new();
        let message = tests::panic_message(async {
            let (left, right) =
                futures::join!(async { with!(at_once(&log, "a") => { pending::<()>().await }) }, async {
                    yields(1).await;
                    panic!("elsewhere");
                });
            (left, right)
        });
        assert_eq!(message, "elsewhere");
        assert_eq!(log.take(), ["enter a", "Cancelled a", "exit a"]);
    }

    #[test]
    fn panic_of_an_exit_phase_while_another_panic_unwinds_is_contained() {
        let log = Log::new();
        let message = tests::panic_message(async {
            futures::join!(async { with!(panics(&log) => { pending::<()>().await }) }, async {
                yields(1).await;
                panic!("elsewhere");
            })
        });
        assert_eq!(message, "elsewhere");
        assert_eq!(log.take(), ["Cancelled"]);
    }
}

mod while_entering {
    use super::*;

    #[test]
    fn enter_phase_that_is_dropped_ends_there() {
        let log = Log::new();
        drop_after(1, async { with!(plain(&log) => { log.add("not reached") }) });
        assert_eq!(log.take(), ["enter", "local dropped"]);
    }

    #[test]
    fn values_moved_into_a_block_are_dropped_with_the_enter_phase() {
        let log = Log::new();
        let moved = log.on_drop("moved dropped");
        drop_after(1, async { with!(plain(&log) => drop(moved)) });
        let mut events = log.take();
        events.sort();
        assert_eq!(events, ["enter", "local dropped", "moved dropped"]);
    }

    #[test]
    fn drop_while_the_second_of_a_header_enters_cancels_the_first() {
        let log = Log::new();
        drop_after(1, async { with!(at_once(&log, "a"), plain(&log) => { log.add("not reached") }) });
        assert_eq!(log.take(), ["enter a", "enter", "local dropped", "Cancelled a", "exit a"]);
    }

    #[test]
    fn drop_while_the_inner_manager_enters_cancels_the_outer() {
        let log = Log::new();
        drop_after(1, async { with!(at_once(&log, "a") => with!(plain(&log) => log.add("not reached"))) });
        assert_eq!(log.take(), ["enter a", "enter", "local dropped", "Cancelled a", "exit a"]);
    }
}

mod while_leaving {
    use super::*;

    #[test]
    fn exit_phase_that_is_dropped_ends_there() {
        let log = Log::new();
        drop_after(2, async {
            with!(plain(&log) => { log.add("block") });
            log.add("not reached");
        });
        assert_eq!(log.take(), ["enter", "entered", "block", "Completed", "local dropped"]);
    }

    #[test]
    fn exit_phase_that_is_dropped_at_its_second_await_ends_there() {
        let log = Log::new();
        drop_after(3, async { with!(plain(&log) => log.add("block")) });
        assert_eq!(log.take(), ["enter", "entered", "block", "Completed", "leave", "local dropped"]);
    }

    #[test]
    fn value_of_the_block_is_dropped_with_the_exit_phase() {
        let log = Log::new();
        drop_after(2, async { with!(plain(&log) => log.on_drop("value dropped")) });
        let mut events = log.take().split_off(3);
        events.sort();
        assert_eq!(events, ["local dropped", "value dropped"]);
    }

    #[test]
    fn panic_of_the_block_is_dropped_with_the_exit_phase() {
        struct Payload(#[allow(dead_code, reason = "logs when it is dropped")] tests::OnDrop);
        let log = Log::new();
        drop_after(2, async {
            with!(plain(&log) => { std::panic::panic_any(Payload(log.on_drop("payload dropped"))) });
        });
        let mut events = log.take().split_off(2);
        events.sort();
        assert_eq!(events, ["Panicked", "local dropped", "payload dropped"]);
    }

    #[test]
    fn panic_of_the_block_whose_payload_panics_too_is_dropped_with_the_exit_phase() {
        let log = Log::new();
        drop_after(2, async { with!(plain(&log) => std::panic::panic_any(PanicsInDrop)) });
        assert_eq!(log.take(), ["enter", "entered", "Panicked", "local dropped"]);
    }

    #[test]
    fn drop_while_the_inner_manager_leaves_cancels_the_outer() {
        let log = Log::new();
        drop_after(2, async { with!(at_once(&log, "a") => with!(plain(&log) => log.add("block"))) });
        let expected = ["enter a", "enter", "entered", "block", "Completed", "local dropped", "Cancelled a", "exit a"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn drop_while_the_second_of_a_header_leaves_cancels_the_first() {
        let log = Log::new();
        drop_after(2, async { with!(at_once(&log, "a"), plain(&log) => log.add("block")) });
        let expected = ["enter a", "enter", "entered", "block", "Completed", "local dropped", "Cancelled a", "exit a"];
        assert_eq!(log.take(), expected);
    }
}

mod several {
    use super::*;

    #[test]
    fn nested_managers_that_are_dropped_leave_inner_first() {
        let log = Log::new();
        drop_after(1, async {
            with!(at_once(&log, "a") => {
                let _between = log.on_drop("between dropped");
                with!(at_once(&log, "b") => {
                    let _block = log.on_drop("block dropped");
                    pending::<()>().await;
                });
            });
        });
        let expected = [
            "enter a",
            "enter b",
            "block dropped",
            "Cancelled b",
            "exit b",
            "between dropped",
            "Cancelled a",
            "exit a",
        ];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn managers_of_a_header_that_are_dropped_leave_last_first() {
        let log = Log::new();
        drop_after(1, async {
            with!(at_once(&log, "a"), at_once(&log, "b"), at_once(&log, "c") => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            });
        });
        let expected = [
            "enter a",
            "enter b",
            "enter c",
            "block dropped",
            "Cancelled c",
            "exit c",
            "Cancelled b",
            "exit b",
            "Cancelled a",
            "exit a",
        ];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn inner_manager_that_pends_in_a_drop_does_not_keep_the_outer_from_leaving() {
        let log = Log::new();
        drop_after(2, async {
            with!(at_once(&log, "a"), plain(&log), at_once(&log, "b") => {
                pending::<()>().await;
            });
        });
        let expected = [
            "enter a",
            "enter",
            "entered",
            "enter b",
            "Cancelled b",
            "exit b",
            "Cancelled",
            "local dropped",
            "Cancelled a",
            "exit a",
        ];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn inner_manager_that_panics_in_a_drop_does_not_keep_the_outer_from_leaving() {
        let log = Log::new();
        drop_after(1, async { with!(at_once(&log, "a") => with!(panics(&log) => { pending::<()>().await })) });
        assert_eq!(log.take(), ["enter a", "Cancelled", "Cancelled a", "exit a"]);
    }

    #[test]
    fn inner_manager_that_fails_in_a_drop_is_cancelled_for_the_outer() {
        let log = Log::new();
        drop_after(1, async { with!(at_once(&log, "a"), fails(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["enter a", "Cancelled", "Cancelled a", "exit a"]);
    }

    #[test]
    fn with_in_the_enter_phase_of_a_dropped_manager_is_cancelled() {
        #[async_context_manager]
        async fn uses(log: &Log) {
            with!(at_once(log, "inner") => { pending::<()>().await });
            r#yield!();
        }
        let log = Log::new();
        drop_after(1, async { with!(at_once(&log, "a"), uses(&log) => {}) });
        let expected = ["enter a", "enter inner", "Cancelled inner", "exit inner", "Cancelled a", "exit a"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn with_in_the_exit_phase_of_a_dropped_manager_is_entered_and_cancelled() {
        #[async_context_manager]
        async fn uses(log: &Log) {
            let outcome = r#yield!();
            log.add(format!("{outcome:?} outer"));
            with!(at_once(log, "inner") => { pending::<()>().await });
        }
        let log = Log::new();
        drop_after(1, async { with!(uses(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["Cancelled outer", "enter inner", "Cancelled inner", "exit inner"]);
    }

    #[test]
    fn drop_of_two_joined_withs_cancels_only_the_one_under_way() {
        let log = Log::new();
        drop_after(1, async {
            futures::join!(async { with!(at_once(&log, "a") => {}) }, async {
                with!(at_once(&log, "b") => { pending::<()>().await });
            })
        });
        let expected = ["enter a", "Completed a", "exit a", "enter b", "Cancelled b", "exit b"];
        assert_eq!(log.take(), expected);
    }
}

mod elsewhere {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    #[test]
    fn with_that_was_never_polled_only_drops_what_it_holds() {
        let log = Log::new();
        let moved = log.on_drop("moved dropped");
        drop_after(0, async { with!(plain(&log) => drop(moved)) });
        assert_eq!(log.take(), ["moved dropped"]);
    }

    #[test]
    fn manager_that_is_never_entered_runs_nothing() {
        let log = Log::new();
        #[allow(clippy::let_underscore_future, reason = "a manager is no future")]
        let _ = plain(&log);
        assert!(log.take().is_empty());
    }

    #[test]
    fn drop_after_the_end_runs_nothing() {
        let log = Log::new();
        {
            let mut future = pin!(async { with!(at_once(&log, "a") => 5) });
            let output = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(output, Poll::Ready(5));
            log.add("ended");
        }
        assert_eq!(log.take(), ["enter a", "Completed a", "exit a", "ended"]);
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_around_a_with_cancels_it() {
        let log = Log::new();
        let result = tokio::time::timeout(Duration::from_secs(1), async {
            with!(plain(&log) => { pending::<()>().await });
        })
        .await;
        log.add("after");
        assert!(result.is_err());
        assert_eq!(log.take(), ["enter", "entered", "Cancelled", "local dropped", "after"]);
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_between_two_withs_cancels_the_inner() {
        let log = Log::new();
        with!(at_once(&log, "a") => {
            let limited = tokio::time::timeout(Duration::from_secs(1), async {
                with!(at_once(&log, "b") => { pending::<()>().await });
            });
            assert!(limited.await.is_err());
            log.add("after");
        });
        let expected = ["enter a", "enter b", "Cancelled b", "exit b", "after", "Completed a", "exit a"];
        assert_eq!(log.take(), expected);
    }

    #[tokio::test]
    async fn select_that_another_branch_wins_cancels_a_with() {
        let log = Log::new();
        tokio::select! {
            () = async { with!(at_once(&log, "a") => { pending::<()>().await }) } => unreachable!(),
            () = yields(2) => log.add("after"),
        }
        assert_eq!(log.take(), ["enter a", "Cancelled a", "exit a", "after"]);
    }

    #[tokio::test]
    async fn abort_of_a_task_cancels_its_with() {
        let log = Log::new();
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                with!(at_once(&log, "a") => {
                    let _block = log.on_drop("block dropped");
                    pending::<()>().await;
                });
            }
        });
        tokio::task::yield_now().await;
        assert_eq!(log.take(), ["enter a"]);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block dropped", "Cancelled a", "exit a"]);
    }

    #[test]
    fn end_of_the_runtime_cancels_the_withs_of_its_tasks() {
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tokio::spawn({
                let log = log.clone();
                async move { with!(at_once(&log, "a") => { pending::<()>().await }) }
            });
            tokio::task::yield_now().await;
        });
        assert_eq!(log.take(), ["enter a"]);
        drop(runtime);
        assert_eq!(log.take(), ["Cancelled a", "exit a"]);
    }

    #[test]
    fn exit_phase_that_awaits_a_timer_of_the_ended_runtime_stops_there() {
        #[async_context_manager]
        async fn sleeps(log: Log) {
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
            tokio::time::sleep(Duration::from_secs(1)).await;
            log.add("not reached");
        }
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let log = log.clone();
            tokio::spawn(async { with!(sleeps(log) => { pending::<()>().await }) });
            tokio::task::yield_now().await;
        });
        drop(runtime);
        assert_eq!(log.take(), ["Cancelled"]);
    }

    #[test]
    fn with_that_is_dropped_on_a_thread_without_a_runtime_is_cancelled() {
        let log = Log::new();
        let mut future = Box::pin({
            let log = log.clone();
            async move { with!(plain(&log) => { pending::<()>().await }) }
        });
        for _ in 0..2 {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        std::thread::spawn(move || drop(future)).join().unwrap();
        assert_eq!(log.take(), ["enter", "entered", "Cancelled", "local dropped"]);
    }

    /// Polls a future on a runtime, and drops it on a thread without one.
    fn drop_elsewhere(future: impl Future<Output = ()> + Send + 'static) {
        let mut future = Box::pin(future);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { assert!(futures::poll!(future.as_mut()).is_pending()) });
        std::thread::spawn(move || drop(future)).join().unwrap();
    }

    #[test]
    fn with_whose_block_races_a_timer_is_cancelled_without_a_runtime() {
        #[async_context_manager]
        async fn limited(log: Log) {
            let outcome = tokio::time::timeout(Duration::from_secs(1), async { r#yield!() }).await;
            log.add(format!("{outcome:?}"));
        }
        let log = Log::new();
        drop_elsewhere({
            let log = log.clone();
            async { with!(limited(log) => pending::<()>().await) }
        });
        assert_eq!(log.take(), ["Ok(Cancelled)"]);
    }

    #[test]
    fn exit_phase_that_wants_a_runtime_where_there_is_none_is_contained() {
        #[async_context_manager]
        async fn sleeps(log: Log) {
            let _local = log.on_drop("local dropped");
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
            tokio::time::sleep(Duration::from_secs(1)).await;
            log.add("not reached");
        }
        let log = Log::new();
        drop_elsewhere({
            let log = log.clone();
            async { with!(sleeps(log) => pending::<()>().await) }
        });
        assert_eq!(log.take(), ["Cancelled", "local dropped"]);
    }

    #[test]
    fn with_that_moves_between_threads_completes() {
        let log = Log::new();
        let mut future = Box::pin({
            let log = log.clone();
            async move { with!(plain(&log) => { yields(2).await; log.add("block") }) }
        });
        loop {
            let polled = std::thread::spawn(move || {
                let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                (poll, future)
            });
            let poll;
            (poll, future) = polled.join().unwrap();
            if poll.is_ready() {
                break;
            }
        }
        assert_eq!(log.take(), ["enter", "entered", "block", "Completed", "leave", "exit", "local dropped"]);
    }

    #[test]
    fn outcome_of_a_dropped_with_is_cancelled() {
        #[async_context_manager]
        async fn asks(log: &Log) {
            let outcome = r#yield!();
            assert_eq!(outcome, Outcome::Cancelled);
            assert!(outcome.is_cancelled());
            assert!(!outcome.is_completed() && !outcome.is_failed() && !outcome.is_panicked());
            assert_eq!(outcome.into_result(), Ok(()));
            log.add("all so");
        }
        let log = Log::new();
        drop_after(1, async { with!(asks(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["all so"]);
    }
}
