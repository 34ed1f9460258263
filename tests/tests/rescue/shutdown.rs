//! The runtime is shut down: while it has a rescue, and while it has a `with!`.

use std::sync::mpsc::{Sender, channel};

use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::*;

/// How far a manager is when its runtime is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Entering,
    Block,
    Leaving,
    Rescue,
}

/// At that stage it waits for the crate's own thread.
#[async_context_manager(shielded)]
async fn waiting(stage: Stage, log: Log, done: Sender<()>) {
    if stage == Stage::Entering {
        log.add("enters");
        on_own_thread().await;
    }
    log.add("entered");
    let outcome = r#yield!();
    log.add(format!("sees {outcome:?}"));
    on_own_thread().await;
    sleep(Duration::from_millis(1)).await;
    log.add(format!("left on {}", here()));
    done.send(()).expect("the test waits");
}

async fn run(stage: Stage, log: Log, done: Sender<()>) {
    with!(waiting(stage, log, done) => {
        if stage != Stage::Leaving {
            pending::<()>().await;
        }
    });
}

/// What a manager says whose runtime is shut down at a stage.
fn shut_down(runtime: Runtime, how: fn(Runtime), stage: Stage) -> Vec<String> {
    let log = Log::new();
    let (done, is_done) = channel();
    runtime.block_on(async {
        let task = tokio::spawn(run(stage, log.clone(), done));
        let events = if stage == Stage::Leaving { 2 } else { 1 };
        happened(&log, events).await;
        if stage == Stage::Rescue {
            task.abort();
            happened(&log, 2).await;
        }
    });
    how(runtime);
    wait_for(&is_done);
    log.take()
}

fn in_each_way(stage: Stage, expected: &[&str]) {
    let ways: [fn(Runtime); 3] =
        [drop, Runtime::shutdown_background, |runtime| runtime.shutdown_timeout(Duration::from_millis(1))];
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        for how in ways {
            let runtime = builder.worker_threads(1).enable_time().build().expect("it starts");
            assert_eq!(shut_down(runtime, how, stage), expected);
        }
    }
}

#[test]
fn runtime_that_is_shut_down_while_a_manager_is_entered_leaves_it_to_the_own_thread() {
    in_each_way(Stage::Entering, &["enters", "entered", "sees Cancelled", "left on rescue"]);
}

#[test]
fn runtime_that_is_shut_down_in_a_block_leaves_the_manager_to_the_own_thread() {
    in_each_way(Stage::Block, &["entered", "sees Cancelled", "left on rescue"]);
}

#[test]
fn runtime_that_is_shut_down_while_a_manager_is_left_leaves_it_to_the_own_thread() {
    in_each_way(Stage::Leaving, &["entered", "sees Completed", "left on rescue"]);
}

#[test]
fn runtime_that_is_shut_down_in_a_rescue_leaves_it_to_the_own_thread() {
    in_each_way(Stage::Rescue, &["entered", "sees Cancelled", "left on rescue"]);
}

#[test]
fn a_timer_of_the_runtime_that_is_gone_is_a_panic_and_told() {
    #[async_context_manager(shielded)]
    async fn slow(log: Log) {
        r#yield!();
        log.add("leaves");
        sleep(LONG).await;
        log.add("left");
    }
    alone(|| {
        let (loss, is_lost) = channel();
        rescue::set_hook(move |lost| loss.send((lost.manager().to_string(), lost.kind())).expect("the test waits"));
        let runtime = Builder::new_current_thread().enable_time().build().expect("it starts");
        let log = Log::new();
        runtime.block_on(async {
            let inner = log.clone();
            let task = tokio::spawn(async { with!(slow(inner) => pending::<()>().await) });
            tokio::task::yield_now().await;
            task.abort();
            happened(&log, 1).await;
        });
        drop(runtime);
        assert_eq!(wait_for(&is_lost), ("slow".to_string(), rescue::LossKind::Panicked));
        drain();
        assert_eq!(log.take(), ["leaves"]);
    });
}
