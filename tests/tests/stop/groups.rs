//! Groups that are stopped, and groups that stop their tasks.

use std::convert::Infallible;

use async_context_manager::{TaskGroup, TaskGroupError, cut_short, task_group};
use futures::FutureExt;

use super::*;

type Ended<T = ()> = Result<T, TaskGroupError<String>>;

/// A task that waits in a resource, and cannot fail.
async fn task(trace: Trace, name: &'static str) -> Result<(), String> {
    holds(&trace, name).await;
    Ok(())
}

async fn fails_after(time: Duration) -> Result<(), String> {
    sleep(time).await;
    Err("task failed".to_string())
}

mod failing_task {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stops_the_block_and_the_other_tasks_at_once() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            group.spawn(task(trace.clone(), "t"));
            group.spawn(fails_after(10 * MS));
            holds(&trace, "block").await;
        });
        trace.add("ended");
        assert_eq!(ended.expect_err("a task failed").first(), "task failed");
        assert_eq!(trace.take(), ["10 block Cancelled", "10 t Cancelled", "15 -block", "15 -t", "15 ended"]);
    }

    #[tokio::test(start_paused = true)]
    async fn stops_the_tasks_while_the_group_waits() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            group.spawn(task(trace.clone(), "t"));
            group.spawn(fails_after(10 * MS));
        });
        assert!(ended.is_err());
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t"]);
    }

    #[tokio::test(start_paused = true)]
    async fn stops_nested_groups() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            let inner = trace.clone();
            group.spawn(async move {
                let ended: Ended = with!(task_group() as group => {
                    group.spawn(task(inner.clone(), "t2"));
                    holds(&inner, "t1").await;
                });
                inner.add(format!("not reached {ended:?}"));
                Ok(())
            });
            group.spawn(fails_after(10 * MS));
            holds(&trace, "block").await;
        });
        assert!(ended.is_err());
        assert_eq!(
            trace.take(),
            ["10 block Cancelled", "10 t1 Cancelled", "10 t2 Cancelled", "15 -block", "15 -t1", "15 -t2"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn comes_before_errors_of_the_exit_phases_of_others() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            let trace = trace.clone();
            group.spawn(async move { with!(failing(&trace, "t") => sleep(LONG).await) });
            group.spawn(fails_after(10 * MS));
        });
        let error = ended.expect_err("a task failed");
        assert_eq!(error.first(), "task failed");
        assert_eq!(error.others(), ["t failed"]);
    }

    #[tokio::test(start_paused = true)]
    async fn replaces_an_error_of_the_exit_phase_in_the_block() {
        let trace = Trace::new();
        let ended: Ended<Result<(), String>> = with!(task_group() as group => {
            group.spawn(fails_after(10 * MS));
            with!(failing(&trace, "block") => sleep(LONG).await)
        });
        assert_eq!(ended.expect_err("a task failed").first(), "task failed");
        assert_eq!(trace.take(), ["10 block Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_way_to_a_panic_of_an_exit_phase() {
        let trace = Trace::new();
        let inner = trace.clone();
        let work = tokio::spawn(async move {
            let _: Ended = with!(task_group() as group => {
                group.spawn(fails_after(10 * MS));
                with!(panicking(&inner, "block") => sleep(LONG).await);
            });
        });
        let payload = work.await.expect_err("it panics").into_panic();
        assert_eq!(tests::message(payload.as_ref()), "block panicked");
        assert_eq!(trace.take(), ["10 block Cancelled"]);
    }
}

mod failing_block {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stops_the_tasks_and_waits_for_them() {
        let trace = Trace::new();
        let ended: Ended<Result<(), &str>> = with!(task_group() as group => {
            group.spawn(task(trace.clone(), "t"));
            sleep(10 * MS).await;
            Err("block failed")
        });
        trace.add("ended");
        assert_eq!(ended, Ok(Err("block failed")));
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t", "15 ended"]);
    }

    #[tokio::test(start_paused = true)]
    async fn that_panics_stops_the_tasks_and_waits_for_them() {
        let trace = Trace::new();
        let inner = trace.clone();
        let work = tokio::spawn(async move {
            let _: Ended = with!(task_group() as group => {
                group.spawn(task(inner.clone(), "t"));
                sleep(10 * MS).await;
                panic!("block panicked");
            });
        });
        assert!(work.await.expect_err("it panics").is_panic());
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t"]);
    }
}

mod abort_all {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stops_all_tasks_and_the_block_continues() {
        let trace = Trace::new();
        let ended: Ended<u8> = with!(task_group() as group => {
            group.spawn(task(trace.clone(), "t1"));
            group.spawn(task(trace.clone(), "t2"));
            sleep(10 * MS).await;
            group.abort_all();
            sleep(MS).await;
            trace.add("block continues");
            group.spawn(async { Ok(5) }).await
        });
        trace.add("ended");
        assert_eq!(ended.expect("no task failed"), 5);
        let left = ["11 block continues", "15 -t1", "15 -t2", "15 ended"];
        assert_eq!(trace.take(), [&["10 t1 Cancelled", "10 t2 Cancelled"][..], &left].concat());
    }
}

mod exit_phase_in_a_stopped_block {
    use super::*;

    /// It asks the worker to end and waits for it, or until a scope stops both.
    #[async_context_manager]
    async fn worker(trace: &Trace, group: &TaskGroup<String>) {
        let (quit, quits) = tokio::sync::oneshot::channel::<()>();
        let task = group.spawn(async {
            quits.await.ok();
            Ok(())
        });
        r#yield!();
        quit.send(()).ok();
        let ended = tokio::select! {
            biased;
            () = task => "ended",
            () = cut_short() => "was stopped",
        };
        trace.add(format!("the worker {ended}"));
    }

    #[tokio::test(start_paused = true)]
    async fn can_give_up_a_task_of_the_group() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => with!(worker(&trace, group) => sleep(10 * MS).await));
        assert!(ended.is_ok());
        let late = with!(timeout(10 * MS) => {
            let _ended: Ended = with!(task_group() as group => with!(worker(&trace, group) => sleep(LONG).await));
        });
        assert!(late.is_err());
        let ended: Ended = with!(task_group() as group => {
            group.spawn(fails_after(10 * MS));
            with!(worker(&trace, group) => sleep(LONG).await);
        });
        assert!(ended.is_err());
        assert_eq!(trace.take(), ["10 the worker ended", "20 the worker was stopped", "30 the worker was stopped"]);
    }
}

