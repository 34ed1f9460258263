//! Shielded managers: whatever becomes of their `with!`, they are entered and left to the end.

#![forbid(unsafe_code)]

use std::future::pending;
use std::mem::forget;
use std::panic::catch_unwind;
use std::time::Duration;

use async_context_manager::{async_context_manager, rescue, with};
use futures::executor::block_on as block_on_with_threads;
use tests::{Log, block_on, drop_after, in_child, message, panic_message, yields};

/// Pends twice before the block and twice after it.
#[async_context_manager(shielded)]
async fn shielded(log: Log, name: &'static str) -> &String {
    log.add(format!("{name} enters"));
    yields(2).await;
    log.add(format!("{name} entered"));
    let local = name.to_string();
    let outcome = r#yield!(&local);
    log.add(format!("{local} sees {outcome:?}"));
    yields(2).await;
    log.add(format!("{local} left"));
}

/// The same, but for the option.
#[async_context_manager]
async fn plain(log: Log, name: &'static str) {
    log.add(format!("{name} entered"));
    let outcome = r#yield!();
    log.add(format!("{name} sees {outcome:?}"));
    yields(1).await;
    log.add(format!("{name} left"));
}

/// Waits for all that is rescued.
fn drain() {
    block_on_with_threads(rescue::drain());
}

/// A block that does not end.
async fn within(log: &Log) {
    let block = log.on_drop("block dropped");
    pending::<()>().await;
    drop(block);
}

#[test]
fn shielded_manager_without_a_cancellation_is_like_any_other() {
    let log = Log::new();
    let value = block_on(async { with!(shielded(log.clone(), "a") as name => name.len()) });
    assert_eq!(value, 1);
    assert_eq!(log.take(), ["a enters", "a entered", "a sees Completed", "a left"]);
    let panicked = panic_message(async { with!(shielded(log.clone(), "a") => panic!("of the block")) });
    assert_eq!(panicked, "of the block");
    assert_eq!(log.take(), ["a enters", "a entered", "a sees Panicked", "a left"]);
    let failed = block_on(async {
        with!(shielded(log.clone(), "a") => Err::<(), _>("failed")?);
        Ok::<_, &str>(())
    });
    assert_eq!(failed, Err("failed"));
    assert_eq!(log.take(), ["a enters", "a entered", "a sees Failed(())", "a left"]);
}

mod dropped {
    use super::*;

    #[test]
    fn shielded_manager_that_is_dropped_before_the_first_poll_runs_nothing() {
        let log = Log::new();
        drop_after(0, async { with!(shielded(log.clone(), "a") => within(&log).await) });
        drain();
        assert!(log.take().is_empty());
    }

    #[test]
    fn shielded_manager_that_is_dropped_while_entering_is_entered_and_cancelled() {
        for polls in [1, 2] {
            let log = Log::new();
            drop_after(polls, async { with!(shielded(log.clone(), "a") => within(&log).await) });
            drain();
            assert_eq!(log.take(), ["a enters", "a entered", "a sees Cancelled", "a left"], "after {polls}");
        }
    }

    #[test]
    fn shielded_managers_block_is_dropped_in_place_and_its_exit_phase_is_rescued() {
        let log = Log::new();
        drop_after(3, async { with!(shielded(log.clone(), "a") => within(&log).await) });
        log.add("dropped");
        drain();
        let mut events = log.take();
        let dropped = events.iter().position(|event| event == "dropped").expect("it is there");
        events.remove(dropped);
        assert!(dropped > 2);
        assert_eq!(events, ["a enters", "a entered", "block dropped", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn shielded_manager_that_is_dropped_while_leaving_goes_on() {
        for polls in [3, 4] {
            let log = Log::new();
            drop_after(polls, async { with!(shielded(log.clone(), "a") => {}) });
            drain();
            assert_eq!(log.take(), ["a enters", "a entered", "a sees Completed", "a left"], "after {polls}");
        }
    }

    #[test]
    fn shielded_manager_that_never_pends_is_rescued() {
        #[async_context_manager(shielded)]
        async fn at_once(log: Log) {
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
        }
        let log = Log::new();
        drop_after(1, async { with!(at_once(log.clone()) => within(&log).await) });
        drain();
        assert_eq!(log.take(), ["block dropped", "Cancelled"]);
    }

    #[test]
    fn block_of_a_shielded_manager_that_panics_in_its_drop_is_reported() {
        struct Bomb;

        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("of the block's local");
            }
        }
        let log = Log::new();
        drop_after(3, async {
            with!(shielded(log.clone(), "a") => {
                let _bomb = Bomb;
                pending::<()>().await;
            });
        });
        drain();
        assert_eq!(log.take(), ["a enters", "a entered", "a sees Panicked", "a left"]);
    }
}

/// What a shielded manager lends: also types that borrow from its locals, if they are covariant.
mod lends {
    use std::fmt::Write;

