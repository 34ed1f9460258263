//! What a stop does to the block, to its managers, and to the value of the `with!`.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use async_context_manager::{AsyncExitStack, cut_short, unstopped};
use futures::FutureExt;
use tests::message;
use tokio::time::error::Elapsed;

use super::*;

mod value {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_is_ready_at_the_time_of_the_stop_does_not_count() {
        let late = with!(timeout(10 * MS) => {
            sleep(10 * MS).await;
            5
        });
        assert!(late.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_ready_in_a_manager_at_that_time_does_not_count() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                sleep(10 * MS).await;
                trace.add("not reached");
                5
            })
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_block_whose_manager_is_leaving_counts() {
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                sleep(7 * MS).await;
                5
            })
        });
        assert_eq!(value, Ok(5));
        assert_eq!(trace.take(), ["7 a Completed", "12 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_manager_that_was_leaving_is_seen_up_to_the_next_await() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let value = with!(resource(&trace, "a") => {
                sleep(7 * MS).await;
                5
            });
            trace.add(format!("after {value}"));
            sleep(MS).await;
            trace.add("not reached");
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["7 a Completed", "12 -a", "12 after 5"]);
    }

    #[tokio::test(start_paused = true)]
    async fn is_dropped_with_the_block_before_the_manager_sees_the_stop() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                let _local = trace.log.on_drop("local dropped");
                sleep(LONG).await;
            });
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["local dropped", "10 a Cancelled", "15 -a"]);
    }
}

mod nesting {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_left_from_the_inside_out() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") as a => {
                a.push('!');
                with!(resource(&trace, "b") as b => {
                    b.push('?');
                    sleep(LONG).await;
                    trace.add("not reached");
                });
                trace.add("not reached");
            });
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b?", "15 a Cancelled", "20 -a!", "20 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_header_is_left_from_the_last_to_the_first() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") as a, resource(&trace, a) as b => {
                b.push('?');
                sleep(LONG).await;
            });
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a?", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn side_by_side_is_left_side_by_side() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            tokio::join!(biased; holds(&trace, "a"), holds(&trace, "b"))
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "10 b Cancelled", "15 -a", "15 -b"]);
    }
}

mod exit_that_fails {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gives_its_error_to_the_code_around() {
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                let failed: Result<(), String> = with!(failing(&trace, "b") => sleep(LONG).await);
                trace.add("goes on");
                failed
            })
        });
        assert_eq!(value, Ok(Err("b failed".to_string())));
        assert_eq!(trace.take(), ["10 b Cancelled", "15 goes on", "15 a Failed(())", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn can_be_handled_up_to_the_next_await() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                let failed: Result<(), String> = with!(failing(&trace, "b") => sleep(LONG).await);
                trace.add(format!("handles {failed:?}"));
                sleep(LONG).await;
                trace.add("not reached");
            });
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 b Cancelled", "15 handles Err(\"b failed\")", "15 a Cancelled", "20 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn passes_by_a_question_mark() {
        async fn query(trace: &Trace) -> Result<(), String> {
            with!(failing(trace, "b") => sleep(LONG).await)?;
            trace.add("not reached");
            Ok(())
        }
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => query(&trace).await);
        assert_eq!(value, Ok(Err("b failed".to_string())));
        assert_eq!(trace.take(), ["10 b Cancelled"]);
    }
}

#[tokio::test(start_paused = true)]
async fn exit_that_panics_is_a_panic_of_the_block_around() {
    let trace = Trace::new();
    let late = AssertUnwindSafe(async {
        with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                with!(panicking(&trace, "b") => sleep(LONG).await);
                trace.add("not reached");
            });
        })
    });
    let payload = late.catch_unwind().await.expect_err("the panic goes on");
    assert_eq!(message(payload.as_ref()), "b panicked");
    assert_eq!(trace.take(), ["10 b Cancelled", "15 a Panicked", "20 -a"]);
}

