//! Programs that are meant to break a stop: each was a fault, or could be one.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use async_context_manager::{
    AsyncContextManager, AsyncExitStack, TaskGroupError, cancel_scope, cut_short, nullcontext, task_group, until,
    within,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use tests::{PanicsInDrop, message};
use tokio::sync::Mutex;
use tokio::time::error::Elapsed;

use super::*;

/// The output of a future. Panics if the future hangs.
async fn ends<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(1000 * LONG, future).await.expect("it does not hang")
}

mod marker_in_until_in_a_time_limit {
    use super::*;

    #[async_context_manager]
    async fn limited_twice(trace: &Trace) -> Result<(), Elapsed> {
        with!(timeout(12 * MS) => {
            let ended = until(sleep(10 * MS), async { r#yield!() }).await;
            trace.add(format!("{ended:?}"));
            sleep(2 * MS).await;
            trace.add("tidied up");
        })
    }

    #[tokio::test(start_paused = true)]
    async fn is_followed_by_its_exit_phase_when_both_stop() {
        let trace = Trace::new();
        let late = ends(async { with!(limited_twice(&trace) => holds(&trace, "a").await) }).await;
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a", "15 Err(())", "17 tidied up"]);
    }
}

mod until_in_a_block {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_stopped_by_the_scope_around() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => until(pending::<()>(), holds(&trace, "a")).await);
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_stopping_gives_way_to_the_scope_around() {
        let trace = Trace::new();
        let late = ends(async {
            with!(timeout(12 * MS) => {
                with!(resource(&trace, "a") => {
                    let stopped = until(sleep(10 * MS), holds(&trace, "b")).await;
                    trace.add(format!("not reached {stopped:?}"));
                });
            })
        });
        assert!(late.await.is_err());
        assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn limit_that_strikes_in_the_code_after_its_marker_is_a_limit() {
    #[async_context_manager]
    async fn limited(trace: &Trace) -> Result<(), Elapsed> {
        with!(timeout(10 * MS) => {
            with!(resource(trace, "in") => {
                let outcome = r#yield!();
                trace.add(format!("{outcome:?}"));
                sleep(LONG).await;
            });
        })
    }
    let trace = Trace::new();
    let late = with!(limited(&trace) => sleep(5 * MS).await);
    assert!(late.is_err());
    assert_eq!(trace.take(), ["5 Completed", "10 in Cancelled", "15 -in"]);
}

mod manager_that_was_dropped_in_the_same_poll {
    use super::*;

    async fn drops_one() {
        tokio::select! {
            biased;
            () = async { with!(nullcontext(1) => sleep(LONG).await) } => {}
            () = ready(()) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_let_the_block_go_on() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            drops_one().await;
            sleep(10 * MS).await;
            trace.add("not reached");
        });
        assert!(late.is_err());
        assert!(trace.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_let_the_block_of_an_inner_scope_go_on() {
        let trace = Trace::new();
        let late = with!(timeout(20 * MS) => {
            let inner = with!(timeout(10 * MS) => {
                drops_one().await;
                sleep(10 * MS).await;
                trace.add("not reached");
            });
            trace.add(format!("{inner:?}"));
        });
        assert!(late.is_ok());
        assert_eq!(trace.take(), ["10 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_which_it_began_to_leave_is_not_waited_for() {
        let trace = Trace::new();
        let scope = ends(async {
            with!(cancel_scope() as scope => {
                let other = scope.clone();
                tokio::spawn(async move {
                    sleep(10 * MS).await;
                    other.cancel();
                });
                let cancelled = poll_fn(|_| if scope.is_cancelled() { Poll::Ready(()) } else { Poll::Pending });
                tokio::select! {
                    biased;
                    () = holds(&trace, "a") => {}
                    () = cancelled => {}
                }
                pending::<()>().await;
            })
        });
        assert!(scope.await.is_none());
        trace.add("stopped");
        assert_eq!(trace.take(), ["10 a Cancelled", "10 stopped"]);
    }

    #[tokio::test(start_paused = true)]
    async fn costs_one_poll_more_and_not_one_in_each_scope() {
        let mut polls = 0;
        let work = async {
            std::future::poll_fn(|cx| {
                polls += 1;
                let dropped = pin!(async { with!(nullcontext(1) => pending::<()>().await) }).poll(cx);
                assert!(dropped.is_pending());
                Poll::<()>::Pending
            })
            .await;
        };
        let late = with!(timeout(10 * MS) => with!(timeout(LONG) => with!(timeout(LONG) => with!(timeout(LONG) => work.await))));
        assert!(late.is_err());
        assert!(polls <= 3, "{polls}");
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_let_a_block_go_on_that_is_being_stopped() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            tokio::select! {
                biased;
                () = holds(&trace, "a") => {}
                () = sleep(12 * MS) => {}
            }
            sleep(5 * MS).await;
            trace.add("not reached");
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 a Cancelled", "12 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_let_the_block_of_another_manager_go_on() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            with!(resource(&trace, "a") => {
                drops_one().await;
                sleep(10 * MS).await;
                trace.add("not reached");
            });
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }
}

mod limit_in_an_exit_phase {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn by_until_strikes_though_the_block_was_stopped() {
        #[async_context_manager]
        async fn says_goodbye(trace: &Trace) {
            r#yield!();
            let ended = until(sleep(3 * MS), holds(trace, "goodbye")).await;
            trace.add(format!("{ended:?}"));
        }
        let trace = Trace::new();
        let late = ends(async { with!(timeout(10 * MS) => with!(says_goodbye(&trace) => sleep(LONG).await)) }).await;
        assert!(late.is_err());
        assert_eq!(trace.take(), ["13 goodbye Cancelled", "18 -goodbye", "18 Err(())"]);
    }

    #[tokio::test(start_paused = true)]
    async fn around_the_marker_strikes_though_a_scope_around_waits() {
        #[async_context_manager]
        async fn limited(trace: &Trace) -> Result<(), Elapsed> {
            let ended = with!(timeout(10 * MS) => {
                r#yield!();
                pending::<()>().await;
            });
            trace.add(format!("{ended:?}"));
            ended
        }
        let trace = Trace::new();
        let value = ends(async { with!(timeout(5 * MS) => with!(limited(&trace) => {})) }).await;
        assert!(value.expect("the block ended").is_err());
        assert_eq!(trace.take(), ["10 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn lets_the_exit_phase_in_it_be_cut_short() {
        #[async_context_manager]
        async fn waits(trace: &Trace) {
            r#yield!();
            let ended = until(sleep(LONG), cut_short()).await;
            trace.add(format!("{ended:?}"));
        }
        let trace = Trace::new();
        let late = ends(async { with!(timeout(10 * MS) => with!(waits(&trace) => {})) }).await;
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 Ok(())"]);
    }

    #[tokio::test(start_paused = true)]
    async fn contains_a_group_that_no_stop_reaches() {
        #[async_context_manager]
        async fn works(trace: &Trace) {
            r#yield!();
            let task = trace.clone();
            let work = async {
                let ended: Result<(), TaskGroupError<String>> = with!(task_group() as group => {
                    group.spawn(async move {
                        sleep(5 * MS).await;
                        task.add("done");
                        Ok(())
                    });
                });
                trace.add(format!("{ended:?}"));
            };
            until(sleep(LONG), work).await.expect("it is in time");
        }
        let trace = Trace::new();
        let late = ends(async { with!(timeout(10 * MS) => with!(works(&trace) => sleep(LONG).await)) }).await;
        assert!(late.is_err());
        assert_eq!(trace.take(), ["15 done", "15 Ok(())"]);
    }
}

mod group_in_an_exit_phase {
    use super::*;

    /// Enters and leaves a manager in a task of a group, which may be in a task of another group.
    fn works_in_tasks(trace: Trace, depth: usize) -> BoxFuture<'static, Result<(), TaskGroupError<String>>> {
        Box::pin(async move {
            with!(task_group() as group => {
                group.spawn(async move {
                    sleep(10 * MS).await;
                    if depth > 0 {
                        return works_in_tasks(trace, depth - 1).await.map_err(TaskGroupError::into_first);
                    }
                    with!(resource(&trace, "t") => {});
                    Ok(())
                });
            })
        })
    }

    #[async_context_manager]
    async fn works(trace: &Trace, depth: usize) {
        r#yield!();
        trace.add(format!("{:?}", works_in_tasks(trace.clone(), depth).await));
    }

    /// Stops the scope around the manager while its exit phase runs.
    async fn cancelled_in_the_exit_phase(depth: usize) -> Vec<String> {
        let trace = Trace::new();
        with!(cancel_scope() as scope => {
            let stop = async {
                sleep(5 * MS).await;
                scope.cancel();
            };
            tokio::join!(async { with!(works(&trace, depth) => {}) }, stop);
            trace.add("goes on");
        });
        trace.take()
    }

    #[tokio::test(start_paused = true)]
    async fn enters_managers_though_a_scope_around_waits() {
        let events = ends(cancelled_in_the_exit_phase(0)).await;
        assert_eq!(events, ["10 t Completed", "15 -t", "15 Ok(())", "15 goes on"]);
    }

    #[tokio::test(start_paused = true)]
    async fn enters_managers_in_tasks_of_its_tasks() {
        let events = ends(cancelled_in_the_exit_phase(2)).await;
        assert_eq!(events, ["30 t Completed", "35 -t", "35 Ok(())", "35 goes on"]);
    }
}

mod enter_phase {
    use super::*;

    #[async_context_manager]
    async fn needs_lock(trace: &Trace, lock: &Mutex<()>) {
        r#yield!();
        trace.add("waits");
        drop(lock.lock().await);
        trace.add("left");
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_keep_what_others_wait_for() {
        #[async_context_manager]
        async fn holds_lock(lock: &Mutex<()>) {
            let guard = lock.lock().await;
            sleep(20 * MS).await;
            drop(guard);
            r#yield!();
        }
        let trace = Trace::new();
        let lock = Mutex::default();
        let late = ends(async {
            with!(timeout(10 * MS) => {
                tokio::join!(
                    async { with!(needs_lock(&trace, &lock) => sleep(LONG).await) },
                    async { with!(holds_lock(&lock) => trace.add("not reached")) },
                )
            })
        });
        assert!(late.await.is_err());
        assert_eq!(trace.log.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_shielded_goes_on_while_others_wait_for_it() {
        #[async_context_manager(shielded)]
        async fn holds_lock(trace: Trace, lock: Arc<Mutex<()>>) {
            let guard = lock.lock().await;
            sleep(20 * MS).await;
            drop(guard);
            let outcome = r#yield!();
            trace.add(format!("s {outcome:?}"));
        }
        let trace = Trace::new();
        let lock = Arc::default();
        let late = ends(async {
            with!(timeout(10 * MS) => {
                tokio::join!(
                    async { with!(needs_lock(&trace, &lock) => sleep(LONG).await) },
                    async { with!(holds_lock(trace.clone(), Arc::clone(&lock)) => trace.add("not reached")) },
                )
            })
        });
        assert!(late.await.is_err());
        assert_eq!(trace.take(), ["10 waits", "20 s Cancelled", "20 left"]);
    }

    #[tokio::test(start_paused = true)]
    async fn that_would_end_without_a_marker_in_a_stop_is_abandoned() {
        #[async_context_manager]
        async fn gives_up() {
            tokio::select! {
                biased;
                () = cut_short() => {}
                () = sleep(LONG) => {
                    r#yield!();
                }
            }
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            tokio::join!(holds(&trace, "a"), async { with!(gives_up() => {}) })
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn beside_another_manager_is_given_up_when_that_has_left() {
        #[async_context_manager]
        async fn composed(trace: &Trace) {
            with!(resource(trace, "in") => {
                tokio::join!(holds(trace, "beside"), async {
                    sleep(20 * MS).await;
                    r#yield!();
                });
            });
        }
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => with!(composed(&trace) => trace.add("not reached")));
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 beside Cancelled", "15 -beside", "15 in Cancelled", "20 -in"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_an_own_type_leaves_what_is_open_in_it() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let value: Result<(), String> = with!(Own(trace.clone()) => trace.add("not reached"));
            value
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 enter", "10 in Cancelled", "15 -in"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_an_own_type_that_has_ended_is_followed_by_its_exit() {
        let trace = Trace::new();
        let late = with!(timeout(30 * MS) => {
            let value: Result<(), String> = with!(Own(trace.clone()) => sleep(LONG).await);
            value
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["0 enter", "20 in Completed", "25 -in", "30 exit Cancelled", "31 left"]);
    }

    /// Holds a resource for 20 ms while it is entered.
    struct Own(Trace);

    impl AsyncContextManager for Own {
        type Value<'v> = ();
        type Exit = Result<(), String>;

        async fn enter(&mut self) -> Result<(), String> {
            self.0.add("enter");
            with!(resource(&self.0, "in") => sleep(20 * MS).await);
            Ok(())
        }

        async fn exit(&mut self, outcome: Outcome) -> Result<(), String> {
            self.0.add(format!("exit {outcome:?}"));
            sleep(MS).await;
            self.0.add("left");
            Ok(())
        }
    }
}

mod stack {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_is_closed_by_hand_goes_on_closing_and_gives_its_error() {
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => {
            let mut stack = AsyncExitStack::<String>::new();
            stack.enter(resource(&trace, "a")).await;
            stack.enter(failing(&trace, "b")).await.expect("it enters");
            sleep(7 * MS).await;
            stack.close().await
        });
        assert_eq!(value, Ok(Err("b failed".to_string())));
        assert_eq!(trace.take(), ["7 b Completed", "12 a Failed(())", "17 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_held_does_not_let_the_block_go_on() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let stack = AsyncExitStack::<String>::new();
            stack.enter(nullcontext(1)).await;
            sleep(10 * MS).await;
            trace.add("not reached");
        });
        assert!(late.is_err());
        assert!(trace.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn around_the_stop_keeps_what_was_entered_in_the_block() {
        let trace = Trace::new();
        let mut stack = AsyncExitStack::<String>::new();
        let late = with!(timeout(10 * MS) => {
            stack.enter(resource(&trace, "a")).await;
            stack.enter(slow(&trace, "b")).await;
        });
        assert!(late.is_err());
        trace.add("closes");
        stack.close().await.expect("nothing fails");
        assert_eq!(trace.take(), ["0 (b", "10 closes", "10 a Completed", "15 -a"]);
    }
}

mod drop_in_the_middle {
    use super::*;

    async fn dropped_after(time: Duration) -> Vec<String> {
        let trace = Trace::new();
        let stops = async {
            with!(timeout(10 * MS) => {
                with!(resource(&trace, "a") => {
                    with!(resource(&trace, "b") => {
                        let _local = trace.log.on_drop("local dropped");
                        holds(&trace, "c").await;
                    });
                });
            })
        };
        tokio::time::timeout(time, stops).await.expect_err("it is dropped");
        sleep(LONG).await;
        trace.take()
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_each_manager_once_and_in_order() {
        let innermost = dropped_after(12 * MS).await;
        assert_eq!(innermost, ["10 c Cancelled", "local dropped", "12 b Cancelled", "12 a Cancelled"]);
        let next = dropped_after(17 * MS).await;
        assert_eq!(next, ["10 c Cancelled", "15 -c", "local dropped", "15 b Cancelled", "17 a Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn rescues_a_shielded_manager_that_lends() {
        #[async_context_manager(shielded)]
        async fn lends(trace: Trace) -> &mut String {
            let mut local = String::from("s");
            let outcome = r#yield!(&mut local);
            trace.add(format!("{local} {outcome:?}"));
            sleep(5 * MS).await;
            trace.add("-s");
        }
        let trace = Trace::new();
        let stops = async {
            with!(timeout(10 * MS) => {
                with!(lends(trace.clone()) as local => {
                    local.push('!');
                    holds(&trace, "a").await;
                });
            })
        };
        tokio::time::timeout(17 * MS, stops).await.expect_err("it is dropped");
        trace.add("dropped");
        rescue::drain().await;
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a", "15 s! Cancelled", "17 dropped", "20 -s"]);
    }

    #[tokio::test(start_paused = true)]
    async fn and_a_poll_outside_of_the_scope_panics_by_name() {
        let trace = Trace::new();
        let mut held = Box::pin(holds(&trace, "a"));
        let stops = async { with!(timeout(10 * MS) => (&mut held).await) };
        tokio::time::timeout(12 * MS, stops).await.expect_err("it is dropped");
        let payload = AssertUnwindSafe(held).catch_unwind().await.expect_err("it has no value");
        let said = message(payload.as_ref());
        assert!(said.starts_with("the `with!` of `resource` was polled after a stop"), "{said}");
    }
}

mod panic {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_a_destructor_in_the_block_is_a_panic_of_the_block() {
        let trace = Trace::new();
        let late = AssertUnwindSafe(async {
            with!(timeout(10 * MS) => {
                with!(resource(&trace, "a") => {
                    let _local = PanicsInDrop;
                    sleep(LONG).await;
                });
            })
        });
        assert!(late.catch_unwind().await.is_err());
        assert_eq!(trace.take(), ["10 a Panicked", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_exit_phase_does_not_cut_those_around() {
        let trace = Trace::new();
        let late = AssertUnwindSafe(async {
            with!(timeout(10 * MS) => {
                with!(resource(&trace, "a") => {
                    tokio::join!(
                        biased;
                        holds(&trace, "b"),
                        async { with!(panicking(&trace, "c") => sleep(LONG).await) },
                    );
                });
            })
        });
        assert!(late.catch_unwind().await.is_err());
        assert_eq!(trace.take(), ["10 b Cancelled", "10 c Cancelled", "15 -b", "15 a Panicked", "20 -a"]);
    }

    #[test]
    fn of_the_waker_of_the_user_is_contained() {
        #[derive(Default)]
        struct Panics(AtomicUsize);
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
                panic!("in wake");
            }
        }
        #[async_context_manager]
        async fn pends(log: &Log, name: &str) {
            let outcome = r#yield!();
            let mut pended = 0;
            std::future::poll_fn(|_| {
                pended += 1;
                if pended > 3 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            log.add(format!("{name} {outcome:?}"));
        }
        let log = Log::new();
        let panics = Arc::new(Panics::default());
        let waker = Waker::from(Arc::clone(&panics));
        let mut stops = pin!(async {
            with!(cancel_scope() as scope => {
                with!(pends(&log, "a") => with!(pends(&log, "b") => {
                    pending_once().await;
                    scope.cancel();
                    pending::<()>().await;
                }));
            })
        });
        let polled = (0..20).find_map(|_| match stops.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        });
        assert_eq!(polled, Some(None));
        assert!(panics.0.load(Ordering::Relaxed) > 0);
        assert_eq!(log.take(), ["b Cancelled", "a Cancelled"]);
    }

    async fn pending_once() {
        let mut has_pended = false;
        std::future::poll_fn(
            |_| if std::mem::replace(&mut has_pended, true) { Poll::Ready(()) } else { Poll::Pending },
        )
        .await;
    }
}

mod error_of_the_block {
    use super::*;

    #[async_context_manager]
    async fn waits_until_cut(trace: &Trace) {
        let outcome = r#yield!();
        trace.add(format!("{outcome:?}"));
        cut_short().await;
        trace.add("cut short");
    }

    #[tokio::test(start_paused = true)]
    async fn as_its_value_is_not_lost_by_cut_short() {
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => with!(waits_until_cut(&trace) => Err::<(), _>("block failed")));
        assert_eq!(value, Ok(Err("block failed")));
        assert_eq!(trace.take(), ["0 Failed(())", "10 cut short"]);
    }

    #[tokio::test(start_paused = true)]
    async fn by_a_question_mark_is_not_lost_by_cut_short() {
        async fn work(trace: &Trace) -> Result<(), &'static str> {
            with!(waits_until_cut(trace) => Err("block failed")?);
            Ok(())
        }
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => work(&trace).await);
        assert_eq!(value, Ok(Err("block failed")));
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_later_manager_is_not_lost_in_a_header() {
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => {
            let value: Result<(), String> =
                with!(resource(&trace, "a"), failing(&trace, "b"), resource(&trace, "c") => sleep(LONG).await);
            value
        });
        assert_eq!(value, Ok(Err("b failed".to_string())));
        assert_eq!(trace.take(), ["10 c Cancelled", "15 -c", "15 b Cancelled", "20 a Failed(())", "25 -a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn value_of_a_group_that_is_cut_is_dropped_before_what_it_borrows() {
    struct Guard<'g>(&'g mut String);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.push('!');
        }
    }
    let trace = Trace::new();
    let late = with!(timeout(10 * MS) => {
        with!(resource(&trace, "a") as local => {
            let inner = trace.clone();
            let guard: Result<Guard<'_>, TaskGroupError<String>> = with!(task_group() as group => {
                group.spawn(async move {
                    holds(&inner, "t").await;
                    Ok(())
                });
                Guard(local)
            });
            trace.add(format!("not reached {}", guard.is_ok()));
        });
    });
    assert!(late.is_err());
    assert_eq!(trace.take(), ["10 t Cancelled", "15 -t", "15 a Cancelled", "20 -a!"]);
}

#[tokio::test(start_paused = true)]
async fn within_and_scope_are_stopped_like_with() {
    #[within(resource(trace, "a"))]
    async fn work(trace: &Trace) {
        resource(trace, "b").scope(async |_| sleep(LONG).await).await;
        trace.add("not reached");
    }
    let trace = Trace::new();
    assert!(with!(timeout(10 * MS) => work(&trace).await).is_err());
    assert_eq!(trace.take(), ["10 b Cancelled", "15 -b", "15 a Cancelled", "20 -a"]);
}

#[tokio::test(start_paused = true)]
async fn jump_out_of_managers_that_are_leaving_goes_on_to_the_next_await() {
    async fn work(trace: &Trace) {
        loop {
            with!(resource(trace, "a") => {
                with!(resource(trace, "b") => {
                    sleep(7 * MS).await;
                    break;
                });
            });
        }
        trace.add("after the loop");
        with!(resource(trace, "c") => trace.add("not reached"));
    }
    let trace = Trace::new();
    assert!(with!(timeout(10 * MS) => work(&trace).await).is_err());
    assert_eq!(trace.take(), ["7 b Completed", "12 -b", "12 a Completed", "17 -a", "17 after the loop"]);
}

#[tokio::test(start_paused = true)]
async fn budget_that_is_used_up_before_the_scope_is_polled_puts_the_stop_off() {
    let trace = Trace::new();
    let ((), late) = tokio::join!(
        biased;
        async {
            for _ in 0..30 {
                for _ in 0..127 {
                    tokio::task::coop::consume_budget().await;
                }
                sleep(MS).await;
            }
        },
        async { with!(timeout(10 * MS) => holds(&trace, "a").await) },
    );
    assert!(late.is_err());
    assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
}

/// The panic left the scope with the state that is recorded for the panicking `with!` only.
mod panic_that_is_caught_in_the_poll_before_a_stop {
    use super::*;

    #[async_context_manager]
    async fn panics_when_entered(panics: bool) {
        assert!(!panics, "entered");
        r#yield!();
    }

    /// Catches the panic of `panics` after 10 ms, and cancels the scope at once.
    async fn hides_nothing(panics: impl Future<Output = ()>) {
        let trace = Trace::new();
        let value = with!(cancel_scope() as scope => tokio::join!(biased;
            holds(&trace, "a"),
            async {
                sleep(10 * MS).await;
                assert!(AssertUnwindSafe(panics).catch_unwind().await.is_err());
                scope.cancel();
                pending::<()>().await;
            },
        ));
        assert_eq!(value, None);
        assert_eq!(trace.take(), ["10 a Cancelled", "15 -a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn and_was_that_of_an_enter_phase_hides_no_manager() {
        hides_nothing(async { with!(panics_when_entered(true) => {}) }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn and_was_that_of_a_block_hides_no_manager() {
        hides_nothing(async { with!(nullcontext(()) => panic!("in the block")) }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn and_was_that_of_a_manager_in_a_block_hides_no_manager() {
        hides_nothing(async { with!(nullcontext(()) => with!(panics_when_entered(true) => {})) }).await;
    }
}