    use tokio::sync::{Mutex, MutexGuard};

    use super::*;

    struct Client(Vec<String>);

    /// Like the transaction of a database client, which borrows its connection.
    struct Transaction<'c> {
        client: &'c mut Client,
        log: &'c Log,
    }

    impl Transaction<'_> {
        fn execute(&self, sql: &str) {
            self.log.add(format!("{sql} on {}", self.client.0[0]));
        }

        async fn end(self, sql: &str) {
            yields(1).await;
            self.execute(sql);
        }
    }

    #[async_context_manager(shielded)]
    async fn transaction(log: Log) -> Result<&Transaction<'_>, String> {
        let mut client = Client(vec!["db".to_string()]);
        let transaction = Transaction { client: &mut client, log: &log };
        let outcome = r#yield!(&transaction);
        transaction.end(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }).await;
        Ok(())
    }

    #[test]
    fn reference_to_a_type_that_borrows() {
        let log = Log::new();
        let value: Result<u32, String> = block_on(async {
            let sql = String::from("INSERT");
            with!(transaction(log.clone()) as tx => {
                tx.execute(&sql);
                5
            })
        });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["INSERT on db", "COMMIT on db"]);
    }

    #[test]
    fn reference_to_a_type_that_borrows_is_rolled_back_by_a_rescue() {
        let log = Log::new();
        drop_after(1, async {
            let _: Result<(), String> = with!(transaction(log.clone()) as tx => {
                tx.execute("INSERT");
                within(&log).await;
            });
        });
        drain();
        assert_eq!(log.take(), ["INSERT on db", "block dropped", "ROLLBACK on db"]);
    }

    #[async_context_manager(shielded)]
    async fn two(log: Log) -> (&mut Vec<u32>, &String) {
        let (mut numbers, name) = (vec![1], "two".to_string());
        r#yield!((&mut numbers, &name));
        yields(1).await;
        log.add(format!("{name} {numbers:?}"));
    }

    #[test]
    fn several_references() {
        let log = Log::new();
        let length = block_on(async { with!(two(log.clone()) as (numbers, name) => { numbers.push(2); name.len() }) });
        assert_eq!(length, 3);
        drop_after(1, async {
            with!(two(log.clone()) as (numbers, _name) => {
                numbers.push(3);
                pending::<()>().await;
            });
        });
        drain();
        assert_eq!(log.take(), ["two [1, 2]", "two [1, 3]"]);
    }

    /// Under Miri, this shows that nothing else refers to the locals of the manager meanwhile, by a reference to all of its
    /// state.
    #[test]
    fn mutable_reference_is_used_across_polls_and_rescued() {
        let log = Log::new();
        drop_after(3, async {
            with!(two(log.clone()) as (numbers, _name) => {
                numbers.push(2);
                yields(1).await;
                numbers.push(3);
                yields(1).await;
                numbers.push(4);
                pending::<()>().await;
            });
        });
        drain();
        assert_eq!(log.take(), ["two [1, 2, 3, 4]"]);
    }

    /// Is shielded where it is used.
    #[async_context_manager]
    async fn three(log: Log) -> (&mut u32, &mut u32, &u32) {
        let (mut a, mut b, c) = (1, 2, 3);
        r#yield!((&mut a, &mut b, &c));
        yields(1).await;
        log.add(format!("{a} {b} {c}"));
    }

    #[test]
    fn several_references_of_a_manager_that_is_shielded_by_the_method() {
        let log = Log::new();
        drop_after(1, async {
            with!(three(log.clone()).shielded() as (a, b, c) => {
                std::mem::swap(a, b);
                *a += c;
                pending::<()>().await;
            });
        });
        drain();
        assert_eq!(log.take(), ["5 1 3"]);
    }

    #[async_context_manager(shielded)]
    async fn guard(log: Log) -> MutexGuard<'_, u32> {
        let number = Mutex::new(1);
        let outcome = r#yield!(number.lock().await);
        yields(1).await;
        log.add(format!("{outcome:?} {}", number.lock().await));
    }

    #[test]
    fn guard_of_a_lock() {
        let log = Log::new();
        block_on(async { with!(guard(log.clone()) as mut number => *number += 1) });
        drop_after(1, async {
            with!(guard(log.clone()) as mut number => {
                *number += 2;
                pending::<()>().await;
            });
        });
        drain();
        assert_eq!(log.take(), ["Completed 2", "Cancelled 3"]);
    }

    #[async_context_manager(shielded)]
    async fn writer(log: Log) -> &mut (dyn Write + Send) {
        let mut text = String::new();
        r#yield!(&mut text);
        yields(1).await;
        log.add(text);
    }

    #[async_context_manager(shielded)]
    async fn optional<T: Default + Send + Sync + 'static>() -> Option<&T> {
        let value = T::default();
        r#yield!(Some(&value));
    }

    #[test]
    fn trait_object_and_generic_type() {
        let log = Log::new();
        drop_after(1, async {
            with!(writer(log.clone()) as writer, optional::<String>() as text => {
                write!(writer, "hello{}", text.unwrap()).unwrap();
                pending::<()>().await;
            });
        });
        drain();
        assert_eq!(log.take(), ["hello"]);
    }
}