mod entering {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_given_up() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                with!(slow(&trace, "b") => trace.add("not reached"));
            });
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 (b", "10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_what_is_open_in_it() {
        #[async_context_manager]
        async fn composed(trace: &Trace) {
            with!(resource(trace, "in") => {
                sleep(20 * MS).await;
                trace.add("not reached");
                r#yield!();
            });
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(composed(&trace) => trace.add("not reached")));
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 in Cancelled", "15 -in"]);
    }

    #[tokio::test(start_paused = true)]
    async fn that_would_end_while_another_leaves_is_abandoned() {
        let trace = Trace::new();
        let late = with!(timeout(18 * MS) => {
            tokio::join!(
                biased;
                holds(&trace, "a"),
                async { with!(slow(&trace, "b") => trace.add("not reached")) },
            )
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 (b", "18 a Cancelled", "23 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_shielded_manager_is_finished_and_nobody_waits() {
        #[async_context_manager(shielded)]
        async fn owned(trace: Trace) {
            sleep(30 * MS).await;
            trace.add("+s");
            let outcome = r#yield!();
            trace.add(format!("s {outcome:?}"));
            sleep(5 * MS).await;
            trace.add("-s");
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => with!(owned(trace.clone()) => trace.add("not reached")));
        });
        trace.add(format!("{late:?}"));
        rescue::drain().await;
        assert_eq!(
            trace.take(),
            ["10 a Cancelled", "15 -a", "15 Err(Elapsed(()))", "30 +s", "30 s Cancelled", "35 -s"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_shielded_manager_is_finished_although_a_manager_in_it_is_open() {
        #[async_context_manager(shielded)]
        async fn owned(trace: Trace) {
            with!(resource(&trace, "in") => sleep(20 * MS).await);
            trace.add("+s");
            let outcome = r#yield!();
            trace.add(format!("s {outcome:?}"));
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(owned(trace.clone()) => trace.add("not reached")));
        trace.add(format!("{late:?}"));
        rescue::drain().await;
        assert_eq!(trace.take(), ["10 Err(Elapsed(()))", "20 in Completed", "25 -in", "25 +s", "25 s Cancelled"]);
    }
}

mod outer_stop {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wins_over_an_inner_one_that_is_under_way() {
        let trace = Trace::new();
        let late = with!(timeout(12 * MS) => {
            let inner = with!(timeout(10 * MS) => holds(&trace, "b").await);
            trace.add(format!("not reached {inner:?}"));
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_hide_an_error_of_the_inner_block() {
        let trace = Trace::new();
        let value = with!(timeout(12 * MS) => {
            with!(timeout(10 * MS) => with!(failing(&trace, "b") => sleep(LONG).await))
        });
        assert_eq!(value, Ok(Ok(Err("b failed".to_string()))));
        assert_eq!(trace.take(), ["10 b Cancelled"]);
    }
}

mod option {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn suppress_swallows_no_stop() {
        #[async_context_manager(suppress)]
        async fn swallows(trace: &Trace) {
            let outcome = r#yield!();
            trace.add(format!("sees {outcome:?}"));
            sleep(5 * MS).await;
            trace.add("left");
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let value = with!(swallows(&trace) => sleep(LONG).await);
            trace.add(format!("not reached {value:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 sees Cancelled", "15 left"]);
    }

    #[tokio::test(start_paused = true)]
    async fn catch_makes_an_error_of_a_stop() {
        #[async_context_manager(catch)]
        async fn catches(trace: &Trace) -> Result<(), String> {
            let outcome = r#yield!();
            trace.add(format!("sees {outcome:?}"));
            sleep(5 * MS).await;
            if outcome.is_cancelled() { Err("stopped".to_string()) } else { outcome.into_result() }
        }
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => {
            let value: Result<(), String> = with!(catches(&trace) => sleep(LONG).await);
            value
        });
        assert_eq!(value, Ok(Err("stopped".to_string())));
        assert_eq!(trace.take(), ["10 sees Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn catch_that_returns_no_error_swallows_no_stop() {
        #[async_context_manager(catch, suppress)]
        async fn catches(trace: &Trace) -> Result<(), String> {
            let outcome = r#yield!();
            trace.add(format!("sees {outcome:?}"));
            Ok(())
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let value: Result<Option<()>, String> = with!(catches(&trace) => sleep(LONG).await);
            trace.add(format!("not reached {value:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 sees Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn shielded_is_awaited_like_any_other() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                with!(shielded(trace.clone(), "s") => holds(&trace, "b").await);
            });
        });
        trace.add(format!("{late:?}"));
        assert_eq!(
            trace.take(),
            ["10 b Cancelled", "15 -b", "15 s Cancelled", "20 -s", "20 a Cancelled", "25 -a", "25 Err(Elapsed(()))"]
        );
    }
}

mod stack {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_left_from_the_youngest_to_the_oldest() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let value: Result<(), String> = with!(AsyncExitStack::new() as stack => {
                stack.enter(resource(&trace, "a")).await;
                stack.enter(resource(&trace, "b")).await;
                stack.push(async |outcome| {
                    trace.add(format!("pushed {outcome:?}"));
                    sleep(MS).await;
                });
                holds(&trace, "c").await;
            });
            trace.add(format!("not reached {value:?}"));
        });
        assert!(late.is_err());
        assert_eq!(
            trace.take(),
            ["10 c Cancelled", "15 -c", "15 pushed Cancelled", "16 b Cancelled", "21 -b", "21 a Cancelled", "26 -a"]
        );
    }

    /// Rule 4 for nested `with!`s: an error goes on in place of the stop, and can be suppressed.
    #[tokio::test(start_paused = true)]
    async fn goes_on_after_an_error_in_place_of_the_stop_was_suppressed() {
        #[async_context_manager(catch, suppress)]
        async fn suppressing(trace: &Trace) -> Result<(), String> {
            let outcome = r#yield!();
            trace.add(format!("suppresses {outcome:?}"));
            Ok(())
        }

        #[async_context_manager]
        async fn failing() -> Result<(), String> {
            r#yield!();
            Err("of leaving".to_string())
        }

        async fn nested(trace: &Trace) -> Result<Option<()>, String> {
            with!(suppressing(trace) => { with!(failing() => sleep(LONG).await)?; })
        }

        async fn stacked(trace: &Trace) -> Result<Option<()>, String> {
            with!(AsyncExitStack::suppressing() as stack => {
                stack.enter(suppressing(trace)).await?;
                stack.enter(failing()).await?;
                sleep(LONG).await;
            })
        }

        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended = nested(&trace).await;
            trace.add(format!("nested {ended:?}"));
        });
        assert!(late.is_ok(), "the block comes to its end");
        let late = with!(timeout(10 * MS) => {
            let ended = stacked(&trace).await;
            trace.add(format!("stacked {ended:?}"));
        });
        assert!(late.is_ok(), "the block comes to its end");
        let suppresses = "suppresses Failed(\"of leaving\")";
        assert_eq!(
            trace.take(),
            [
                format!("10 {suppresses}"),
                "10 nested Ok(None)".to_string(),
                format!("20 {suppresses}"),
                "20 stacked Ok(None)".to_string()
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_entering_a_manager_gives_that_up() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let value: Result<(), String> = with!(AsyncExitStack::new() as stack => {
                stack.enter(resource(&trace, "a")).await;
                stack.enter(slow(&trace, "b")).await;
            });
            trace.add(format!("not reached {value:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 (b", "10 a Cancelled", "15 -a"]);
    }
}

mod code_beside {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn goes_on_while_exit_phases_are_awaited() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            tokio::join!(holds(&trace, "a"), async {
                loop {
                    sleep(4 * MS).await;
                    trace.add("beside");
                }
            })
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["4 beside", "8 beside", "10 a Cancelled", "12 beside", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn enters_no_more_managers() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            tokio::join!(holds(&trace, "a"), async {
                loop {
                    sleep(3 * MS).await;
                    with!(resource(&trace, "x") => {});
                }
            })
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["3 x Completed", "8 -x", "10 a Cancelled", "15 -a"]);
    }
}

mod exit_phase {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn enters_managers_and_has_limits_of_its_own() {
        #[async_context_manager]
        async fn outer(trace: &Trace) {
            let outcome = r#yield!();
            trace.add(format!("outer {outcome:?}"));
            with!(resource(trace, "in exit") => {
                sleep(2 * MS).await;
                trace.add("works");
            });
            let late = with!(timeout(3 * MS) => holds(trace, "limited").await);
            trace.add(format!("-outer {late:?}"));
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(outer(&trace) => sleep(LONG).await));
        trace.add(format!("{late:?}"));
        assert_eq!(
            trace.take(),
            [
                "10 outer Cancelled",
                "12 works",
                "12 in exit Completed",
                "17 -in exit",
                "20 limited Cancelled",
                "25 -limited",
                "25 -outer Err(Elapsed(()))",
                "25 Err(Elapsed(()))"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_under_way_is_not_interrupted() {
        #[async_context_manager]
        async fn outer(trace: &Trace) {
            r#yield!();
            with!(resource(trace, "in exit") => {
                sleep(20 * MS).await;
                trace.add("not interrupted");
            });
            sleep(5 * MS).await;
            trace.add("-outer");
        }
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => with!(outer(&trace) => 5));
        assert_eq!(value, Ok(5));
        assert_eq!(trace.take(), ["20 not interrupted", "20 in exit Completed", "25 -in exit", "30 -outer"]);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_its_waiting_by_cut_short() {
        #[async_context_manager]
        async fn waits(trace: &Trace) {
            r#yield!();
            trace.add("waits");
            tokio::select! {
                biased;
                () = sleep(LONG) => trace.add("not reached"),
                () = cut_short() => trace.add("gives up"),
            }
            sleep(5 * MS).await;
            trace.add("left");
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(waits(&trace) => {});
            trace.add("not reached");
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 waits", "10 gives up", "15 left"]);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_at_once_if_the_block_was_stopped() {
        #[async_context_manager]
        async fn waits(trace: &Trace) {
            let outcome = r#yield!();
            trace.add(format!("sees {outcome:?}"));
            cut_short().await;
            trace.add("gives up");
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(waits(&trace) => sleep(LONG).await));
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 sees Cancelled", "10 gives up"]);
    }
}

mod composed {
    use super::*;

    #[async_context_manager]
    async fn inner(trace: &Trace) {
        let outcome = r#yield!();
        trace.add(format!("inner {outcome:?}"));
    }

    /// Waits, if it `waits`, in the exit phase of each of its parts.
    #[async_context_manager]
    async fn middle(trace: &Trace, waits: bool) {
        with!(inner(trace) => {
            let outcome = r#yield!();
            trace.add(format!("middle {outcome:?}"));
            if waits {
                sleep(MS).await;
            }
        });
        trace.add("-middle");
        if waits {
            sleep(MS).await;
        }
    }

    #[async_context_manager]
    async fn outer(trace: &Trace, waits: bool) {
        with!(middle(trace, waits) => {
            let outcome = r#yield!();
            trace.add(format!("outer {outcome:?}"));
        });
        trace.add("-outer");
    }

    #[async_context_manager]
    async fn limited(trace: &Trace) -> Result<(), Elapsed> {
        let limited = with!(timeout(10 * MS) => {
            let outcome = r#yield!();
            trace.add(format!("limited {outcome:?}"));
        });
        trace.add("-limited");
        limited
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_that_never_waits() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(middle(&trace, false) => sleep(LONG).await));
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 middle Cancelled", "10 inner Cancelled", "10 -middle"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_that_waits() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(middle(&trace, true) => sleep(LONG).await));
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 middle Cancelled", "11 inner Cancelled", "11 -middle", "12 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_never_wait() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(outer(&trace, false) => sleep(LONG).await));
        assert!(late.is_err());
        assert_eq!(
            trace.take(),
            ["10 outer Cancelled", "10 middle Cancelled", "10 inner Cancelled", "10 -middle", "10 -outer"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_with_a_manager_in_the_block() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(outer(&trace, true) => holds(&trace, "x").await));
        assert!(late.is_err());
        assert_eq!(
            trace.take(),
            [
                "10 x Cancelled",
                "15 -x",
                "15 outer Cancelled",
                "15 middle Cancelled",
                "16 inner Cancelled",
                "16 -middle",
                "17 -outer"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_time_limit_stops_its_block() {
        let trace = Trace::new();
        let late = with!(limited(&trace) => with!(outer(&trace, false) => holds(&trace, "x").await));
        trace.add(format!("{late:?}"));
        assert_eq!(
            trace.take(),
            [
                "10 x Cancelled",
                "15 -x",
                "15 outer Cancelled",
                "15 middle Cancelled",
                "15 inner Cancelled",
                "15 -middle",
                "15 -outer",
                "15 limited Cancelled",
                "15 -limited",
                "15 Err(Elapsed(()))"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_time_limit_is_stopped_by_an_outer_one() {
        let trace = Trace::new();
        let late = with!(timeout(8 * MS) => {
            let inner = with!(limited(&trace) => holds(&trace, "x").await);
            trace.add(format!("not reached {inner:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["8 x Cancelled", "13 -x", "13 limited Cancelled", "13 -limited"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_time_limit_that_is_stopping_gives_no_error_in_an_outer_stop() {
        let trace = Trace::new();
        let late = with!(timeout(12 * MS) => {
            let inner = with!(limited(&trace) => holds(&trace, "x").await);
            trace.add(format!("not reached {inner:?}"));
        });
        trace.add(format!("{late:?}"));
        assert_eq!(
            trace.take(),
            ["10 x Cancelled", "15 -x", "15 limited Cancelled", "15 -limited", "15 Err(Elapsed(()))"]
        );
    }
}

mod by_reference {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_stopped_and_panics_by_name_when_polled_again() {
        let trace = Trace::new();
        let mut held = Box::pin(async { holds(&trace, "x").await });
        let late = with!(timeout(10 * MS) => (&mut held).await);
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 x Cancelled", "15 -x"]);
        let payload = AssertUnwindSafe(held).catch_unwind().await.expect_err("it panics");
        let said = message(payload.as_ref());
        assert!(said.starts_with("the `with!` of `resource` was polled after a stop had ended it"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_manager_goes_on_afterwards() {
        let mut waits = pin!(async {
            sleep(30 * MS).await;
            7
        });
        let late = with!(timeout(10 * MS) => waits.as_mut().await);
        assert!(late.is_err());
        assert_eq!(waits.await, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn unstopped_goes_on_afterwards() {
        let trace = Trace::new();
        let mut held = Box::pin(async {
            with!(resource(&trace, "x") => {
                sleep(30 * MS).await;
                7
            })
        });
        let late = with!(timeout(10 * MS) => unstopped(&mut held).await);
        trace.add(format!("{late:?}"));
        assert_eq!(held.await, 7);
        assert_eq!(trace.take(), ["10 Err(Elapsed(()))", "30 x Completed", "35 -x"]);
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_drop_cuts_the_exit_phases_off() {
    let trace = Trace::new();
    let stops = async { with!(timeout(10 * MS) => holds(&trace, "a").await) };
    tokio::time::timeout(12 * MS, stops).await.expect_err("it is dropped");
    trace.add("dropped");
    sleep(LONG).await;
    assert_eq!(trace.take(), ["10 a Cancelled", "12 dropped"]);
}
