//! The managers that stop their block: `cancel_scope`, `stop_when`, time limits, and those of a user with `until`.

use std::future::poll_fn;
use std::task::Poll;
use std::thread;

use async_context_manager::{CancelScope, cancel_scope, move_on_after, move_on_at, stop_when, timeout_at, until};

use tokio::sync::watch;

use super::*;

mod cancel {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn by_the_block_lets_it_go_on_to_its_next_await() {
        let trace = Trace::new();
        let value = with!(cancel_scope() as scope => {
            with!(resource(&trace, "a") => {
                scope.cancel();
                trace.add("goes on");
                sleep(LONG).await;
                trace.add("not reached");
            });
            5
        });
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["0 goes on", "0 a Cancelled", "5 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn by_a_block_that_comes_to_its_end_counts_for_nothing() {
        let value = with!(cancel_scope() as scope => {
            scope.cancel();
            5
        });
        assert_eq!(value, Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn by_another_task_stops_the_block() {
        let trace = Trace::new();
        let value = with!(cancel_scope() as scope => {
            tokio::spawn(async move {
                sleep(7 * MS).await;
                scope.cancel();
            });
            holds(&trace, "a").await;
            5
        });
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["7 a Cancelled", "12 -a"]);
    }

    #[tokio::test]
    async fn by_another_thread_stops_the_block() {
        let trace = Trace::new();
        let value = with!(cancel_scope() as scope => {
            with!(resource(&trace, "a") => {
                thread::spawn(move || scope.cancel()).join().expect("it does not panic");
                pending::<()>().await;
            });
        });
        assert_eq!(value, None);
        assert_eq!(trace.take().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn by_a_clone_stops_the_block() {
        let trace = Trace::new();
        let value = with!(cancel_scope() as scope => {
            let clone = scope.clone();
            tokio::join!(holds(&trace, "a"), async move {
                sleep(3 * MS).await;
                clone.cancel();
            });
        });
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["3 a Cancelled", "8 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn twice_and_while_leaving_does_nothing_more() {
        let trace = Trace::new();
        let value = with!(cancel_scope() as scope => {
            tokio::spawn(async move {
                for _ in 0..3 {
                    sleep(2 * MS).await;
                    scope.cancel();
                }
            });
            holds(&trace, "a").await;
        });
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["2 a Cancelled", "7 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_end_does_nothing() {
        let mut kept = None::<CancelScope>;
        let value = with!(cancel_scope() as scope => {
            kept = Some(scope);
            5
        });
        let kept = kept.expect("the block ran");
        assert!(!kept.is_cancelled());
        kept.cancel();
        assert!(kept.is_cancelled());
        assert_eq!(value, Some(5));
        assert_eq!(format!("{kept:?}"), "CancelScope { is_cancelled: true }");
    }

    #[tokio::test(start_paused = true)]
    async fn of_the_outer_scope_stops_both() {
        let trace = Trace::new();
        let value = with!(cancel_scope() as outer => {
            let inner = with!(cancel_scope() => {
                let _canceller = tokio::spawn(async move {
                    sleep(3 * MS).await;
                    outer.cancel();
                });
                holds(&trace, "a").await;
            });
            trace.add(format!("not reached {inner:?}"));
        });
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["3 a Cancelled", "8 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_the_inner_scope_goes_on_after_it() {
        let trace = Trace::new();
        let value = with!(cancel_scope() => {
            let inner = with!(cancel_scope() as inner => {
                inner.cancel();
                holds(&trace, "a").await;
            });
            trace.add(format!("inner {inner:?}"));
            sleep(MS).await;
            5
        });
        assert_eq!(value, Some(5));
        assert_eq!(trace.take(), ["0 inner None"]); // nothing is entered once the scope is cancelled
    }
}

mod stop {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn when_a_future_ends() {
        let trace = Trace::new();
        let value = with!(stop_when(sleep(10 * MS)) => holds(&trace, "a").await);
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_future_ends_drops_its_output_before_the_block_is_left() {
        struct Output(Trace);

        impl Drop for Output {
            fn drop(&mut self) {
                self.0.add("output");
            }
        }

        let trace = Trace::new();
        let stop = async {
            sleep(10 * MS).await;
            Output(trace.clone())
        };
        with!(stop_when(stop) => holds(&trace, "a").await);
        assert_eq!(trace.take(), ["10 output", "10 a Cancelled", "15 -a"]);
    }

    /// What `wait_for` returns locks the channel, and is not `Send`.
    #[tokio::test(start_paused = true)]
    async fn when_a_watched_value_changes() {
        let trace = Trace::new();
        let (stop, mut stopped) = watch::channel(false);
        let work = tokio::spawn({
            let trace = trace.clone();
            async move { with!(stop_when(stopped.wait_for(|stopped| *stopped)) => holds(&trace, "a").await) }
        });
        sleep(10 * MS).await;
        stop.send_replace(true);
        assert_eq!(work.await.expect("it does not panic"), None);
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_future_is_ready_at_once_enters_nothing() {
        let trace = Trace::new();
        let value = with!(stop_when(ready(())) => holds(&trace, "a").await);
        assert_eq!(value, None);
        assert_eq!(trace.take(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_future_is_ready_at_once_is_too_late_for_a_block_that_never_waits() {
        assert_eq!(with!(stop_when(ready(())) => 5), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_future_panics_is_a_panic_of_the_manager() {
        let trace = Trace::new();
        let work = tokio::spawn({
            let trace = trace.clone();
            async move {
                let stop = async {
                    sleep(10 * MS).await;
                    panic!("no signal");
                };
                with!(stop_when(stop) => holds(&trace, "a").await);
            }
        });
        assert!(work.await.expect_err("it panics").is_panic());
        assert_eq!(trace.take(), ["10 a Cancelled"]); // as dropped
    }

    #[tokio::test(start_paused = true)]
    async fn when_a_future_ends_is_not_polled_after_its_end() {
        let trace = Trace::new();
        let mut is_ready = false;
        let stop = poll_fn(|cx| {
            assert!(!is_ready, "polled after its end");
            is_ready = true;
            cx.waker().wake_by_ref();
            Poll::Ready(())
        });
        let value = with!(stop_when(stop) => holds(&trace, "a").await);
        assert_eq!(value, None);
        assert_eq!(trace.take(), [""; 0]);
    }
}

mod until_in_a_manager {
    use super::*;

    #[async_context_manager]
    async fn limited(trace: &Trace) -> Result<&Trace, String> {
        let ended = until(sleep(10 * MS), async {
            let outcome = r#yield!(trace);
            trace.add(format!("sees {outcome:?}"));
            sleep(2 * MS).await;
            trace.add("left");
            outcome
        });
        let ended = ended.await;
        trace.add(format!("{ended:?}"));
        sleep(MS).await;
        ended.map(drop).map_err(|()| "late".to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn stops_the_block_and_then_its_own_code() {
        let trace = Trace::new();
        let value: Result<u8, String> = with!(limited(&trace) as trace => {
            holds(trace, "a").await;
            1
        });
        assert_eq!(value, Err("late".to_string()));
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a", "15 sees Cancelled", "17 left", "17 Err(())"]);
    }

    #[tokio::test(start_paused = true)]
    async fn stops_a_block_without_managers() {
        let trace = Trace::new();
        let value: Result<u8, String> = with!(limited(&trace) as trace => {
            sleep(LONG).await;
            trace.add("not reached");
            1
        });
        assert_eq!(value, Err("late".to_string()));
        assert_eq!(trace.take(), ["10 sees Cancelled", "12 left", "12 Err(())"]);
    }

    #[tokio::test(start_paused = true)]
    async fn sees_the_error_of_an_exit_phase_that_the_stop_runs() {
        async fn run(trace: &Trace) -> Result<u8, String> {
            with!(limited(trace) as trace => {
                with!(failing(trace, "a") => sleep(LONG).await)?;
                1
            })
        }
        let trace = Trace::new();
        assert_eq!(run(&trace).await, Err("a failed".to_string()));
        assert_eq!(trace.take(), ["10 a Cancelled", "15 sees Failed(())", "17 left", "17 Ok(Failed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn lets_a_block_in_time_pass() {
        let trace = Trace::new();
        let value: Result<u8, String> = with!(limited(&trace) => 1);
        assert_eq!(value, Ok(1));
        assert_eq!(trace.take(), ["0 sees Completed", "2 left", "2 Ok(Completed)"]);
    }

    #[tokio::test(start_paused = true)]
    async fn is_stopped_by_a_scope_around() {
        let trace = Trace::new();
        let late = with!(timeout(5 * MS) => {
            let value: Result<u8, String> = with!(limited(&trace) as trace => {
                holds(trace, "a").await;
                1
            });
            trace.add(format!("not reached {value:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["5 a Cancelled", "10 -a", "10 sees Cancelled", "12 left", "12 Ok(Cancelled)"]);
    }

    #[tokio::test(start_paused = true)]
    async fn outside_of_a_manager_stops_what_is_in_its_future() {
        let trace = Trace::new();
        let stopped = until(sleep(10 * MS), holds(&trace, "a")).await;
        assert_eq!(stopped, Err(()));
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }
}

mod limit {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn at_a_time_stops_the_block() {
        let trace = Trace::new();
        let value = with!(move_on_at(trace.begin + 10 * MS) => holds(&trace, "a").await);
        assert_eq!(value, None);
        assert!(with!(timeout_at(trace.begin + 25 * MS) => holds(&trace, "b").await).is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a", "25 b Cancelled", "30 -b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_the_past_stops_the_block_after_one_poll() {
        let trace = Trace::new();
        sleep(10 * MS).await;
        assert_eq!(with!(move_on_at(trace.begin) => holds(&trace, "a").await), None);
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_zero_stops_the_block_after_one_poll() {
        let trace = Trace::new();
        assert!(with!(timeout(Duration::ZERO) => holds(&trace, "a").await).is_err());
        assert_eq!(with!(move_on_after(Duration::ZERO) => holds(&trace, "b").await), None);
        assert_eq!(trace.take(), ["0 a Cancelled", "5 -a", "5 b Cancelled", "10 -b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_zero_gives_an_enter_phase_that_waits_up() {
        let trace = Trace::new();
        let late = with!(timeout(Duration::ZERO) => with!(slow(&trace, "a") => trace.add("not reached")));
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 (a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_zero_is_enough_for_a_block_that_never_waits() {
        assert_eq!(with!(timeout(Duration::ZERO) => 5), Ok(5));
        assert_eq!(with!(move_on_after(Duration::ZERO) => 5), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_at_the_same_time_the_outer_one_counts() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let inner = with!(timeout(10 * MS) => holds(&trace, "a").await);
            trace.add(format!("not reached {inner:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn returns_when_the_exit_phases_are_done() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => holds(&trace, "b").await);
        });
        assert!(late.is_err());
        assert_eq!(trace.begin.elapsed(), 20 * MS);
    }
}

/// In a manager, with another manager between the scope and the `yield!`.
mod in_a_manager {
    use super::*;

    #[async_context_manager]
    async fn limited(trace: &Trace) -> Result<(), String> {
        with!(timeout(10 * MS), resource(trace, "a") => {
            r#yield!();
        })
        .map_err(|_| "too late".to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_limit_stops_a_block_without_managers() {
        let trace = Trace::new();
        assert_eq!(with!(limited(&trace) => sleep(LONG).await), Err("too late".to_string()));
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_limit_stops_a_block_with_managers() {
        let trace = Trace::new();
        assert_eq!(with!(limited(&trace) => holds(&trace, "b").await), Err("too late".to_string()));
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_ends_in_time_counts() {
        let trace = Trace::new();
        assert_eq!(with!(limited(&trace) => { sleep(MS).await; 5 }), Ok(5));
        assert_eq!(trace.take(), ["1 a Completed", "6 -a"]);
    }
}
