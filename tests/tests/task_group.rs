//! Tasks that do not outlive a block.
//!
//! Numbers are those of Python's own tests of `asyncio.TaskGroup` (3.11), `G01` the first. These have no test here:
//!
//! | tests | why |
//! |---|---|
//! | G21 | Python does not run it either |
//! | G26, G27 | names and contexts of tasks are the runtime's |
//! | G30, G31 | a group that is entered twice is refused by the compiler: `ui/ready/twice.rs` |
//! | G33 | there is no group before it is entered |

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::convert::Infallible;
use std::error::Error as _;
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_context_manager::{
    Task, TaskGroup, TaskGroupError, async_context_manager, move_on_after, task_group, timeout, with,
};
use tests::{Log, block_on, in_child, message, yields};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Barrier, oneshot};
use tokio::task::{JoinError, yield_now};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Error {
    Key,
    Value,
    Zero,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} error")
    }
}

impl std::error::Error for Error {}

type Group<T> = Result<T, TaskGroupError<Error>>;

/// Logs how a task ends: cancelled, unless it says otherwise.
struct Fate {
    log: Log,
    name: &'static str,
    end: String,
}

impl Drop for Fate {
    fn drop(&mut self) {
        self.log.add(format!("{} {}", self.name, self.end));
    }
}

fn fate(log: &Log, name: &'static str) -> Fate {
    Fate { log: log.clone(), name, end: "cancelled".to_string() }
}

/// A task that ends after that many seconds.
async fn child<T>(fate: Fate, seconds: u32, result: Result<T, Error>) -> Result<T, Error> {
    let mut fate = fate;
    sleep(seconds * SECOND).await;
    fate.end = match &result {
        Ok(_) => "done".to_string(),
        Err(error) => format!("failed({error:?})"),
    };
    result
}

/// A manager in the block, which tells how the block ended.
#[async_context_manager]
async fn inner(log: &Log) {
    let outcome = r#yield!();
    log.add(format!("block {outcome:?}"));
}

fn errors<T: fmt::Debug>(result: Group<T>) -> Vec<Error> {
    result.unwrap_err().into_errors()
}

/// Drops a future that has been polled for that many seconds, in a task of its own, and lets the others have their
/// turn.
async fn cancel_after<F: Future<Output: Send> + Send + 'static>(seconds: u32, log: &Log, future: F) {
    let task = tokio::spawn(future);
    sleep(seconds * SECOND).await;
    log.add("cancel");
    task.abort();
    assert!(task.await.err().is_some_and(|error| error.is_cancelled()));
    for _ in 0..3 {
        yield_now().await;
    }
}

mod success {
    use super::*;

    /// G01
    #[tokio::test(start_paused = true)]
    async fn the_block_waits_for_all_tasks() {
        let log = Log::new();
        let (a, b) = with!(task_group() as group => {
            let a = group.spawn(child(fate(&log, "a"), 1, Ok(42)));
            let b = group.spawn(child(fate(&log, "b"), 2, Ok(11)));
            log.add("block");
            (a, b)
        })
        .unwrap();
        assert_eq!((a.await, b.await), (42, 11));
        assert_eq!(log.take(), ["block", "a done", "b done"]);
    }

    /// G02
    #[tokio::test(start_paused = true)]
    async fn a_task_may_be_spawned_later() {
        let log = Log::new();
        let sum = with!(task_group() as group => {
            let a = group.spawn(child(fate(&log, "a"), 1, Ok(42))).await;
            log.add("block");
            let b = group.spawn(child(fate(&log, "b"), 1, Ok(11)));
            a + b.await
        });
        assert_eq!(sum, Ok(53));
        assert_eq!(log.take(), ["a done", "block", "b done"]);
    }

