//! What is left of the shielded managers in the tasks of a group is the group's.

use std::convert::Infallible;

use async_context_manager::{TaskGroupError, move_on_after, task_group};
use tokio::time::sleep;

use super::*;

/// A task that has a lease, and does not end.
async fn forever<E>(log: Log) -> Result<(), E> {
    with!(lease(log) => pending::<()>().await);
    Ok(())
}

/// What a lease says here.
fn left() -> [String; 3] {
    ["entered".into(), "sees Cancelled".into(), format!("left on {}", here())]
}

#[tokio::test]
async fn a_group_with_a_task_that_fails_waits_for_it() {
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

#[tokio::test]
async fn one_whose_block_fails() {
    let log = Log::new();
    let result: Result<Result<(), u8>, TaskGroupError<u8>> = with!(task_group() as group => {
        group.spawn(forever(log.clone()));
        sleep(Duration::from_millis(1)).await;
        Err::<(), _>(5)
    });
    assert_eq!(result.expect("the block failed by itself"), Err(5));
    assert_eq!(log.take(), left());
}

#[tokio::test]
async fn one_that_is_shielded_itself_in_a_time_limit() {
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

#[tokio::test]
async fn one_that_is_dropped_does_not_wait_but_they_are_rescued() {
    let log = Log::new();
    let group = async {
        with!(task_group::<Infallible>() as group => {
            group.spawn(forever(log.clone()));
            pending::<()>().await;
        })
    };
    tokio::time::timeout(Duration::from_millis(2), group).await.expect_err("it does not end");
    while log.len() < 2 {
        tokio::task::yield_now().await;
    }
    rescue::drain().await;
    assert_eq!(log.take(), left());
}

#[test]
fn one_in_a_runtime_that_is_shut_down_goes_on_elsewhere() {
    let log = Log::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it starts");
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