mod join {
    use super::*;

    /// Waits for its task before it leaves.
    #[async_context_manager]
    async fn worker(trace: &Trace, group: &TaskGroup<String>) {
        let mut task = group.spawn(owns_and_returns(trace.clone()));
        r#yield!();
        trace.add(format!("joined {:?}", task.join().await));
        assert_eq!(task.join().await, None);
    }

    async fn owns_and_returns(trace: Trace) -> Result<u32, String> {
        with!(resource(&trace, "t") => sleep(20 * MS).await);
        Ok(7)
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_exit_phase_returns_the_value() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => with!(worker(&trace, group) => sleep(10 * MS).await));
        assert!(ended.is_ok());
        assert_eq!(trace.take(), ["20 t Completed", "25 -t", "25 joined Some(7)"]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_exit_phase_returns_none_once_the_stopped_task_was_left() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let _ended: Ended = with!(task_group() as group => with!(worker(&trace, group) => sleep(LONG).await));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t", "15 joined None"]);
    }

    #[tokio::test(start_paused = true)]
    async fn outside_of_a_group_that_failed_returns_none() {
        let trace = Trace::new();
        let mut outside = None;
        let ended: Ended = with!(task_group() as group => {
            outside = Some(group.spawn(owns_and_returns(trace.clone())));
            group.spawn(fails_after(10 * MS)).await;
        });
        assert!(ended.is_err());
        assert_eq!(outside.expect("it was spawned").join().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_group_that_was_left_returns_none() {
        let mut left = None;
        let ended: Ended = with!(task_group() as group => left = Some(group.clone()));
        assert!(ended.is_ok());
        let mut task = left.expect("it was lent").spawn(async { Ok(1) });
        assert_eq!(task.join().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_dropped_loses_no_value() {
        let trace = Trace::new();
        let ended: Ended<Option<u32>> = with!(task_group() as group => {
            let mut task = group.spawn(owns_and_returns(trace.clone()));
            tokio::time::timeout(10 * MS, task.join()).await.expect_err("it runs");
            sleep(30 * MS).await;
            task.join().await
        });
        assert_eq!(ended, Ok(Some(7)));
    }
}

mod abort {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stops_one_task_and_the_group_waits_for_it() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            let aborted = group.spawn(task(trace.clone(), "t"));
            sleep(3 * MS).await;
            aborted.abort();
            trace.add("block ends");
        });
        trace.add("ended");
        assert_eq!(ended, Ok(()));
        assert_eq!(trace.take(), ["3 block ends", "3 t Cancelled", "8 -t", "8 ended"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_task_whose_exit_phase_fails_fails_the_group() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            let inner = trace.clone();
            let aborted = group.spawn(async move { with!(failing(&inner, "t") => sleep(LONG).await) });
            sleep(3 * MS).await;
            aborted.abort();
            holds(&trace, "block").await;
        });
        assert_eq!(ended.expect_err("the exit phase failed").first(), "t failed");
        assert_eq!(trace.take(), ["3 t Cancelled", "8 block Cancelled", "13 -block"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_task_that_was_never_polled_drops_it() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => group.spawn(task(trace.clone(), "t")).abort());
        assert_eq!(ended, Ok(()));
        assert!(trace.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_task_that_is_leaving_does_not_interrupt_it() {
        let trace = Trace::new();
        let ended: Ended = with!(task_group() as group => {
            let inner = trace.clone();
            let aborted = group.spawn(async move {
                with!(resource(&inner, "t") => {});
                inner.add("goes on");
                sleep(MS).await;
                inner.add("not reached");
                Ok(())
            });
            sleep(3 * MS).await;
            aborted.abort();
        });
        assert_eq!(ended, Ok(()));
        assert_eq!(trace.take(), ["0 t Completed", "5 -t", "5 goes on"]);
    }
}

mod stopped {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn in_its_block_stops_the_tasks_beside() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(task_group() as group => {
                group.spawn(task(trace.clone(), "t"));
                holds(&trace, "block").await;
            });
            trace.add(format!("not reached {ended:?}"));
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 block Cancelled", "10 t Cancelled", "15 -block", "15 -t", "15 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_block_without_managers_waits_for_the_tasks() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(task_group() as group => {
                group.spawn(task(trace.clone(), "t"));
                sleep(LONG).await;
            });
            trace.add(format!("not reached {ended:?}"));
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t", "15 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_waits_stops_the_tasks() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(task_group() as group => {
                group.spawn(task(trace.clone(), "t"));
            });
            trace.add(format!("not reached {ended:?}"));
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t", "15 Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn with_an_exit_phase_of_a_task_that_fails_gives_its_error() {
        let trace = Trace::new();
        let value = with!(timeout(10 * MS) => {
            let inner = trace.clone();
            let ended: Ended = with!(task_group() as group => {
                group.spawn(async move { with!(failing(&inner, "t") => sleep(LONG).await) });
            });
            ended.map_err(|error| error.first().clone())
        });
        assert_eq!(value, Ok(Err("t failed".to_string())));
        assert_eq!(trace.take(), ["10 t Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn spawns_no_more_tasks() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(task_group() as group => {
                with!(spawns_while_leaving(&trace, group) => sleep(LONG).await);
            });
            trace.add(format!("not reached {ended:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 spawns"]);
    }

    #[async_context_manager]
    async fn spawns_while_leaving(trace: &Trace, group: &TaskGroup<String>) {
        r#yield!();
        trace.add("spawns");
        group.spawn(task(trace.clone(), "not reached"));
        sleep(5 * MS).await;
    }

    #[tokio::test(start_paused = true)]
    async fn twice_waits_for_all_tasks() {
        let trace = Trace::new();
        let late = with!(timeout(12 * MS) => {
            let inner = with!(timeout(10 * MS) => {
                let ended: Ended = with!(task_group() as group => {
                    group.spawn(task(trace.clone(), "t"));
                });
                trace.add(format!("not reached {ended:?}"));
            });
            trace.add(format!("not reached {inner:?}"));
        });
        trace.add(format!("{late:?}"));
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t", "15 Err(Elapsed(()))"]);
    }
}

mod composed {
    use super::*;

    #[async_context_manager]
    async fn workers() -> Result<TaskGroup<String>, TaskGroupError<String>> {
        with!(task_group() as group => {
            r#yield!(group.clone());
        })
    }

    /// Writes down how it sees the block, and leaves in 2 ms.
    #[async_context_manager]
    async fn tidy_workers(trace: &Trace) -> Result<TaskGroup<String>, TaskGroupError<String>> {
        with!(task_group() as group => {
            let outcome = r#yield!(group.clone());
            trace.add(format!("workers {outcome:?}"));
            sleep(2 * MS).await;
            trace.add("tidied up");
        })
    }

    #[tokio::test(start_paused = true)]
    async fn is_stopped_in_its_block() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(workers() as group => {
                group.spawn(task(trace.clone(), "t"));
                holds(&trace, "block").await;
            });
            trace.add(format!("not reached {ended:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 block Cancelled", "10 t Cancelled", "15 -block", "15 -t"]);
    }

    #[tokio::test(start_paused = true)]
    async fn is_stopped_while_it_waits() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(workers() as group => {
                group.spawn(task(trace.clone(), "t"));
            });
            trace.add(format!("not reached {ended:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 t Cancelled", "15 -t"]);
    }

    #[tokio::test(start_paused = true)]
    async fn runs_the_code_after_its_marker_when_a_task_fails() {
        let trace = Trace::new();
        let ended: Ended = with!(tidy_workers(&trace) as group => {
            group.spawn(fails_after(10 * MS));
            holds(&trace, "block").await;
        });
        trace.add("ended");
        assert!(ended.is_err());
        assert_eq!(
            trace.take(),
            ["10 block Cancelled", "15 -block", "15 workers Cancelled", "17 tidied up", "17 ended"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn runs_the_code_after_its_marker_when_it_is_stopped() {
        let trace = Trace::new();
        let late = with!(timeout(10 * MS) => {
            let ended: Ended = with!(tidy_workers(&trace) => sleep(LONG).await);
            trace.add(format!("not reached {ended:?}"));
        });
        assert!(late.is_err());
        assert_eq!(trace.take(), ["10 workers Cancelled", "12 tidied up"]);
    }
}

#[tokio::test(start_paused = true)]
async fn group_that_is_dropped_leaves_its_tasks_to_stop_by_themselves() {
    let trace = Trace::new();
    let group = async {
        with!(task_group::<String>() as group => {
            group.spawn(task(trace.clone(), "t"));
            sleep(LONG).await;
        })
    };
    tokio::time::timeout(10 * MS, group).await.expect_err("it is dropped");
    trace.add("dropped");
    sleep(LONG).await;
    assert_eq!(trace.take(), ["10 dropped", "10 t Cancelled", "15 -t"]);
}

#[tokio::test(start_paused = true)]
async fn group_whose_runtime_shuts_down_drops_its_tasks() {
    let trace = Trace::new();
    let inner = trace.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
        runtime.spawn(async move {
            let _: Result<(), TaskGroupError<Infallible>> = with!(task_group() as group => {
                group.spawn(async move {
                    with!(logs_only(&inner) => pending::<()>().await);
                    Ok(())
                });
            });
        });
        runtime.block_on(tokio::task::yield_now());
    })
    .join()
    .expect("no panic leaves a drop");
    assert!(trace.log.take().into_iter().all(|event| event.ends_with("sees Cancelled")));
}

#[async_context_manager]
async fn logs_only(trace: &Trace) {
    let outcome = r#yield!();
    trace.log.add(format!("sees {outcome:?}"));
}

#[tokio::test(start_paused = true)]
async fn handle_of_a_stopped_task_never_completes() {
    let trace = Trace::new();
    let mut handle = None;
    let ended: Ended = with!(task_group() as group => {
        handle = Some(group.spawn(task(trace.clone(), "t")));
        group.spawn(fails_after(10 * MS));
    });
    assert!(ended.is_err());
    assert!(handle.expect("it was spawned").now_or_never().is_none());
}