mod nested {
    use super::*;
    use tokio::sync::oneshot;

    /// Is left when the other one is.
    #[async_context_manager(shielded)]
    async fn waits(log: Log, other: oneshot::Receiver<()>) {
        r#yield!();
        other.await.expect("the other one is left");
        log.add("waited");
    }

    #[async_context_manager(shielded)]
    async fn sends(other: oneshot::Sender<()>) {
        r#yield!();
        other.send(()).expect("one is waiting");
    }

    #[test]
    fn the_inner_one_is_finished_before_the_outer_ones_exit_phase() {
        let log = Log::new();
        drop_after(7, async {
            with!(shielded(log.clone(), "a") => {
                with!(shielded(log.clone(), "b") => {
                    with!(shielded(log.clone(), "c") => within(&log).await);
                });
            });
        });
        drain();
        assert_eq!(
            log.take()[6..],
            ["block dropped", "c sees Cancelled", "c left", "b sees Cancelled", "b left", "a sees Cancelled", "a left"]
        );
    }

    #[test]
    fn outer_manager_does_not_wait_for_an_inner_one_that_was_entering() {
        let log = Log::new();
        drop_after(3, async {
            with!(shielded(log.clone(), "a") => {
                with!(shielded(log.clone(), "b") => within(&log).await);
            });
        });
        drain();
        let events = log.take();
        let of = |name| events.iter().filter(move |event| event.starts_with(name)).collect::<Vec<_>>();
        assert_eq!(of("a"), ["a enters", "a entered", "a sees Cancelled", "a left"]);
        assert_eq!(of("b"), ["b enters", "b entered", "b sees Cancelled", "b left"]);
    }

    #[test]
    fn outer_manager_waits_for_an_inner_one_that_was_leaving() {
        let log = Log::new();
        drop_after(5, async {
            with!(shielded(log.clone(), "a") => {
                with!(shielded(log.clone(), "b") => {});
            });
        });
        drain();
        assert_eq!(
            log.take(),
            [
                "a enters",
                "a entered",
                "b enters",
                "b entered",
                "b sees Completed",
                "b left",
                "a sees Cancelled",
                "a left"
            ]
        );
    }

