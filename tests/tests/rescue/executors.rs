//! Each executor that a rescue can run on.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};

use async_executor::Executor;
use futures::executor::ThreadPool;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};

use super::*;
use async_context_manager::rescue::Rescue;

/// What a lease says that was dropped in its block, and left on a thread of that name.
fn left_on(thread: &str) -> [String; 3] {
    ["entered".into(), "sees Cancelled".into(), format!("left on {thread}")]
}

/// A with! that does not end by itself.
async fn forever(log: Log) {
    with!(lease(log) => pending::<()>().await);
}

#[tokio::test]
async fn current_thread_runtime_runs_its_rescues() {
    let log = Log::new();
    drop_when(&log, 1, forever(log.clone())).await;
    assert_eq!(log.take(), ["entered", "sees Cancelled"][..1]);
    rescue::drain().await;
    assert_eq!(log.take(), left_on(&here())[1..]);
}

#[test]
fn multi_thread_runtime_runs_its_rescues() {
    let log = Log::new();
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("worker").enable_all().build();
    runtime.expect("it starts").block_on(async {
        drop_when(&log, 1, forever(log.clone())).await;
        rescue::drain().await;
    });
    assert_eq!(log.take(), left_on("worker"));
}

#[tokio::test]
async fn task_that_is_aborted_is_rescued_on_its_runtime() {
    let log = Log::new();
    let task = tokio::spawn(forever(log.clone()));
    happened(&log, 1).await;
    task.abort();
    assert!(task.await.expect_err("it is aborted").is_cancelled());
    rescue::drain().await;
    assert_eq!(log.take(), left_on(&here()));
}

#[tokio::test]
async fn set_of_tasks_that_is_dropped_is_rescued_on_its_runtime() {
    let logs = [(); 3].map(|()| Log::new());
    let tasks: JoinSet<()> = logs.iter().map(|log| forever(log.clone())).collect();
    for log in &logs {
        happened(log, 1).await;
    }
    drop(tasks);
    // The runtime drops them later.
    for log in &logs {
        happened(log, 2).await;
    }
    rescue::drain().await;
    for log in logs {
        assert_eq!(log.take(), left_on(&here()));
    }
}

#[tokio::test]
async fn select_that_another_branch_wins_is_rescued_on_its_runtime() {
    let log = Log::new();
    tokio::select! {
        biased;
        () = forever(log.clone()) => unreachable!("it does not end"),
        () = yields(2) => {}
    }
    rescue::drain().await;
    assert_eq!(log.take(), left_on(&here()));
}

#[tokio::test]
async fn block_that_is_not_send_on_a_local_set_is_rescued_on_its_runtime() {
    let log = Log::new();
    let tasks = LocalSet::new();
    let (inner, entered) = (log.clone(), log.clone());
    tasks
        .run_until(async move {
            let task = tokio::task::spawn_local(async move {
                with!(lease(inner) => {
                    let local = std::rc::Rc::new(5);
                    pending::<()>().await;
                    drop(local);
                });
            });
            happened(&entered, 1).await;
            task.abort();
            assert!(task.await.expect_err("it is aborted").is_cancelled());
        })
        .await;
    rescue::drain().await;
    assert_eq!(log.take(), left_on(&here()));
}

#[test]
fn rescue_without_an_executor_may_use_timers() {
    #[async_context_manager(shielded)]
    async fn slow(log: Log) {
        r#yield!();
        tokio::time::sleep(Duration::from_millis(1)).await;
        log.add(here());
    }
    let log = Log::new();
    drop_after(1, async { with!(slow(log.clone()) => pending::<()>().await) });
    drop_a_lease(&log);
    drain();
    let mut events = log.take();
    events.sort();
    assert_eq!(events, ["entered", "left on rescue", "rescue", "sees Cancelled"]);
}

#[test]
fn rescue_in_the_block_on_of_futures_runs_on_the_own_thread() {
    let log = Log::new();
    let raced = block_on_with_threads(futures::future::select(Box::pin(forever(log.clone())), yields(3)));
    drop(raced);
    drain();
    assert_eq!(log.take(), left_on(OWN));
}

mod set {
    use super::*;

