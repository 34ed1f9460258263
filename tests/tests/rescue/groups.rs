//! What is left of the shielded managers in the tasks of a group is the group's.

use std::convert::Infallible;

use async_context_manager::{TaskGroupError, move_on_after, task_group};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::*;

/// A runtime whose clock runs when none of its tasks does.
fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("it starts")
}

/// A task that has a lease, and does not end.
async fn forever<E>(log: Log) -> Result<(), E> {
    with!(lease(log) => pending::<()>().await);
    Ok(())
}

/// What a lease says here.
fn left() -> [String; 3] {
    ["entered".into(), "sees Cancelled".into(), format!("left on {}", here())]
}

#[tokio::test(start_paused = true)]
async fn a_group_with_a_task_that_fails_waits_for_the_others() {
    let log = Log::new();
    let result: Result<(), TaskGroupError<u8>> = with!(task_group() as group => {
        group.spawn(forever(log.clone()));
        group.spawn(async {
            sleep(Duration::from_millis(1)).await;
            Err::<(), _>(5)
        });
        pending::<()>().await;
    });
    assert!(result.is_err());
    assert_eq!(log.take(), left());
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_block_fails_waits_for_its_tasks() {
    let log = Log::new();
    let result: Result<Result<(), u8>, TaskGroupError<u8>> = with!(task_group() as group => {
        group.spawn(forever(log.clone()));
        sleep(Duration::from_millis(1)).await;
        Err::<(), _>(5)
    });
    assert_eq!(result.expect("the block failed by itself"), Err(5));
    assert_eq!(log.take(), left());
}

#[tokio::test(start_paused = true)]
async fn a_shielded_group_in_a_time_limit_waits_for_its_tasks() {
    let log = Log::new();
    let result = with!(move_on_after(Duration::from_millis(2)) => {
        with!(task_group::<Infallible>().shielded() as group => {
            group.spawn(forever(log.clone()));
            pending::<()>().await;
        })
    });
    assert!(result.is_none());
    assert_eq!(log.take(), left());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_dropped_does_not_wait_but_its_tasks_are_rescued() {
    let log = Log::new();
    let group = async {
        with!(task_group::<Infallible>() as group => {
            group.spawn(forever(log.clone()));
            pending::<()>().await;
        })
    };
    tokio::time::timeout(Duration::from_millis(2), group).await.expect_err("it does not end");
    happened(&log, 2).await;
    rescue::drain().await;
    assert_eq!(log.take(), left());
}

#[test]
fn a_group_in_a_runtime_that_is_shut_down_goes_on_elsewhere() {
    let log = Log::new();
    let runtime = paused();
    let inner = log.clone();
    runtime.spawn(async move {
        let group = async {
            with!(task_group::<Infallible>().shielded() as group => {
                group.spawn(forever(inner));
                pending::<()>().await;
            })
        };
        drop(group.await);
    });
    runtime.block_on(async { sleep(Duration::from_millis(5)).await });
    drop(runtime);
    drain();
    assert_eq!(log.take(), ["entered", "sees Cancelled", "left on rescue"]);
}

/// A task that has a manager, and takes a while to be left once it is dropped.
async fn upload(log: Log) -> Result<(), Infallible> {
    let _gone = log.on_drop("gone");
    with!(lease(log.clone()) => pending::<()>().await);
    Ok(())
}

#[test]
fn drain_waits_for_the_tasks_of_a_group_that_was_dropped() {
    alone(|| {
        paused().block_on(async {
            let log = Log::new();
            let group = async {
                with!(task_group::<Infallible>() as group => {
                    for _ in 0..50 {
                        group.spawn(upload(log.clone()));
                    }
                    pending::<()>().await;
                })
            };
            tokio::time::timeout(Duration::from_millis(2), group).await.expect_err("it does not end");
            // None has been dropped.
            assert_eq!(log.take(), [(); 50].map(|()| "entered"));
            assert_eq!(rescue::pending().len(), 50);
            rescue::drain().await;
            let left = log.take();
            assert_eq!(left.iter().filter(|event| event.starts_with("left")).count(), 50, "{left:?}");
            assert_eq!(rescue::pending().len(), 0);
        });
    });
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_waits_for_the_tasks_of_a_group_in_its_block() {
    let log = Log::new();
    let result = with!(move_on_after(Duration::from_millis(2)) => {
        with!(task_group::<Infallible>() as group => {
            group.spawn(upload(log.clone()));
            pending::<()>().await;
        })
    });
    log.add("returned");
    assert!(result.is_none());
    let left = format!("left on {}", here());
    let mut events = log.take();
    events.retain(|event| event != "gone");
    assert_eq!(events, ["entered", "sees Cancelled", &left, "returned"]);
}

#[tokio::test(start_paused = true)]
async fn a_shielded_manager_is_left_when_the_tasks_of_a_group_in_its_block_are_gone() {
    #[async_context_manager(shielded)]
    async fn database(log: Log) {
        r#yield!();
        log.add("database closed");
    }
    let log = Log::new();
    let service = async {
        with!(database(log.clone()) => {
            with!(task_group::<Infallible>() as group => {
                group.spawn(upload(log.clone()));
                pending::<()>().await;
            })
        })
    };
    tokio::time::timeout(Duration::from_millis(2), service).await.expect_err("it does not end");
    rescue::drain().await;
    let left = format!("left on {}", here());
    assert_eq!(log.take(), ["entered", "sees Cancelled", &left, "gone", "database closed"]);
}

/// What tasks have come to that nobody was left to be told of.
#[test]
fn what_a_task_of_a_group_that_was_dropped_comes_to_is_told() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a bomb");
        }
    }
    alone(|| {
        let log = Log::new();
        let told = log.clone();
        rescue::set_hook(move |loss| told.add(format!("{} {:?}", loss.manager(), loss.kind())));
        paused().block_on(async {
            let mut group = Box::pin(async {
                with!(task_group::<u8>() as group => {
                    group.spawn(async {
                        let _bomb = Bomb;
                        pending::<Result<(), _>>().await
                    });
                    pending::<()>().await;
                })
            });
            assert!((&mut group).now_or_never().is_none());
            tokio::task::yield_now().await;
            drop(group);
            rescue::drain().await;
        });
        assert_eq!(log.take(), ["task_group Panicked"]);
    });
}

#[test]
fn a_waker_of_a_task_that_panics_does_not_keep_the_group_from_ending() {
    struct Stale;

    impl std::task::Wake for Stale {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("the queue of the executor is gone");
        }
    }
    alone(|| {
        paused().block_on(async {
            let stale = std::sync::Arc::new(Stale).into();
            let sum = with!(task_group::<Infallible>() as group => {
                let mut one = group.spawn(async { yields(1).await; Ok(1) });
                assert!(Pin::new(&mut one).poll(&mut std::task::Context::from_waker(&stale)).is_pending());
                let two = group.spawn(async { yields(3).await; Ok(2) }).await;
                one.await + two
            });
            assert_eq!(sum, Ok(3));
        });
    });
}