    #[test]
    fn plain_manager_between_shielded_ones_begins_to_leave_in_place() {
        let log = Log::new();
        drop_after(5, async {
            with!(shielded(log.clone(), "a") => with!(plain(log.clone(), "b") => {
                with!(shielded(log.clone(), "c") => within(&log).await);
            }));
        });
        log.add("dropped");
        drain();
        let mut events = log.take();
        let begun = events.iter().position(|event| event == "b sees Cancelled").expect("it begins to leave");
        assert!(begun < events.iter().position(|event| event == "dropped").expect("it is"), "{events:?}");
        // What is left of `c` is on another thread by then.
        events.retain(|event| event != "dropped" && event != "b sees Cancelled");
        assert_eq!(events[5..], ["block dropped", "c sees Cancelled", "c left", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn shielded_managers_side_by_side_may_wait_for_each_other() {
        let log = Log::new();
        let (send, receive) = oneshot::channel();
        drop_after(3, async {
            with!(shielded(log.clone(), "a") => {
                futures::join!(
                    async { with!(waits(log.clone(), receive) => pending::<()>().await) },
                    async { with!(sends(send) => pending::<()>().await) },
                );
            });
        });
        drain();
        assert_eq!(log.take()[2..], ["waited", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn shielded_managers_in_a_plain_one_may_wait_for_each_other() {
        #[async_context_manager]
        async fn holds_both(log: Log) {
            let (send, receive) = oneshot::channel();
            let waits = async { with!(waits(log.clone(), receive) => pending::<()>().await) };
            let sends = async { with!(sends(send) => pending::<()>().await) };
            futures::join!(waits, sends, async { r#yield!() });
        }
        let log = Log::new();
        drop_after(4, async {
            with!(holds_both(log.clone()) => with!(shielded(log.clone(), "a") => within(&log).await));
        });
        drain();
        assert_eq!(log.take()[2..], ["block dropped", "a sees Cancelled", "a left", "waited"]);
    }

    #[test]
    fn what_the_block_itself_drops_is_finished_before_the_exit_phase() {
        let log = Log::new();
        block_on_with_threads(async {
            with!(shielded(log.clone(), "a") => {
                let inner = async { with!(shielded(log.clone(), "b") => within(&log).await) };
                drop_after(3, inner);
            });
        });
        assert_eq!(log.take()[4..], ["block dropped", "b sees Cancelled", "b left", "a sees Completed", "a left"]);
    }

    #[test]
    fn what_a_panic_of_the_block_drops_is_finished_first() {
        let log = Log::new();
        let panicked = catch_unwind(|| {
            block_on_with_threads(async {
                with!(shielded(log.clone(), "a") => {
                    let inner = async { with!(shielded(log.clone(), "b") => within(&log).await) };
                    futures::join!(inner, async {
                        yields(5).await;
                        panic!("of the block");
                    });
                });
            });
        });
        assert_eq!(message(&*panicked.expect_err("it panics")), "of the block");
        assert_eq!(log.take()[4..], ["block dropped", "b sees Cancelled", "b left", "a sees Panicked", "a left"]);
    }
}

mod composed {
    use super::*;

    struct Conn(Log);

    #[async_context_manager]
    async fn connection(log: &Log) -> &mut Conn {
        let mut conn = Conn(log.clone());
        log.add("connection");
        yields(1).await;
        let outcome = r#yield!(&mut conn);
        log.add(format!("connection sees {outcome:?}"));
        yields(1).await;
        log.add("connection left");
    }

    #[async_context_manager]
    async fn begin(conn: &mut Conn) -> &mut Conn {
        conn.0.add("begin");
        let outcome = r#yield!(&mut *conn);
        yields(1).await;
        conn.0.add(format!("begin sees {outcome:?}"));
    }

    #[async_context_manager(shielded)]
    async fn transaction(log: Log) -> &mut Conn {
        with!(connection(&log) as conn, begin(conn) as tx => r#yield!(tx))
    }

    #[async_context_manager(shielded)]
    async fn around_what_leaves_something(log: Log) {
        with!(shielded(log.clone(), "inner") => {
            let dropped = async { with!(shielded(log.clone(), "dropped") => pending::<()>().await) };
            tokio::select! {
                biased;
                () = dropped => {}
                () = yields(3) => {}
            }
            r#yield!();
        });
    }

    #[test]
    fn what_is_left_in_an_inner_one_goes_on_while_the_block_runs() {
        let log = Log::new();
        block_on_with_threads(async {
            with!(around_what_leaves_something(log.clone()) => rescue::drain().await);
        });
        assert!(log.take().contains(&"dropped left".to_string()));
    }

    #[test]
    fn composed_manager_is_shielded_as_a_whole() {
        let log = Log::new();
        drop_after(2, async {
            with!(transaction(log.clone()) as tx => {
                tx.0.add("block");
                within(&log).await;
            });
        });
        drain();
        assert_eq!(
            log.take(),
            [
                "connection",
                "begin",
                "block",
                "block dropped",
                "begin sees Cancelled",
                "connection sees Cancelled",
                "connection left"
            ]
        );
    }

    #[test]
    fn composed_manager_is_shielded_as_a_whole_while_entering() {
        let log = Log::new();
        drop_after(1, async { with!(transaction(log.clone()) => within(&log).await) });
        drain();
        assert_eq!(
            log.take(),
            ["connection", "begin", "begin sees Cancelled", "connection sees Cancelled", "connection left"]
        );
    }

    #[test]
    fn a_plain_one_made_of_shielded_ones_leaves_them_in_order() {
        #[async_context_manager]
        async fn made(log: Log) {
            with!(shielded(log, "outer") => r#yield!());
        }
        let log = Log::new();
        drop_after(5, async {
            with!(made(log.clone()) => with!(shielded(log.clone(), "inner") => within(&log).await));
        });
        drain();
        assert_eq!(
            log.take()[4..],
            ["block dropped", "inner sees Cancelled", "inner left", "outer sees Cancelled", "outer left"]
        );
    }
}

mod racing {
    use super::*;
    use futures::channel::oneshot;
    use futures::stream::{FuturesUnordered, StreamExt};
    use std::pin::pin;

    /// Drops its block after so many polls.
    #[async_context_manager]
    async fn limit(polls: usize) -> Result<(), &'static str> {
        tokio::select! {
            biased;
            () = yields(polls) => Err("over"),
            _ = async { r#yield!() } => Ok(()),
        }
    }

    #[async_context_manager(shielded)]
    async fn shielded_limit(log: Log, polls: usize) -> Result<(), &'static str> {
        let result = tokio::select! {
            biased;
            () = yields(polls) => Err("over"),
            _ = async { r#yield!() } => Ok(()),
        };
        log.add("limit goes on");
        result
    }

    #[test]
    fn shielded_managers_in_a_raced_block_are_finished_before_the_with_returns() {
        let log = Log::new();
        let result =
            block_on_with_threads(async { with!(limit(4) => with!(shielded(log.clone(), "a") => within(&log).await)) });
        log.add("returned");
        assert_eq!(result, Err("over"));
        assert_eq!(log.take()[2..], ["block dropped", "a sees Cancelled", "a left", "returned"]);
    }

    #[test]
    fn shielded_managers_in_the_block_of_a_shielded_race_are_finished_first() {
        let log = Log::new();
        let result = block_on_with_threads(async {
            with!(shielded_limit(log.clone(), 4) => with!(shielded(log.clone(), "a") => within(&log).await))
        });
        log.add("returned");
        assert_eq!(result, Err("over"));
        let mut events = log.take();
        // The manager goes on, and what it waits for in the end is left at the same time.
        events.retain(|event| event != "limit goes on");
        assert_eq!(events[2..], ["block dropped", "a sees Cancelled", "a left", "returned"]);
    }

    #[test]
    fn shielded_managers_in_the_block_of_a_composed_race_are_finished_first() {
        #[async_context_manager]
        async fn made(log: Log) -> Result<(), &'static str> {
            let result = with!(limit(4) => r#yield!());
            log.add("made goes on");
            result.map(drop)
        }
        let log = Log::new();
        let result = block_on_with_threads(async {
            with!(made(log.clone()) => with!(shielded(log.clone(), "a") => within(&log).await))
        });
        log.add("returned");
        assert_eq!(result, Err("over"));
        assert_eq!(log.take()[2..], ["block dropped", "a sees Cancelled", "a left", "made goes on", "returned"]);
    }

    #[test]
    fn race_that_is_dropped_while_it_waits_leaves_the_rest_to_the_rescuer() {
        #[async_context_manager(shielded)]
        async fn held(log: Log, leave: oneshot::Receiver<()>) {
            r#yield!();
            leave.await.expect("the test says so");
            log.add("left");
        }
        let log = Log::new();
        let (leave, is_left) = oneshot::channel();
        drop_after(5, async {
            with!(limit(4) => with!(held(log.clone(), is_left) => within(&log).await)).expect("it is dropped");
        });
        assert_eq!(log.take(), ["block dropped"]);
        leave.send(()).expect("it waits");
        drain();
        assert_eq!(log.take(), ["left"]);
    }

    #[test]
    fn time_limits_of_the_crate_wait_for_shielded_managers_in_their_block() {
        #[async_context_manager(shielded)]
        async fn slow(log: Log) {
            r#yield!();
            tokio::time::sleep(Duration::from_millis(1)).await;
            log.add("slow left");
        }
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("it starts").block_on(async {
            let result = with!(async_context_manager::move_on_after(Duration::from_millis(1)) => {
                with!(slow(log.clone()) => within(&log).await);
            });
            assert!(result.is_none());
            assert_eq!(log.take(), ["block dropped", "slow left"]);
        });
    }

    /// Renews a lease while the block runs, and is dropped while it does so.
    #[async_context_manager(shielded)]
    async fn renewed(log: Log) -> u8 {
        let mut block = pin!(async { r#yield!(5) });
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut block => break outcome,
                () = yields(1) => {
                    log.add("renewing");
                    yields(2).await;
                    log.add("renewed");
                }
            }
        };
        log.add(format!("{outcome:?}"));
    }

    #[test]
    fn a_marker_that_was_put_aside_is_told_when_its_manager_comes_back_to_it() {
        let log = Log::new();
        drop_after(2, async { with!(renewed(log.clone()) as _five => within(&log).await) });
        drain();
        assert_eq!(log.take(), ["renewing", "block dropped", "renewed", "Cancelled"]);
    }

    /// The same, with a value that it has borrowed.
    #[async_context_manager(shielded)]
    async fn borrowing(log: Log) -> &String {
        let _local = log.on_drop("local dropped");
        let local = String::new();
        let mut block = pin!(async { r#yield!(&local) });
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut block => break outcome,
                () = yields(1) => yields(2).await,
            }
        };
        log.add(format!("{outcome:?}"));
    }

    #[test]
    fn one_that_lends_what_it_has_borrowed_can_not_go_on_without_the_block() {
        let test = "racing::one_that_lends_what_it_has_borrowed_can_not_go_on_without_the_block";
        let child = in_child(test, || {
            let log = Log::new();
            drop_after(2, async { with!(borrowing(log.clone()) as _local => within(&log).await) });
            drain();
            assert_eq!(log.take(), ["block dropped", "local dropped"]);
        });
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{said}");
        let expected = "`borrowing` did not await its `yield!` when it was cancelled; the rest of its body is lost";
        assert!(said.contains(expected), "{said}");
    }

    /// Polls its marker only when that was woken.
    #[async_context_manager(shielded)]
    async fn unordered(log: Log) -> u8 {
        let mut futures = FuturesUnordered::new();
        futures.push(async { r#yield!(5) });
        let outcome = futures.next().await;
        yields(1).await;
        log.add(format!("{outcome:?}"));
    }

    /// The same, with a value that it has borrowed.
    #[async_context_manager(shielded)]
    async fn unordered_borrowing(log: Log) -> &String {
        let local = String::new();
        let mut futures = FuturesUnordered::new();
        futures.push(async { r#yield!(&local) });
        let outcome = futures.next().await;
        log.add("goes on");
        yields(1).await;
        log.add(format!("{outcome:?}"));
    }

    #[test]
    fn a_marker_that_is_polled_only_when_it_was_woken_is_woken() {
        let log = Log::new();
        drop_after(1, async { with!(unordered(log.clone()) as _five => within(&log).await) });
        drain();
        assert_eq!(log.take(), ["block dropped", "Some(Cancelled)"]);
        drop_after(4, async {
            with!(unordered_borrowing(log.clone()) as _local => {
                with!(shielded(log.clone(), "a") => within(&log).await);
            });
        });
        drain();
        assert_eq!(log.take()[2..], ["block dropped", "a sees Cancelled", "a left", "goes on", "Some(Cancelled)"]);
        block_on_with_threads(async {
            with!(unordered(log.clone()) => {
                drop_after(3, async { with!(shielded(log.clone(), "a") => within(&log).await) });
            });
        });
        assert_eq!(log.take()[2..], ["block dropped", "a sees Cancelled", "a left", "Some(Completed)"]);
    }

    /// Leaks its marker, and with it what it has lent.
    #[async_context_manager(shielded)]
    async fn leaking() -> &String {
        let local = String::from("local");
        let mut block = Box::pin(async { r#yield!(&local) });
        let polled = futures::poll!(&mut block);
        assert!(polled.is_pending());
        forget(block);
        drop(local);
        pending::<()>().await;
    }

    #[test]
    fn a_leaked_marker_ends_the_process_and_nothing_is_read() {
        struct Reads<'l>(&'l String);

        impl Drop for Reads<'_> {
            fn drop(&mut self) {
                eprintln!("looked at {}", self.0);
            }
        }
        let child = in_child("racing::a_leaked_marker_ends_the_process_and_nothing_is_read", || {
            drop_after(1, async {
                with!(leaking() as local => {
                    let _reads = Reads(local);
                    pending::<()>().await;
                });
            });
        });
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(!child.status.success(), "{said}");
        assert!(said.contains("`leaking` leaked the future of its `yield!`"), "{said}");
        assert!(!said.contains("looked at"), "{said}");
    }
}

mod stacks {
    use super::*;
    use async_context_manager::AsyncExitStack;

    type Stack = AsyncExitStack<'static, String>;

    #[test]
    fn shielded_managers_on_a_dropped_stack_are_left_one_after_the_other() {
        let log = Log::new();
        drop_after(5, async {
            let stack = Stack::new();
            stack.enter(shielded(log.clone(), "a")).await;
            stack.enter(shielded(log.clone(), "b")).await;
            pending::<()>().await;
        });
        drain();
        assert_eq!(log.take()[4..], ["b sees Cancelled", "b left", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn shielded_managers_on_a_stack_dropped_while_closing_are_left_one_by_one() {
        let log = Log::new();
        drop_after(6, async {
            let mut stack = Stack::new();
            stack.enter(shielded(log.clone(), "a")).await;
            stack.enter(shielded(log.clone(), "b")).await;
            stack.close().await
        });
        drain();
        assert_eq!(log.take()[4..], ["b sees Completed", "b left", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn shielded_managers_in_the_with_of_a_stack_are_left_one_after_the_other() {
        let log = Log::new();
        drop_after(5, async {
            with!(Stack::new() as stack => {
                stack.enter(shielded(log.clone(), "a")).await;
                stack.enter(shielded(log.clone(), "b")).await;
                within(&log).await;
            })
        });
        drain();
        assert_eq!(log.take()[4..], ["block dropped", "b sees Cancelled", "b left", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn what_is_left_of_the_block_goes_before_what_is_on_the_stack() {
        let log = Log::new();
        drop_after(5, async {
            with!(Stack::new() as stack => {
                stack.enter(shielded(log.clone(), "a")).await;
                with!(shielded(log.clone(), "b") => within(&log).await);
            })
        });
        drain();
        assert_eq!(log.take()[4..], ["block dropped", "b sees Cancelled", "b left", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn shielded_managers_of_an_inner_stack_are_left_before_the_outer_stack() {
        let log = Log::new();
        drop_after(5, async {
            with!(Stack::new() as outer => {
                outer.enter(shielded(log.clone(), "a")).await;
                with!(Stack::new() as inner => {
                    inner.enter(shielded(log.clone(), "b")).await;
                    within(&log).await;
                })
            })
        });
        drain();
        let mut events = log.take();
        events.retain(|event| event != "block dropped");
        assert_eq!(events[3..], ["b entered", "b sees Cancelled", "b left", "a sees Cancelled", "a left"]);
    }

    #[test]
    fn stack_does_not_wait_for_a_shielded_manager_that_is_being_entered() {
        let log = Log::new();
        drop_after(3, async {
            with!(Stack::new() as stack => {
                stack.enter(shielded(log.clone(), "a")).await;
                stack.enter(shielded(log.clone(), "b")).await;
            })
        });
        drain();
        let events = log.take();
        let of = |name| events.iter().filter(move |event| event.starts_with(name)).collect::<Vec<_>>();
        assert_eq!(of("a"), ["a enters", "a entered", "a sees Cancelled", "a left"]);
        assert_eq!(of("b"), ["b enters", "b entered", "b sees Cancelled", "b left"]);
    }

    #[test]
    fn what_comes_after_the_stack_of_a_plain_manager_begins_in_place() {
        #[async_context_manager(suppress)]
        async fn made(log: Log) -> Result<(), String> {
            let result = with!(Stack::new() as stack => {
                stack.enter(shielded(log.clone(), "a")).await;
                r#yield!();
            });
            log.add("made goes on");
            result
        }
        let log = Log::new();
        drop_after(3, async { with!(made(log.clone()) => within(&log).await) });
        drain();
        let mut events = log.take();
        // It may be at the same time.
        let after = events.iter().position(|event| event == "made goes on").expect("it goes on");
        events.remove(after);
        assert_eq!(events[2..], ["block dropped", "a sees Cancelled", "a left"]);
    }

    /// A stack in a shielded manager: what is on it need not be shielded.
    #[async_context_manager(shielded, suppress)]
    async fn stacked(log: Log) -> Result<(), String> {
        let result = with!(AsyncExitStack::<String>::new() as stack => {
            stack.enter(plain(log.clone(), "a")).await;
            stack.push(async |outcome| {
                yields(1).await;
                log.add(format!("pushed sees {outcome:?}"));
            });
            stack.enter(plain(log.clone(), "b")).await;
            r#yield!();
        });
        log.add("stacked goes on");
        result
    }

    #[test]
    fn what_is_on_the_stack_of_a_shielded_manager_is_awaited() {
        let log = Log::new();
        drop_after(1, async { with!(stacked(log.clone()) => within(&log).await) });
        drain();
        assert_eq!(
            log.take()[2..],
            [
                "block dropped",
                "b sees Cancelled",
                "b left",
                "pushed sees Cancelled",
                "a sees Cancelled",
                "a left",
                "stacked goes on"
            ]
        );
    }

    #[test]
    fn a_stack_can_be_shielded_as_a_whole() {
        let log = Log::new();
        drop_after(1, async {
            with!(Stack::new().into_manager().shielded() as stack => {
                stack.enter(plain(log.clone(), "a")).await;
                stack.enter(plain(log.clone(), "b")).await;
                within(&log).await;
            })
        });
        drain();
        assert_eq!(log.take()[2..], ["block dropped", "b sees Cancelled", "b left", "a sees Cancelled", "a left"]);
    }
}
