//! Where users of other crates lost their cleanup: the same scenarios here.
//!
//! The first six were run with `context_manager`, `test-context`, `async-safe-defer`, `async-dropper-simple`,
//! `async-drop`, `async-dropx` and `scopeguard` too. In each, the cleanup logs its begin, is pending, and logs its end.
//!
//! | scenario | this crate | tests |
//! |---|---|---|
//! | ok, `?`, early return | awaited before the caller resumes | `ok_question_mark_and_return` |
//! | panic in the block | awaited before the caller unwinds | `panic_in_the_block` |
//! | task aborted in the block | begun in place, up to its first pending `.await` | `aborted_in_the_block` |
//! | task aborted in the cleanup | its rest is dropped | `aborted_in_the_cleanup` |
//! | runtime dropped | begun in place, up to its first pending `.await` | `runtime_dropped` |
//! | dropped off the runtime | begun in place, up to its first pending `.await` | `off_the_runtime` |
//! | any of these drops | no panic comes out of it, nothing aborts, no thread is blocked | the same four |
//!
//! And where the manager is shielded:
//!
//! | scenario | this crate | tests, in `shielded` |
//! |---|---|---|
//! | ok, `?`, early return, panic in the block | awaited before the caller goes on | `without_a_cancellation_...` |
//! | task aborted in the block | finished by a rescue | `aborted_in_the_block_...` |
//! | task aborted in the cleanup | finished by a rescue | `aborted_in_the_cleanup_...` |
//! | runtime dropped | finished by a rescue on a thread of its own | `with_the_runtime_...` |
//! | dropped off the runtime | finished by a rescue | `off_the_runtime_...`, `off_a_runtime_that_is_gone_...` |
//! | any of these drops | no panic comes out of it, nothing aborts, no thread is blocked | the same |
//!
//! What users of such crates have asked for is in `users`:
//!
//! | asked for | this crate | test |
//! |---|---|---|
//! | the outcome in the teardown | the value of `yield!` | `the_teardown_is_told_how_the_test_ended` |
//! | fallible setup and teardown | `Result<V, E>` | `setup_and_teardown_can_return_an_error` |
//! | a block that borrows | `with!` | `the_block_of_a_transaction_borrows_and_nothing_is_boxed` |
//! | no leftovers of failed tests | `with!` | `containers_are_removed_after_a_question_mark_and_a_failed_assertion` |
//! | an awaited `defer!` | `closing`, `callback` | `a_defer_that_awaits_and_borrows`, `several_defers_in_one_scope_...` |
//! | rollback on a panic | `Outcome::Panicked` | `a_transaction_is_rolled_back_when_its_block_panics` |
//! | rollback when dropped | `Outcome::Cancelled` | `a_transaction_is_rolled_back_when_the_client_hangs_up` |
//! | acquiring that can't be cut short, a rollback that waits | `shielded` | `a_transaction_whose_rollback_waits_...` |
//! | a configured rescuer | `rescue::set_spawner` | in `rescue.rs` |
//! | no gap before the guard | a manager around | `a_guard_that_is_armed_before_the_first_await_is_disarmed_...` |
//! | the next open succeeds | awaited | `a_file_can_be_opened_again_as_soon_as_its_scope_has_ended` |
//! | which error wins | the author says | `the_author_decides_which_error_wins` |
//! | the first error kept | a limit in the cleanup | `a_cleanup_that_runs_out_of_time_does_not_eat_the_error` |
//! | no macro | `scope` | `a_form_without_a_macro_that_is_formatted_like_other_code` |
//! | a fixture that yields | `#[within]` | `a_fixture_that_yields_above_a_test`, `what_the_teardown_of_a_fixture_...` |
//! | no panic without a runtime | contained | `off_the_runtime::a_cleanup_that_spawns_does_not_panic_out_of_the_drop` |

#![forbid(unsafe_code)]

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on, drop_after, message, panic_message, yields};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, yield_now};