    #[test]
    fn spawner_may_use_the_threads_of_futures() {
        alone(|| {
            let pool = ThreadPool::builder().name_prefix("pool").pool_size(1).create().expect("it starts");
            rescue::set_spawner(move |rescue| pool.spawn_ok(rescue));
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take(), left_on("pool0"));
        });
    }

    #[test]
    fn spawner_may_use_the_executor_of_smol() {
        alone(|| {
            static EXECUTOR: Executor<'static> = Executor::new();
            thread::Builder::new()
                .name("smol".into())
                .spawn(|| block_on_with_threads(EXECUTOR.run(pending::<()>())))
                .expect("it starts");
            rescue::set_spawner(|rescue| EXECUTOR.spawn(rescue).detach());
            let log = Log::new();
            block_on_with_threads(async {
                let task = EXECUTOR.spawn(forever(log.clone()));
                while log.is_empty() {
                    yields(1).await;
                }
                assert!(task.cancel().await.is_none());
            });
            drain();
            assert_eq!(log.take(), left_on("smol"));
        });
    }

    #[test]
    fn spawner_comes_before_the_runtime_of_the_manager() {
        alone(|| {
            let pool = ThreadPool::builder().name_prefix("pool").pool_size(1).create().expect("it starts");
            rescue::set_spawner(move |rescue| pool.spawn_ok(rescue));
            let log = Log::new();
            let runtime = Builder::new_current_thread().build().expect("it starts");
            runtime.block_on(async { drop_a_lease(&log) });
            drain();
            assert_eq!(log.take(), left_on("pool0"));
        });
    }

    #[test]
    fn spawner_that_was_set_last_counts() {
        alone(|| {
            rescue::set_spawner(|_rescue| panic!("not this one"));
            let pool = ThreadPool::builder().name_prefix("pool").pool_size(1).create().expect("it starts");
            rescue::set_spawner(move |rescue| pool.spawn_ok(rescue));
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take(), left_on("pool0"));
        });
    }

    #[test]
    fn spawner_that_drops_a_rescue_leaves_it_to_the_own_thread() {
        alone(|| {
            rescue::set_spawner(drop);
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take(), left_on(OWN));
        });
    }

    #[test]
    fn spawner_that_panics_leaves_a_rescue_to_the_own_thread() {
        let said = alone(|| {
            rescue::set_spawner(|_rescue| panic!("no room"));
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take(), left_on(OWN));
        });
        assert!(said.contains("no room"), "{said}");
    }

    /// Polls a rescue that often.
    fn poll(rescue: &mut Rescue, polls: usize) {
        for _ in 0..polls {
            assert!(std::pin::Pin::new(&mut *rescue).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }

    #[test]
    fn spawner_that_drops_a_rescue_half_done_leaves_it_to_the_own_thread() {
        alone(|| {
            rescue::set_spawner(|mut rescue| poll(&mut rescue, 1));
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take(), left_on(OWN));
        });
    }

    #[test]
    fn spawner_that_panics_half_way_leaves_a_rescue_to_the_own_thread() {
        alone(|| {
            rescue::set_spawner(|mut rescue| {
                poll(&mut rescue, 1);
                panic!("it is too much");
            });
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take(), left_on(OWN));
        });
    }

    #[test]
    fn spawner_may_keep_a_rescue_for_another_thread() {
        alone(|| {
            static KEPT: Mutex<Vec<Rescue>> = Mutex::new(Vec::new());
            rescue::set_spawner(|mut rescue| {
                poll(&mut rescue, 1);
                KEPT.lock().expect("nobody panics").push(rescue);
            });
            let log = Log::new();
            drop_a_lease(&log);
            assert_eq!(rescue::pending().len(), 1);
            let kept = std::mem::take(&mut *KEPT.lock().expect("nobody panics"));
            let other = thread::Builder::new().name("other".into());
            let all = move || kept.into_iter().for_each(block_on_with_threads);
            other.spawn(all).expect("it starts").join().expect("it does not panic");
            assert_eq!(log.take(), left_on("other"));
            assert_eq!(rescue::pending().len(), 0);
        });
    }

    /// The executor before has the last task in it that has a shielded manager, and is dropped when it is replaced.
    #[test]
    fn spawner_whose_replacement_drops_its_tasks_leaves_them_to_the_next() {
        alone(|| {
            let log = Log::new();
            let executor = Arc::new(Executor::new());
            executor.spawn(forever(log.clone())).detach();
            while log.is_empty() {
                executor.try_tick();
            }
            rescue::set_spawner(move |rescue| executor.spawn(rescue).detach());
            rescue::set_spawner(|rescue| drop(thread::spawn(|| block_on_with_threads(rescue))));
            drain();
            assert_eq!(log.take(), left_on("no name"));
        });
    }

    #[test]
    fn spawner_may_set_another() {
        alone(|| {
            static LOG: OnceLock<Log> = OnceLock::new();
            rescue::set_spawner(|rescue| {
                rescue::set_spawner(|rescue| drop(thread::spawn(|| block_on_with_threads(rescue))));
                block_on_with_threads(rescue);
            });
            let log = LOG.get_or_init(Log::new);
            drop_a_lease(log);
            assert_eq!(log.take(), left_on(&here()));
            drop_a_lease(log);
            drain();
            assert_eq!(log.take(), left_on("no name"));
        });
    }
}