    /// G03
    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_aborted_by_hand_disturbs_nobody() {
        let log = Log::new();
        let b = with!(task_group() as group => {
            let a = group.spawn(child(fate(&log, "a"), 1, Ok(42)));
            let b = group.spawn(child(fate(&log, "b"), 2, Ok(11)));
            yields(1).await;
            a.abort();
            b.await
        });
        assert_eq!(b, Ok(11));
        assert_eq!(log.take(), ["a cancelled", "b done"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_ended_can_be_aborted_in_vain() {
        let value = with!(task_group::<Error>() as group => {
            let task = group.spawn(async { Ok(5) });
            sleep(SECOND).await;
            task.abort();
        });
        assert_eq!(value, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_whose_handle_is_dropped_goes_on() {
        let log = Log::new();
        let value = with!(task_group() as group => {
            drop(group.spawn(child(fate(&log, "a"), 1, Ok(()))));
        });
        assert_eq!(value, Ok(()));
        assert_eq!(log.take(), ["a done"]);
    }

    #[tokio::test]
    async fn no_tasks_are_nothing_to_wait_for() {
        assert_eq!(with!(task_group::<Error>() => 5), Ok(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_and_a_return_wait_too() {
        async fn f(log: &Log) -> Group<u8> {
            let n = loop {
                let _: Group<()> = with!(task_group() as group => {
                    group.spawn(child(fate(log, "a"), 1, Ok(())));
                    break 5;
                });
            };
            log.add("after");
            with!(task_group() as group => {
                group.spawn(child(fate(log, "b"), 1, Ok(())));
                return Ok(n);
            })
        }
        let log = Log::new();
        assert_eq!(f(&log).await, Ok(5));
        assert_eq!(log.take(), ["a done", "after", "b done"]);
    }

    /// G23: what they gave is dropped, as is all that the group knows of them.
    #[tokio::test(start_paused = true)]
    async fn tasks_that_have_ended_are_forgotten_while_the_block_goes_on() {
        let held = Arc::new(());
        let value = with!(task_group::<Error>() as group => {
            for _ in 0..5 {
                let held = held.clone();
                group.spawn(async move { Ok(held) });
            }
            assert_eq!(Arc::strong_count(&held), 6);
            sleep(SECOND).await;
            assert_eq!(Arc::strong_count(&held), 1);
        });
        assert_eq!(value, Ok(()));
    }

    /// G24
    #[tokio::test(start_paused = true)]
    async fn a_task_may_spawn_tasks_of_its_group() {
        async fn root(log: Log, group: TaskGroup<Error>) -> Result<(), Error> {
            let mut fate = fate(&log, "root");
            yields(1).await;
            group.spawn(child(self::fate(&log, "a"), 1, Ok(())));
            group.spawn(child(self::fate(&log, "b"), 2, Ok(())));
            fate.end = "done".to_string();
            Ok(())
        }
        let log = Log::new();
        let value = with!(task_group() as group => {
            group.spawn(root(log.clone(), group.clone()));
        });
        assert_eq!(value, Ok(()));
        assert_eq!(log.take(), ["root done", "a done", "b done"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_may_wait_for_another() {
        let value = with!(task_group::<Error>() as group => {
            let first = group.spawn(async { sleep(SECOND).await; Ok(1) });
            let second = group.spawn(async { Ok(first.await + 1) });
            second.await
        });
        assert_eq!(value, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_can_be_awaited_by_reference() {
        let value = with!(task_group::<Error>() as group => {
            let mut task = group.spawn(async { sleep(3 * SECOND).await; Ok(5) });
            let mut ticks = 0;
            loop {
                tokio::select! {
                    n = &mut task => break (n, ticks),
                    () = sleep(SECOND * 2) => ticks += 1,
                }
            }
        });
        assert_eq!(value, Ok((5, 1)));
    }

    #[tokio::test]
    async fn tasks_that_can_not_fail_need_no_error() {
        let value: Result<u8, TaskGroupError<Infallible>> =
            with!(task_group() as group => { group.spawn(async { Ok(5) }).await });
        assert_eq!(value.unwrap(), 5);
    }
}

mod failure_of_a_task {
    use super::*;

    /// G04
    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_stops_the_others_when_the_block_has_ended() {
        let log = Log::new();
        let value = with!(task_group() as group => {
            group.spawn(child::<()>(fate(&log, "a"), 1, Err(Error::Zero)));
            group.spawn(child(fate(&log, "b"), 2, Ok(())));
        });
        log.add("after");
        assert_eq!(errors(value), [Error::Zero]);
        assert_eq!(log.take(), ["a failed(Zero)", "b cancelled", "after"]);
    }

    /// G05
    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_stops_the_block_and_then_the_others() {
        let log = Log::new();
        let begun = Instant::now();
        let value = with!(task_group() as group => {
            group.spawn(child::<()>(fate(&log, "a"), 1, Err(Error::Zero)));
            group.spawn(child(fate(&log, "b"), 2, Ok(())));
            with!(inner(&log) => { pending::<()>().await });
        });
        log.add("after");
        assert_eq!(errors(value), [Error::Zero]);
        assert_eq!(log.take(), ["a failed(Zero)", "block Cancelled", "b cancelled", "after"]);
        assert_eq!(begun.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_stops_a_block_that_waits_for_it() {
        let value: Group<u8> = with!(task_group() as group => {
            group.spawn(async { sleep(SECOND).await; Err(Error::Zero) }).await
        });
        assert_eq!(errors(value), [Error::Zero]);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_stops_a_block_that_could_go_on() {
        let log = Log::new();
        let (sender, receiver) = oneshot::channel::<()>();
        let value: Group<()> = with!(task_group() as group => {
            group.spawn(async {
                let _sender = sender;
                sleep(SECOND).await;
                Err::<(), _>(Error::Zero)
            });
            let closed = receiver.await.is_err();
            log.add(format!("not reached: {closed}"));
        });
        assert_eq!(errors(value), [Error::Zero]);
        assert!(log.take().is_empty());
    }

    #[tokio::test]
    async fn failure_of_a_task_in_the_same_turn_as_the_end_of_the_block_is_a_failure() {
        let value: Group<u8> = with!(task_group() as group => {
            group.spawn(async { Err::<(), _>(Error::Zero) });
            yields(1).await;
            5
        });
        assert_eq!(errors(value), [Error::Zero]);
    }

    #[tokio::test]
    async fn failure_of_a_task_replaces_a_jump() {
        let value: Group<()> = loop {
            let value = with!(task_group() as group => {
                group.spawn(async { Err::<(), _>(Error::Zero) });
                if true { break Ok(()) }
            });
            break value;
        };
        assert_eq!(errors(value), [Error::Zero]);
    }

    /// Of which the first one stopped the group.
    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_brings_those_that_came_at_the_same_time() {
        let value = with!(task_group() as group => {
            for error in [Error::Key, Error::Value, Error::Zero] {
                group.spawn(async move { sleep(SECOND).await; Err::<(), _>(error) });
            }
            pending::<()>().await;
        });
        let error = value.unwrap_err();
        assert_eq!(*error.first(), Error::Key);
        assert_eq!(error.others(), [Error::Value, Error::Zero]);
        assert_eq!(error.clone().into_first(), Error::Key);
        assert_eq!(error.into_errors(), [Error::Key, Error::Value, Error::Zero]);
    }

    /// G19, G20a, G21a, G29
    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_goes_before_an_error_of_a_cleanup_in_the_block() {
        #[async_context_manager]
        async fn fails(log: &Log) -> Result<(), Error> {
            log.add(format!("block {:?}", r#yield!()));
            Err(Error::Key)
        }
        let log = Log::new();
        let value = with!(task_group() as group => {
            group.spawn(child::<()>(fate(&log, "a"), 1, Err(Error::Zero)));
            with!(fails(&log) => { pending::<()>().await })
        });
        assert_eq!(errors(value), [Error::Zero]);
        assert_eq!(log.take(), ["a failed(Zero)", "block Cancelled"]);
    }

    /// G20
    #[tokio::test(start_paused = true)]
    async fn panic_of_a_cleanup_in_the_block_replaces_the_failure_of_a_task() {
        #[async_context_manager]
        async fn panics() {
            r#yield!();
            panic!("cleanup");
        }
        let group = tokio::spawn(async {
            with!(task_group() as group => {
                group.spawn(async { Err::<(), _>(Error::Zero) });
                with!(panics() => { pending::<()>().await });
            })
        });
        let panic = group.await.expect_err("it panics").into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"cleanup"));
    }

    /// G25
    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_stops_tasks_that_breed() {
        fn hydra(group: &TaskGroup<Error>, held: Arc<()>) -> Task<()> {
            let body = group.clone();
            group.spawn(async move {
                loop {
                    sleep(SECOND).await;
                    for _ in 0..2 {
                        hydra(&body, held.clone());
                    }
                }
            })
        }
        let held = Arc::new(());
        let value = with!(task_group() as group => {
            hydra(group, held.clone());
            group.spawn(async { sleep(5 * SECOND + SECOND / 2).await; Err::<(), _>(Error::Zero) });
        });
        assert_eq!(errors(value), [Error::Zero]);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    /// G28, G32: it is dropped.
    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_leaves_a_group_that_takes_no_more_tasks() {
        struct Spawns(TaskGroup<Error>, Log);

        impl Drop for Spawns {
            fn drop(&mut self) {
                drop(self.0.spawn(child(fate(&self.1, "late"), 0, Ok(()))));
                self.1.add("spawned");
            }
        }

        let log = Log::new();
        let mut kept = None;
        let value = with!(task_group() as group => {
            let spawns = Spawns(group.clone(), log.clone());
            group.spawn(async { let _spawns = spawns; pending::<Result<(), _>>().await });
            group.spawn(async { sleep(SECOND).await; Err::<(), _>(Error::Zero) });
            kept = Some(group.clone());
        });
        assert_eq!(errors(value), [Error::Zero]);
        assert_eq!(log.take(), ["late cancelled", "spawned"]);
        let _never = kept.unwrap().spawn(child(fate(&log, "later"), 0, Ok(())));
        assert_eq!(log.take(), ["later cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_of_a_task_stops_a_group_whose_block_spawns_when_it_is_dropped() {
        struct Spawns<'g>(&'g TaskGroup<Error>, Log);

        impl Drop for Spawns<'_> {
            fn drop(&mut self) {
                drop(self.0.spawn(child(fate(&self.1, "late"), 5, Ok(()))));
            }
        }

        let log = Log::new();
        let value = with!(task_group() as group => {
            let _spawns = Spawns(group, log.clone());
            group.spawn(async { Err::<(), _>(Error::Zero) });
            pending::<()>().await;
        });
        assert_eq!(errors(value), [Error::Zero]);
        assert_eq!(log.take(), ["late cancelled"]);
    }
}

mod failure_of_the_block {
    use super::*;

    /// G09
    #[tokio::test(start_paused = true)]
    async fn failure_of_the_block_aborts_the_tasks_and_goes_on() {
        async fn f(log: &Log) -> Result<(), Box<dyn std::error::Error>> {
            with!(task_group() as group => {
                group.spawn(child(fate(log, "a"), 2, Ok(())));
                group.spawn(child(fate(log, "b"), 2, Ok(())));
                sleep(SECOND).await;
                Err(Error::Zero)?;
            })?;
            Ok(())
        }
        let log = Log::new();
        assert_eq!(f(&log).await.unwrap_err().downcast_ref(), Some(&Error::Zero));
        assert_eq!(log.take(), ["a cancelled", "b cancelled"]);
    }

    /// G10
    #[tokio::test(start_paused = true)]
    async fn failure_of_the_block_before_any_await_lets_no_task_begin() {
        let log = Log::new();
        let value = with!(task_group::<Error>() as group => {
            let begins = log.clone();
            group.spawn(async move { begins.add("not reached"); Ok(()) });
            Err::<(), _>(Error::Key)
        });
        assert_eq!(value, Ok(Err(Error::Key)));
        assert!(log.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn failure_of_the_block_waits_for_what_tasks_drop() {
        let log = Log::new();
        let value = with!(task_group::<Error>() as group => {
            let dropped = log.on_drop("never begun");
            group.spawn(async move { let _dropped = dropped; Ok(()) });
            Err::<(), _>(Error::Key)
        });
        log.add("after");
        assert_eq!(value, Ok(Err(Error::Key)));
        assert_eq!(log.take(), ["never begun", "after"]);
    }

    #[test]
    fn panic_of_the_block_aborts_the_tasks_and_goes_on() {
        let log = Log::new();
        let caught = {
            let log = log.clone();
            current_thread().block_on(async {
                let task = tokio::spawn(async move {
                    let value = with!(task_group() as group => {
                        group.spawn(child(fate(&log, "a"), 2, Ok(())));
                        yields(1).await;
                        panic!("block")
                    });
                    let _: Group<()> = value;
                });
                task.await.map_err(JoinError::into_panic)
            })
        };
        assert_eq!(message(caught.unwrap_err().as_ref()), "block");
        assert_eq!(log.take(), ["a cancelled"]);
    }
}

/// A runtime of one thread, whose time passes when nothing else is to be done.
fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

mod panics {
    use super::*;

    /// What a future on a runtime panics with.
    fn panic_of<F: Future<Output: Send> + Send + 'static>(future: F) -> String {
        let joined = current_thread().block_on(async { tokio::spawn(future).await });
        message(joined.err().expect("it should have panicked").into_panic().as_ref())
    }

    /// Panics when it is dropped.
    struct Bomb(&'static str);

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("{}", self.0);
        }
    }

    #[test]
    fn panic_of_a_task_stops_all_and_goes_on() {
        let log = Log::new();
        let events = log.clone();
        let said = panic_of(async move {
            with!(task_group() as group => {
                group.spawn(child(fate(&log, "a"), 2, Ok(())));
                group.spawn::<(), _>(async { sleep(SECOND).await; panic!("task") });
                with!(inner(&log) => { pending::<()>().await });
            })
        });
        assert_eq!(said, "task");
        assert_eq!(events.take(), ["block Cancelled", "a cancelled"]);
    }

    #[test]
    fn panic_of_a_task_goes_on_when_the_block_has_ended() {
        let said = panic_of(async {
            with!(task_group::<Error>() as group => { group.spawn::<(), _>(async { panic!("task") }); })
        });
        assert_eq!(said, "task");
    }

    #[test]
    fn panic_of_a_task_carries_what_it_carried() {
        let joined = current_thread().block_on(async {
            let future = async {
                with!(task_group::<Error>() as group => {
                    group.spawn::<(), _>(async { std::panic::panic_any(5_u8) });
                })
            };
            tokio::spawn(future).await
        });
        assert_eq!(joined.unwrap_err().into_panic().downcast_ref(), Some(&5_u8));
    }

    #[test]
    fn panic_of_a_task_that_is_aborted_goes_before_an_error() {
        let said = panic_of(async {
            with!(task_group() as group => {
                group.spawn(async { let _bomb = Bomb("dropped"); pending::<Result<(), _>>().await });
                group.spawn(async { sleep(SECOND).await; Err::<(), _>(Error::Zero) });
            })
        });
        assert_eq!(said, "dropped");
    }

    #[test]
    fn panic_of_a_task_that_is_aborted_goes_before_an_error_of_the_block() {
        let said = panic_of(async {
            with!(task_group::<Error>() as group => {
                group.spawn(async { let _bomb = Bomb("dropped"); pending::<Result<(), _>>().await });
                yields(1).await;
                Err::<(), _>(Error::Key)
            })
        });
        assert_eq!(said, "dropped");
    }

    #[test]
    fn panic_of_the_block_goes_before_those_of_tasks() {
        let said = panic_of(async {
            let value: Group<()> = with!(task_group() as group => {
                group.spawn(async { let _bomb = Bomb("dropped"); pending::<Result<(), _>>().await });
                yields(1).await;
                panic!("block")
            });
            value
        });
        assert_eq!(said, "block");
    }

    #[test]
    fn panic_in_the_drop_of_what_a_task_gave_is_one_of_the_task() {
        let said =
            panic_of(async { with!(task_group::<Error>() as group => { group.spawn(async { Ok(Bomb("value")) }); }) });
        assert_eq!(said, "value");
    }

    #[test]
    fn first_of_several_panics_of_tasks_goes_on() {
        let said = panic_of(async {
            with!(task_group::<Error>() as group => {
                for name in ["first", "second"] {
                    group.spawn::<(), _>(async move { sleep(SECOND).await; panic!("{name}") });
                }
            })
        });
        assert_eq!(said, "first");
    }

    /// G34. Python asks for a task.
    #[test]
    fn spawning_outside_a_runtime_is_a_panic_of_the_block() {
        let said = catch_unwind(|| {
            block_on(async { with!(task_group::<Error>() as group => { group.spawn(async { Ok(()) }); }) })
        });
        assert!(message(said.unwrap_err().as_ref()).contains("no reactor running"));
    }
}

mod cancellation {
    use super::*;

    /// G06, G22
    #[tokio::test(start_paused = true)]
    async fn drop_of_a_group_that_waits_for_its_tasks_aborts_them() {
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group() as group => {
                for name in ["a", "b", "c"] {
                    group.spawn(child(fate(&events, name), 2, Ok(())));
                }
            })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "a cancelled", "b cancelled", "c cancelled"]);
    }

    /// G07
    #[tokio::test(start_paused = true)]
    async fn drop_in_the_block_of_a_group_aborts_the_tasks() {
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group() as group => {
                group.spawn(child(fate(&events, "a"), 2, Ok(())));
                with!(inner(&events) => { pending::<()>().await });
            })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "block Cancelled", "a cancelled"]);
    }

    /// G08
    #[tokio::test(start_paused = true)]
    async fn drop_of_a_group_aborts_tasks_that_would_fail_later() {
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group() as group => {
                group.spawn(child::<()>(fate(&events, "a"), 2, Err(Error::Zero)));
                group.spawn(child::<()>(fate(&events, "b"), 2, Err(Error::Zero)));
                pending::<()>().await;
            })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "a cancelled", "b cancelled"]);
    }

    /// G15, G16
    #[tokio::test(start_paused = true)]
    async fn drop_of_a_group_aborts_tasks_that_would_fail_while_a_cleanup_waits() {
        #[async_context_manager]
        async fn waits(log: &Log) {
            log.add(format!("block {:?}", r#yield!()));
            sleep(2 * SECOND).await;
            log.add("not reached");
        }
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group() as group => {
                group.spawn(child::<()>(fate(&events, "a"), 2, Err(Error::Zero)));
                with!(waits(&events) => { pending::<()>().await });
            })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "block Cancelled", "a cancelled"]);
    }

    /// G11, G12
    #[tokio::test(start_paused = true)]
    async fn drop_of_nested_groups_aborts_the_tasks_of_both() {
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group::<Error>() as outer => {
                outer.spawn(child(fate(&events, "outer"), 2, Ok(())));
                with!(task_group() as inner => {
                    inner.spawn(child::<()>(fate(&events, "inner"), 2, Err(Error::Zero)));
                })
            })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "inner cancelled", "outer cancelled"]);
    }

    /// G17
    #[tokio::test(start_paused = true)]
    async fn drop_of_an_empty_group_cancels_its_block() {
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group::<Error>() => { with!(inner(&events) => { pending::<()>().await }) })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "block Cancelled"]);
    }

    /// G18
    #[tokio::test(start_paused = true)]
    async fn drop_of_a_group_goes_before_an_error_of_a_cleanup_in_the_block() {
        #[async_context_manager]
        async fn fails(log: &Log) -> Result<(), Error> {
            log.add(format!("block {:?}", r#yield!()));
            Err(Error::Key)
        }
        let log = Log::new();
        let events = log.clone();
        cancel_after(1, &log, async move {
            with!(task_group::<Error>() => { with!(fails(&events) => { pending::<()>().await }) })
        })
        .await;
        assert_eq!(log.take(), ["cancel", "block Cancelled"]);
    }

    /// As by a limit around it. The limit can't wait for the tasks.
    #[tokio::test(start_paused = true)]
    async fn time_limit_around_a_group_aborts_the_tasks() {
        let log = Log::new();
        let value = with!(move_on_after(SECOND), task_group() as group => {
            group.spawn(child(fate(&log, "a"), 2, Ok(())));
        });
        assert_eq!(value, Ok(None));
        yield_now().await;
        assert_eq!(log.take(), ["a cancelled"]);
    }

    /// As the limit is in the group, it can.
    #[tokio::test(start_paused = true)]
    async fn time_limit_in_a_group_fails_its_block() {
        let log = Log::new();
        let value = with!(task_group::<Error>() as group => {
            group.spawn(child(fate(&log, "a"), 2, Ok(())));
            with!(timeout(SECOND) => { pending::<()>().await })
        });
        assert!(value.unwrap().is_err());
        assert_eq!(log.take(), ["a cancelled"]);
    }

    #[test]
    fn drop_of_the_whole_runtime_leaves_nothing_of_a_group() {
        let held = Arc::new(());
        let log = Log::new();
        let runtime = current_thread();
        let (spawned, events) = (held.clone(), log.clone());
        runtime.spawn(async move {
            with!(task_group::<Error>() as group => {
                for _ in 0..3 {
                    let (held, group_too) = (spawned.clone(), group.clone());
                    group.spawn(async move {
                        pending::<()>().await;
                        drop((held, group_too));
                        Ok(())
                    });
                }
                with!(inner(&events) => { pending::<()>().await });
            })
        });
        runtime.block_on(async { sleep(SECOND).await });
        drop(runtime);
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(log.take(), ["block Cancelled"]);
    }

    /// It could not say that all tasks have ended, nor what they gave.
    #[test]
    fn drop_of_the_runtime_of_the_tasks_alone_is_a_panic() {
        let said = tests::panic_message(async {
            let runtime = current_thread();
            with!(task_group::<Error>() as group => {
                let entered = runtime.enter();
                group.spawn(pending::<Result<(), _>>());
                drop(entered);
                drop(runtime);
            })
        });
        assert_eq!(said, "the runtime dropped a task of `task_group` before it ended");
    }
}

mod nesting {
    use super::*;

    /// G13
    #[tokio::test(start_paused = true)]
    async fn a_task_of_the_outer_group_stops_the_inner_one() {
        let log = Log::new();
        let value = with!(task_group() as outer => {
            outer.spawn(child::<()>(fate(&log, "outer"), 1, Err(Error::Value)));
            with!(task_group::<Error>() as inner => { inner.spawn(child(fate(&log, "inner"), 2, Ok(()))); })
        });
        assert_eq!(errors(value), [Error::Value]);
        yield_now().await;
        assert_eq!(log.take(), ["outer failed(Value)", "inner cancelled"]);
    }

    /// G14
    #[tokio::test(start_paused = true)]
    async fn a_task_of_the_inner_group_stops_the_outer_one() {
        async fn f(log: &Log) -> Result<(), TaskGroupError<Error>> {
            with!(task_group() as outer => {
                outer.spawn(child(fate(log, "outer"), 2, Ok(())));
                with!(task_group() as inner => {
                    inner.spawn(child::<()>(fate(log, "inner"), 1, Err(Error::Value)));
                })?;
            })
        }
        let log = Log::new();
        assert_eq!(errors(f(&log).await), [Error::Value]);
        assert_eq!(log.take(), ["inner failed(Value)", "outer cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_in_a_task_ends_before_the_task() {
        async fn tree(log: Log) -> Result<(), Error> {
            let mut fate = fate(&log, "branch");
            with!(task_group() as group => {
                group.spawn(child(self::fate(&log, "leaf"), 1, Ok(())));
            })
            .map_err(TaskGroupError::into_first)?;
            fate.end = "done".to_string();
            Ok(())
        }
        let log = Log::new();
        let value = with!(task_group() as group => { group.spawn(tree(log.clone())); });
        assert_eq!(value, Ok(()));
        assert_eq!(log.take(), ["leaf done", "branch done"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_of_one_group_may_spawn_in_another() {
        let log = Log::new();
        let value = with!(task_group() as outer => {
            let (group, events) = (outer.clone(), log.clone());
            let inner = with!(task_group::<Error>() as inner => {
                inner.spawn(async move {
                    group.spawn(child(fate(&events, "outer's"), 1, Ok(())));
                    Ok(())
                });
            });
            log.add("inner left");
            inner
        });
        assert_eq!(value, Ok(Ok(())));
        assert_eq!(log.take(), ["inner left", "outer's done"]);
    }
}

mod the_error {
    use super::*;

    async fn failing(tasks: u32) -> TaskGroupError<Error> {
        let value = with!(task_group() as group => {
            for _ in 0..tasks {
                group.spawn(async { Err::<(), _>(Error::Zero) });
            }
        });
        value.unwrap_err()
    }

    #[tokio::test]
    async fn error_of_a_group_has_the_first_one_as_its_source() {
        let error = failing(1).await;
        assert_eq!(error.to_string(), "a task of the group failed");
        assert_eq!(error.source().and_then(|source| source.downcast_ref()), Some(&Error::Zero));
    }

    #[tokio::test]
    async fn error_of_a_group_tells_how_many_there_are() {
        assert_eq!(failing(3).await.to_string(), "3 tasks of the group failed");
    }

    #[tokio::test]
    async fn error_of_a_group_goes_on_by_a_question_mark() {
        #[derive(Debug)]
        struct AppError(Vec<Error>);

        impl From<TaskGroupError<Error>> for AppError {
            fn from(error: TaskGroupError<Error>) -> Self {
                Self(error.into_errors())
            }
        }

        async fn own() -> Result<(), AppError> {
            Err(failing(2).await)?
        }
        async fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            Err(failing(1).await)?
        }
        assert_eq!(own().await.unwrap_err().0, [Error::Zero; 2]);
        assert_eq!(boxed().await.unwrap_err().to_string(), "a task of the group failed");
    }
}

/// What nobody is left to be told of.
mod reports {
    use super::*;

    /// What a process of its own says of this crate on standard error, when it runs this, and tasks on another thread.
    fn said(test: &str, run: impl Future) -> Vec<String> {
        let child = in_child(test, || {
            let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
            drop(catch_unwind(AssertUnwindSafe(|| runtime.block_on(run))));
        });
        assert!(child.status.success());
        let said = String::from_utf8_lossy(&child.stderr);
        said.lines().filter(|line| line.starts_with("async-context-manager")).map(String::from).collect()
    }

    /// Spawns a task that ends so, and waits on its thread until nothing can keep the task from that.
    fn spawn_ending(group: &TaskGroup<Error>, end: fn() -> Result<(), Error>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        group.spawn(async move {
            sender.send(()).unwrap();
            end()
        });
        receiver.recv().unwrap();
    }

    fn spawn_failing(group: &TaskGroup<Error>) {
        spawn_ending(group, || Err(Error::Zero));
    }

    #[test]
    fn errors_of_tasks_are_reported_when_the_block_has_failed() {
        let said = said("reports::errors_of_tasks_are_reported_when_the_block_has_failed", async {
            let value = with!(task_group() as group => {
                spawn_failing(group);
                Err::<(), _>(Error::Value)
            });
            assert_eq!(value, Ok(Err(Error::Value)));
            eprintln!("async-context-manager: the block's error went on");
        });
        let expected = [
            "async-context-manager: `task_group` lost the error of a task, because its block failed: task_group::Error",
            "async-context-manager: the block's error went on",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn errors_of_tasks_are_reported_when_the_block_has_panicked() {
        let said = said("reports::errors_of_tasks_are_reported_when_the_block_has_panicked", async {
            let value: Group<()> = with!(task_group() as group => {
                spawn_failing(group);
                panic!("block")
            });
            value
        });
        let what = "async-context-manager: `task_group` failed during a panic; its error is lost";
        assert_eq!(said, [format!("{what}: a task of the group failed: task_group::Error")]);
    }

    #[test]
    fn errors_of_tasks_are_reported_when_another_task_has_panicked() {
        let said = said("reports::errors_of_tasks_are_reported_when_another_task_has_panicked", async {
            with!(task_group() as group => {
                spawn_failing(group);
                spawn_ending(group, || panic!("task"));
            })
        });
        let what = "async-context-manager: `task_group` lost the error of a task, because another task panicked";
        assert_eq!(said, [format!("{what}: task_group::Error")]);
    }

    #[test]
    fn nothing_is_reported_of_a_group_when_nothing_is_lost() {
        let said = said("reports::nothing_is_reported_of_a_group_when_nothing_is_lost", async {
            let value = with!(task_group() as group => { spawn_failing(group) });
            assert_eq!(errors(value), [Error::Zero]);
            with!(task_group::<Error>() as group => {
                group.spawn(pending::<Result<(), _>>());
                Err::<(), _>(Error::Value)
            })
        });
        assert!(said.is_empty(), "{said:?}");
    }
}

mod on_many_threads {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_that_tasks_had_is_gone_afterwards() {
        for round in 0..200 {
            let held = Arc::new(());
            let value = with!(task_group() as group => {
                for task in 0..20 {
                    let held = held.clone();
                    let fails = task == round % 20;
                    group.spawn(async move {
                        yields(task).await;
                        if fails { Err(Error::Zero) } else { Ok(held) }
                    });
                }
                yields(round % 7).await;
            });
            assert_eq!(*value.unwrap_err().first(), Error::Zero);
            assert_eq!(Arc::strong_count(&held), 1, "in round {round}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn tasks_that_are_aborted_in_a_poll_are_waited_for() {
        for _ in 0..50 {
            let held = Arc::new(());
            let both = Arc::new(Barrier::new(2));
            let value = with!(task_group() as group => {
                let (busy, met) = (held.clone(), both.clone());
                group.spawn(async move {
                    met.wait().await;
                    thread::yield_now();
                    drop(busy);
                    pending::<Result<(), _>>().await
                });
                group.spawn(async move {
                    both.wait().await;
                    Err::<(), _>(Error::Zero)
                });
                pending::<()>().await;
            });
            assert_eq!(errors(value), [Error::Zero]);
            assert_eq!(Arc::strong_count(&held), 1);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_can_be_spawned_and_tasks_can_breed() {
        fn count(depth: u32, group: &TaskGroup<Error>) -> Task<u32> {
            let body = group.clone();
            group.spawn(async move {
                if depth == 0 {
                    return Ok(1);
                }
                let (left, right) = (count(depth - 1, &body), count(depth - 1, &body));
                Ok(left.await + right.await)
            })
        }
        let leaves = tokio::spawn(async { with!(task_group() as group => { count(8, group).await }) }).await.unwrap();
        assert_eq!(leaves, Ok(256));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn tasks_that_are_spawned_while_it_is_stopped_are_aborted() {
        for _ in 0..100 {
            let held = Arc::new(());
            let (runtime, busy) = (Handle::current(), held.clone());
            let mut spawner = None;
            let value = with!(task_group() as group => {
                let outside = group.clone();
                spawner = Some(thread::spawn(move || {
                    let _entered = runtime.enter();
                    for _ in 0..200 {
                        let busy = busy.clone();
                        outside.spawn(async move {
                            pending::<()>().await;
                            drop(busy);
                            Ok(())
                        });
                    }
                }));
                group.spawn(async { Err::<(), _>(Error::Zero) });
            });
            assert_eq!(errors(value), [Error::Zero]);
            spawner.unwrap().join().unwrap();
            assert_eq!(Arc::strong_count(&held), 1);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cancelled_group_is_gone_in_the_end() {
        for round in 0..100 {
            let (sender, mut ended) = tokio::sync::mpsc::channel::<()>(1);
            let task = tokio::spawn(async move {
                with!(task_group::<Error>() as group => {
                    for _ in 0..10 {
                        let sender = sender.clone();
                        group.spawn(async move {
                            let _sender = sender;
                            pending::<Result<(), _>>().await
                        });
                        yield_now().await;
                    }
                    drop(sender);
                })
            });
            yields(round % 10).await;
            task.abort();
            assert_eq!(ended.recv().await, None);
        }
    }
}