/// Logs how the block ended and that its cleanup begins, pauses, and logs its end.
#[async_context_manager]
async fn cleanup(log: &Log, pause: impl Future<Output = ()>) {
    let outcome = r#yield!();
    log.add(format!("begins: {outcome:?}"));
    pause.await;
    log.add("ends");
}

/// Notifies when its block is running, and then is in it for ever.
async fn stays(log: Log, pause: impl Future<Output = ()>, running: Arc<Notify>) {
    with!(cleanup(&log, pause) => {
        let _block = log.on_drop("block dropped");
        running.notify_one();
        pending::<()>().await;
    });
}

/// A task that is in the block of its `with!`.
async fn task_in_its_block(log: &Log, pause: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let running = Arc::new(Notify::new());
    let task = tokio::spawn(stays(log.clone(), pause, running.clone()));
    running.notified().await;
    task
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

mod ok_question_mark_and_return {
    use super::*;

    #[derive(Clone, Copy)]
    enum Way {
        Ok,
        QuestionMark,
        Return,
    }

    async fn leave(log: &Log, way: Way) -> Result<u8, &'static str> {
        let value = with!(cleanup(log, yield_now()) => match way {
            Way::Ok => 1,
            Way::QuestionMark => Err("error")?,
            Way::Return => return Ok(2),
        });
        log.add("the function goes on");
        Ok(value)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_after_an_ok_is_awaited() {
        let log = Log::new();
        assert_eq!(leave(&log, Way::Ok).await, Ok(1));
        assert_eq!(log.take(), ["begins: Completed", "ends", "the function goes on"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_after_a_question_mark_is_awaited() {
        let log = Log::new();
        assert_eq!(leave(&log, Way::QuestionMark).await, Err("error"));
        assert_eq!(log.take(), ["begins: Failed(())", "ends"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_after_an_early_return_is_awaited() {
        let log = Log::new();
        assert_eq!(leave(&log, Way::Return).await, Ok(2));
        assert_eq!(log.take(), ["begins: Completed", "ends"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_after_continue_and_break_is_awaited() {
        let log = Log::new();
        for round in 1.. {
            with!(cleanup(&log, yield_now()) => {
                if round == 1 {
                    continue;
                }
                break;
            });
        }
        log.add("the caller resumes");
        assert_eq!(log.take(), ["begins: Completed", "ends", "begins: Completed", "ends", "the caller resumes"]);
    }
}

mod panic_in_the_block {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_after_a_panic_is_awaited_before_the_caller_unwinds() {
        let log = Log::new();
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                let _caller = log.on_drop("the caller unwinds");
                with!(cleanup(&log, yield_now()) => panic!("block"));
            }
        });
        let panic = task.await.unwrap_err().into_panic();
        assert_eq!(message(panic.as_ref()), "block");
        assert_eq!(log.take(), ["begins: Panicked", "ends", "the caller unwinds"]);
    }
}

mod aborted_in_the_block {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_of_an_aborted_task_is_begun_before_the_abort_is_known() {
        let log = Log::new();
        let task = task_in_its_block(&log, yields(1)).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block dropped", "begins: Cancelled"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_of_an_aborted_task_that_never_pends_is_finished() {
        let log = Log::new();
        let task = task_in_its_block(&log, async {}).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block dropped", "begins: Cancelled", "ends"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_of_an_aborted_task_that_panics_is_no_panic_of_the_task() {
        let log = Log::new();
        let task = task_in_its_block(&log, async { panic!("in the cleanup") }).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block dropped", "begins: Cancelled"]);
    }

    // The one thread there is would wait for itself, were it blocked.
    #[tokio::test(flavor = "current_thread")]
    async fn cleanup_of_an_aborted_task_that_never_ends_does_not_block_the_only_thread() {
        let log = Log::new();
        let task = task_in_its_block(&log, pending()).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block dropped", "begins: Cancelled"]);
    }
}

mod aborted_in_the_cleanup {
    use super::*;

    /// A task whose cleanup has begun, and does not end.
    async fn task_in_its_cleanup(log: &Log) -> JoinHandle<()> {
        let (log, leaving) = (log.clone(), Arc::new(Notify::new()));
        let begun = leaving.clone();
        let task = tokio::spawn(async move {
            let pause = async {
                let _pause = log.on_drop("rest dropped");
                leaving.notify_one();
                pending::<()>().await;
            };
            with!(cleanup(&log, pause) => log.add("block"));
        });
        begun.notified().await;
        task
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn cleanup_that_is_aborted_is_dropped_before_the_abort_is_known() {
        let log = Log::new();
        let task = task_in_its_cleanup(&log).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block", "begins: Completed", "rest dropped"]);
    }

    #[test]
    fn cleanup_is_dropped_with_its_runtime() {
        let log = Log::new();
        let runtime = two_workers();
        let task = runtime.block_on(task_in_its_cleanup(&log));
        drop(runtime);
        assert!(block_on(task).unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["block", "begins: Completed", "rest dropped"]);
    }
}

mod runtime_dropped {
    use super::*;

    /// What has happened when the runtime of a task in its block is gone.
    fn drop_runtime(runtime: Runtime, pause: impl Future<Output = ()> + Send + 'static) -> Vec<String> {
        let log = Log::new();
        let task = runtime.block_on(task_in_its_block(&log, pause));
        drop(runtime);
        log.add("runtime gone");
        assert!(block_on(task).unwrap_err().is_cancelled());
        log.take()
    }

    #[test]
    fn cleanup_is_begun_before_its_runtime_is_gone() {
        let events = drop_runtime(two_workers(), yields(1));
        assert_eq!(events, ["block dropped", "begins: Cancelled", "runtime gone"]);
    }

    #[test]
    fn cleanup_that_never_pends_is_finished_before_its_runtime_is_gone() {
        let events = drop_runtime(two_workers(), async {});
        assert_eq!(events, ["block dropped", "begins: Cancelled", "ends", "runtime gone"]);
    }

    #[test]
    fn cleanup_that_never_ends_does_not_hold_its_runtime_up() {
        let events = drop_runtime(Builder::new_current_thread().build().unwrap(), pending());
        assert_eq!(events, ["block dropped", "begins: Cancelled", "runtime gone"]);
    }

    #[test]
    fn a_cleanup_that_wants_a_timer_and_a_task_of_that_runtime_does_no_harm() {
        let events = drop_runtime(two_workers(), async {
            drop(tokio::spawn(async {}));
            tokio::time::sleep(std::time::Duration::MAX).await;
        });
        assert_eq!(events, ["block dropped", "begins: Cancelled", "runtime gone"]);
    }
}

mod off_the_runtime {
    use super::*;

    /// What has happened when the future was polled on a runtime and dropped where there is none.
    fn drop_outside(pause: impl Future<Output = ()>) -> Vec<String> {
        let log = Log::new();
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut future = Box::pin(stays(log.clone(), pause, Arc::new(Notify::new())));
        assert!(runtime.block_on(async { futures::poll!(&mut future) }).is_pending());
        drop(future);
        log.add("dropped");
        log.take()
    }

    #[test]
    fn cleanup_off_the_runtime_is_begun_before_the_drop_returns() {
        assert_eq!(drop_outside(yields(1)), ["block dropped", "begins: Cancelled", "dropped"]);
    }

    #[test]
    fn cleanup_off_the_runtime_that_never_ends_does_not_block_the_thread() {
        assert_eq!(drop_outside(pending()), ["block dropped", "begins: Cancelled", "dropped"]);
    }

    #[test]
    fn cleanup_off_the_runtime_that_spawns_does_not_panic_out_of_the_drop() {
        let events = drop_outside(async { drop(tokio::spawn(async {})) });
        assert_eq!(events, ["block dropped", "begins: Cancelled", "dropped"]);
    }

    #[test]
    fn cleanup_off_the_runtime_while_a_panic_unwinds_does_not_abort() {
        let log = Log::new();
        let message = panic_message(async {
            let spawns = async { drop(tokio::spawn(async {})) };
            let mut future = Box::pin(stays(log.clone(), spawns, Arc::new(Notify::new())));
            assert!(futures::poll!(&mut future).is_pending());
            panic!("elsewhere");
        });
        assert_eq!(message, "elsewhere");
        assert_eq!(log.take(), ["block dropped", "begins: Cancelled"]);
    }

    #[test]
    fn with_that_completes_needs_no_runtime() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(cleanup(&log, yields(1)) => 5) }), 5);
        assert_eq!(log.take(), ["begins: Completed", "ends"]);
    }
}

mod shielded {
    use async_context_manager::rescue;
    use futures::executor;

    use super::*;

    /// As [`cleanup`](super::cleanup), but that it is left to the end.
    #[async_context_manager(shielded)]
    async fn cleanup(log: Log, pause: impl Future<Output = ()> + Send + 'static) {
        let outcome = r#yield!();
        log.add(format!("begins: {outcome:?}"));
        pause.await;
        log.add("ends");
    }

    /// Is in its block for ever.
    async fn stays(log: Log, running: Arc<Notify>) {
        with!(cleanup(log, yields(1)) => {
            running.notify_one();
            pending::<()>().await;
        });
    }

    /// A task that is in its block.
    async fn task(log: &Log) -> JoinHandle<()> {
        let running = Arc::new(Notify::new());
        let task = tokio::spawn(stays(log.clone(), Arc::clone(&running)));
        running.notified().await;
        task
    }

    #[test]
    fn shielded_cleanup_is_awaited_before_the_caller_goes_on() {
        async fn fails(log: Log) -> Result<(), &'static str> {
            with!(cleanup(log, yields(1)) => Err("failed")?);
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(cleanup(log.clone(), yields(1)) => 5) }), 5);
        assert_eq!(log.take(), ["begins: Completed", "ends"]);
        assert_eq!(block_on(fails(log.clone())), Err("failed"));
        assert_eq!(log.take(), ["begins: Failed(())", "ends"]);
        let message = panic_message(async { with!(cleanup(log.clone(), yields(1)) => panic!("of the block")) });
        assert_eq!((message.as_str(), log.take()), ("of the block", vec!["begins: Panicked".into(), "ends".into()]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn shielded_cleanup_of_a_task_aborted_in_the_block_is_finished() {
        let log = Log::new();
        let task = task(&log).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        rescue::drain().await;
        assert_eq!(log.take(), ["begins: Cancelled", "ends"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn shielded_cleanup_of_a_task_aborted_in_the_block_is_finished_on_the_only_thread() {
        let log = Log::new();
        let task = task(&log).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        rescue::drain().await;
        assert_eq!(log.take(), ["begins: Cancelled", "ends"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn shielded_cleanup_that_is_aborted_goes_on() {
        let log = Log::new();
        let (cleaning, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (log_of, is_cleaning, goes_on) = (log.clone(), Arc::clone(&cleaning), Arc::clone(&go_on));
        let slow = async move {
            is_cleaning.notify_one();
            goes_on.notified().await;
        };
        let task = tokio::spawn(async { with!(cleanup(log_of, slow) => {}) });
        cleaning.notified().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        go_on.notify_one();
        rescue::drain().await;
        assert_eq!(log.take(), ["begins: Completed", "ends"]);
    }

    #[test]
    fn shielded_cleanup_of_a_dropped_runtime_is_finished_on_a_thread_of_its_own() {
        for runtime in [two_workers(), Builder::new_current_thread().enable_time().build().unwrap()] {
            let log = Log::new();
            let task = runtime.block_on(task(&log));
            drop(runtime);
            executor::block_on(rescue::drain());
            assert!(block_on(task).unwrap_err().is_cancelled());
            assert_eq!(log.take(), ["begins: Cancelled", "ends"]);
        }
    }

    /// A future that is in its block, on this runtime.
    fn in_its_block(runtime: &Runtime, log: &Log) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut future = Box::pin(stays(log.clone(), Arc::new(Notify::new())));
        assert!(runtime.block_on(async { futures::poll!(&mut future) }).is_pending());
        future
    }

    #[test]
    fn shielded_cleanup_that_begins_off_its_runtime_is_finished_on_it() {
        let log = Log::new();
        let runtime = Builder::new_current_thread().build().unwrap();
        drop(in_its_block(&runtime, &log));
        runtime.block_on(rescue::drain());
        assert_eq!(log.take(), ["begins: Cancelled", "ends"]);
    }

    #[test]
    fn shielded_cleanup_whose_runtime_is_gone_is_finished_on_a_thread_of_its_own() {
        let log = Log::new();
        let runtime = Builder::new_current_thread().build().unwrap();
        let future = in_its_block(&runtime, &log);
        drop(runtime);
        drop(future);
        executor::block_on(rescue::drain());
        assert_eq!(log.take(), ["begins: Cancelled", "ends"]);
    }
}

mod users {

    use async_context_manager::{AsyncExitStack, Outcome, closing, within};

    use super::*;

    /// Starts a container, and removes it. Both can fail.
    #[async_context_manager]
    async fn container(log: &Log, fails: &str) -> Result<&mut String, String> {
        let step = |step: &str| if fails == step { Err(format!("{step} failed")) } else { Ok(()) };
        let mut name = "container".to_string();
        step("setup")?;
        let outcome = r#yield!(&mut name);
        yields(1).await;
        log.add(format!("removed: {outcome:?}"));
        step("teardown")
    }

    #[derive(Default)]
    struct Conn {
        rows: Vec<String>,
        committed: usize,
    }

    impl Conn {
        fn rollback(&mut self) {
            self.rows.truncate(self.committed);
        }
    }

    #[async_context_manager]
    async fn transaction(conn: &mut Conn) -> &mut Conn {
        match r#yield!(&mut *conn) {
            Outcome::Completed => {
                yields(1).await;
                conn.committed = conn.rows.len();
            }
            Outcome::Cancelled => conn.rollback(), // nobody waits
            Outcome::Failed(()) | Outcome::Panicked => {
                yields(1).await;
                conn.rollback();
            }
        }
    }

    #[test]
    fn the_teardown_is_told_how_the_test_ended() {
        #[within(cleanup(log, yields(1)))]
        async fn test(log: &Log, fails: bool) -> Result<(), &'static str> {
            if fails { Err("failed") } else { Ok(()) }
        }
        let log = Log::new();
        assert_eq!(block_on(test(&log, false)), Ok(()));
        assert_eq!(block_on(test(&log, true)), Err("failed"));
        assert_eq!(log.take(), ["begins: Completed", "ends", "begins: Failed(())", "ends"]);
    }

    #[test]
    fn setup_and_teardown_can_return_an_error() {
        #[within(container(log, fails) as name)]
        async fn test(log: &Log, fails: &str) -> Result<usize, String> {
            log.add("test");
            Ok(name.len())
        }
        let log = Log::new();
        assert_eq!(block_on(test(&log, "nothing")), Ok(9));
        assert_eq!(log.take(), ["test", "removed: Completed"]);
        assert_eq!(block_on(test(&log, "setup")), Err("setup failed".to_string()));
        assert!(log.take().is_empty());
        assert_eq!(block_on(test(&log, "teardown")), Err("teardown failed".to_string()));
        assert_eq!(log.take(), ["test", "removed: Completed"]);
    }

    #[tokio::test]
    async fn the_block_of_a_transaction_borrows_and_nothing_is_boxed() {
        async fn insert(conn: &mut Conn, names: &[String], inserted: &mut usize) {
            with!(transaction(conn) as tx => {
                for name in names {
                    tx.rows.push(name.clone());
                    *inserted += 1;
                    yields(1).await;
                }
            });
        }
        let names = ["ann".to_string(), "bob".to_string()];
        let (conn, inserted) = tokio::spawn(async move {
            let (mut conn, mut inserted) = (Conn::default(), 0);
            insert(&mut conn, &names, &mut inserted).await;
            (conn, inserted)
        })
        .await
        .unwrap();
        assert_eq!((conn.committed, inserted), (2, 2));
    }

    #[test]
    fn containers_are_removed_after_a_question_mark_and_a_failed_assertion() {
        async fn test(log: &Log, rows: Result<u32, String>) -> Result<(), String> {
            with!(container(log, "nothing") => {
                let rows = rows?;
                assert_eq!(rows, 1, "one row");
            })
        }
        let log = Log::new();
        assert_eq!(block_on(test(&log, Err("no answer".to_string()))), Err("no answer".to_string()));
        assert_eq!(log.take(), ["removed: Failed(())"]);
        assert!(panic_message(test(&log, Ok(2))).contains("one row"));
        assert_eq!(log.take(), ["removed: Panicked"]);
    }

    #[test]
    fn a_defer_that_awaits_and_borrows() {
        async fn close(pool: &mut Vec<u8>) {
            yields(1).await;
            pool.clear();
        }
        let mut pool = vec![1];
        let in_the_block = block_on(async {
            with!(closing(&mut pool, close) as pool => {
                pool.push(2);
                pool.len()
            })
        });
        assert_eq!((in_the_block, pool.len()), (2, 0));
    }

    #[test]
    fn several_defers_in_one_scope_run_last_first() {
        async fn work(log: &Log) -> Result<(), String> {
            with!(AsyncExitStack::new() as stack => {
                for name in ["pool", "file"] {
                    stack.callback(async move || {
                        yields(1).await;
                        log.add(name);
                        Ok(())
                    });
                }
                Err("error".to_string())?;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["file", "pool"]);
    }

    #[test]
    fn a_transaction_is_rolled_back_when_its_block_panics() {
        let mut conn = Conn::default();
        panic_message(async {
            with!(transaction(&mut conn) as tx => {
                tx.rows.push("ann".to_string());
                panic!("block");
            });
        });
        assert!(conn.rows.is_empty());
    }

    /// The connection is in the pool, or in use.
    type Pool = Arc<std::sync::Mutex<Option<Conn>>>;

    /// Rolls back and gives the connection back, neither of which is done at once.
    #[async_context_manager(shielded)]
    async fn shielded_transaction(pool: Pool) -> Result<&mut Conn, &'static str> {
        let mut conn = pool.lock().unwrap().take().ok_or("in use")?;
        yields(1).await; // BEGIN
        let outcome = r#yield!(&mut conn);
        yields(1).await; // ROLLBACK
        if !outcome.is_completed() {
            conn.rollback();
        }
        yields(1).await;
        *pool.lock().unwrap() = Some(conn);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_transaction_whose_rollback_waits_is_rolled_back_wherever_the_client_hangs_up() {
        for polls in 0..5 {
            let pool = Pool::default();
            *pool.lock().unwrap() = Some(Conn::default());
            drop_after(polls, async {
                with!(shielded_transaction(pool.clone()) as tx => {
                    tx.rows.push("ann".to_string());
                    yields(1).await;
                    Err::<(), _>("not enough money")
                })
            });
            async_context_manager::rescue::drain().await;
            let conn = pool.lock().unwrap().take().expect("it was given back");
            assert!(conn.rows.is_empty(), "after {polls} polls");
        }
    }

    #[test]
    fn a_transaction_is_rolled_back_when_the_client_hangs_up() {
        let mut conn = Conn::default();
        drop_after(1, async {
            with!(transaction(&mut conn) as tx => {
                tx.rows.push("ann".to_string());
                pending::<()>().await;
            });
        });
        assert!(conn.rows.is_empty());
    }

    #[test]
    fn a_guard_that_is_armed_before_the_first_await_is_disarmed_when_that_is_cut_short() {
        let log = Log::new();
        drop_after(1, async {
            with!(cleanup(&log, async {}) => {
                log.add("asks for a connection");
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["asks for a connection", "begins: Cancelled", "ends"]);
    }

    #[test]
    fn a_file_can_be_opened_again_as_soon_as_its_scope_has_ended() {
        #[async_context_manager]
        async fn exclusive(open: &mut bool) -> Result<(), &'static str> {
            if std::mem::replace(open, true) {
                return Err("in use");
            }
            r#yield!();
            yields(3).await;
            *open = false;
            Ok(())
        }
        let mut open = false;
        for _ in 0..3 {
            assert_eq!(block_on(async { with!(exclusive(&mut open) => 5) }), Ok(5));
        }
    }

    #[test]
    fn the_author_decides_which_error_wins() {
        fn fails(whose: &str) -> Result<(), String> {
            Err(whose.to_string())
        }
        #[async_context_manager]
        async fn the_last() -> Result<(), String> {
            r#yield!();
            fails("of the cleanup")
        }
        #[async_context_manager]
        async fn the_first() -> Result<(), String> {
            r#yield!();
            fails("of the cleanup").ok();
            Ok(())
        }
        #[async_context_manager(catch)]
        async fn both() -> Result<(), String> {
            let first = r#yield!().into_result().expect_err("the block fails");
            fails("of the cleanup").map_err(|second| format!("{first}, and {second}"))
        }
        async fn run(which: &str) -> Result<(), String> {
            match which {
                "last" => with!(the_last() => { fails("of the block")? }),
                "first" => with!(the_first() => { fails("of the block")? }),
                _ => with!(both() => { fails("of the block")? }),
            }
        }
        assert_eq!(block_on(run("last")), Err("of the cleanup".to_string()));
        assert_eq!(block_on(run("first")), Err("of the block".to_string()));
        assert_eq!(block_on(run("both")), Err("of the block, and of the cleanup".to_string()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cleanup_that_runs_out_of_time_does_not_eat_the_error() {
        #[async_context_manager]
        async fn in_time(log: &Log) {
            r#yield!();
            let closed = tokio::time::timeout(Duration::from_secs(5), pending::<()>()).await;
            log.add(format!("closed: {}", closed.is_ok()));
        }
        async fn run(log: &Log) -> Result<(), &'static str> {
            with!(in_time(log) => { Err("error")? })
        }
        let log = Log::new();
        assert_eq!(run(&log).await, Err("error"));
        assert_eq!(log.take(), ["closed: false"]);
    }

    #[test]
    fn a_form_without_a_macro_that_is_formatted_like_other_code() {
        let log = Log::new();
        let length = block_on(async {
            container(&log, "nothing")
                .scope(async |name| {
                    yields(1).await;
                    name.len()
                })
                .await
        });
        assert_eq!(length, Ok(9));
        assert_eq!(log.take(), ["removed: Completed"]);
    }

    /// Looks, in its teardown, at what the test has done.
    #[async_context_manager]
    async fn database() -> &mut Vec<u32> {
        let mut rows = vec![5];
        yield_now().await;
        assert!(r#yield!(&mut rows).is_completed());
        yield_now().await;
        assert_eq!(rows, [5, 6], "what the test has done");
    }

    #[within(database() as rows)]
    #[tokio::test]
    async fn a_fixture_that_yields_above_a_test() {
        rows.push(6);
        yield_now().await;
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn what_the_teardown_of_a_fixture_asserts_fails_the_test() {
        #[within(database() as rows)]
        async fn test() {
            rows.push(7);
        }
        assert!(panic_message(test()).contains("what the test has done"));
    }
}
