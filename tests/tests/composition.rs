//! Managers that are made of managers: the `yield!` stands in the block of a `with!`.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::future::pending;

use async_context_manager::{async_context_manager, with};
use tests::managers::lends_name as named;
use tests::{Log, block_on, drop_after, panic_message, yields};

#[async_context_manager]
async fn fallible(log: &Log, name: &'static str, fails: &str) -> Result<(), String> {
    if fails == format!("entering {name}") {
        return Err(fails.to_string());
    }
    log.add(format!("enter {name}"));
    let outcome = r#yield!();
    log.add(format!("exit {name} {outcome:?}"));
    if fails == format!("leaving {name}") {
        return Err(fails.to_string());
    }
    Ok(())
}

/// Passes on what the inner one lends, and logs around it.
#[async_context_manager]
async fn around(log: &Log) -> &mut String {
    log.add("enter outer");
    with!(named(log, "inner") as local => {
        log.add("before");
        let outcome = r#yield!(&mut *local);
        log.add(format!("after {outcome:?}"));
    });
    log.add("exit outer");
}

mod one_level {
    use super::*;

    #[test]
    fn value_passes_a_composed_manager() {
        let log = Log::new();
        let value = block_on(async {
            with!(around(&log) as local => {
                log.add("block");
                local.push('!');
                local.len()
            })
        });
        assert_eq!(value, 6);
        let expected =
            ["enter outer", "enter inner", "before", "block", "after Completed", "exit inner! Completed", "exit outer"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn an_error_is_seen_by_the_inner_manager() {
        async fn f(log: &Log) -> Result<usize, String> {
            with!(around(log) as local => {
                local.push('!');
                Err("error")?;
            });
            log.add("not reached");
            Ok(5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        let expected =
            ["enter outer", "enter inner", "before", "after Failed(())", "exit inner! Failed(())", "exit outer"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn an_err_as_value_is_seen_by_the_inner_manager() {
        let log = Log::new();
        let value: Result<u8, &str> = block_on(async { with!(around(&log) => Err("error")) });
        assert_eq!(value, Err("error"));
        let expected = ["after Failed(())", "exit inner Failed(())", "exit outer"];
        assert_eq!(log.take()[3..], expected);
    }

    #[test]
    fn a_panic_is_seen_by_the_inner_manager() {
        let log = Log::new();
        let message = panic_message(async { with!(around(&log) => panic!("block")) });
        assert_eq!(message, "block");
        assert_eq!(log.take()[3..], ["after Panicked", "exit inner Panicked", "exit outer"]);
    }

    #[test]
    fn jump_completes_a_composed_manager() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                with!(around(&log) => { break 5 });
            }
        });
        assert_eq!(value, 5);
        assert_eq!(log.take()[3..], ["after Completed", "exit inner Completed", "exit outer"]);
    }

    #[test]
    fn a_drop_is_seen_by_the_inner_manager_up_to_its_first_pending_await() {
        let log = Log::new();
        drop_after(2, async {
            with!(around(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["enter outer", "enter inner", "before", "block dropped", "after Cancelled"]);
    }

    #[test]
    fn a_drop_is_seen_by_an_inner_manager_that_never_pends() {
        #[async_context_manager]
        async fn composed(log: &Log) -> Result<(), String> {
            with!(fallible(log, "a", ""), fallible(log, "b", "") => {
                let outcome = r#yield!();
                log.add(format!("{outcome:?}"));
            })
        }
        let log = Log::new();
        drop_after(1, async { with!(composed(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["enter a", "enter b", "Cancelled", "exit b Cancelled", "exit a Cancelled"]);
    }

    #[test]
    fn drop_while_the_inner_manager_enters_ends_the_outer_there() {
        let log = Log::new();
        drop_after(1, async { with!(around(&log) => { log.add("not reached") }) });
        assert_eq!(log.take(), ["enter outer", "enter inner"]);
    }
}

mod several_levels {
    use super::*;

    /// Two `with!`s, three managers.
    #[async_context_manager]
    async fn deep(log: &Log) -> Result<&mut String, String> {
        with!(fallible(log, "a", "") => {
            with!(fallible(log, "b", ""), named(log, "c") as local => {
                r#yield!(local);
            })
        })?
    }

    async fn f(log: &Log, error: Option<&str>) -> Result<usize, String> {
        with!(deep(log) as local => {
            if let Some(error) = error { Err(error)?; }
            local.len()
        })
    }

    #[test]
    fn value_passes_several_levels_of_managers() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, None)), Ok(1));
        let expected = ["enter a", "enter b", "enter c", "exit c Completed", "exit b Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn error_passes_several_levels_of_managers() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, Some("error"))), Err("error".to_string()));
        let expected = ["enter a", "enter b", "enter c", "exit c Failed(())", "exit b Failed(())", "exit a Failed(())"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn panic_passes_several_levels_of_managers() {
        let log = Log::new();
        let message = panic_message(async { with!(deep(&log) => panic!("block")) });
        assert_eq!(message, "block");
        assert_eq!(log.take()[3..], ["exit c Panicked", "exit b Panicked", "exit a Panicked"]);
    }

    #[async_context_manager]
    async fn first(log: &Log) -> &mut String {
        with!(named(log, "first") as local => {
            local.push('1');
            r#yield!(local);
        });
    }

    #[async_context_manager]
    async fn second(log: &Log) -> &mut String {
        with!(first(log) as local => {
            local.push('2');
            r#yield!(local);
        });
    }

    #[async_context_manager]
    async fn third(log: &Log) -> &mut String {
        with!(second(log) as local => {
            local.push('3');
            r#yield!(local);
        });
    }

    #[test]
    fn a_chain_of_managers_each_made_of_the_one_before() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(third(log) as local => {
                local.push('!');
                Err("error")?
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter first", "exit first123! Failed(())"]);
    }

    #[test]
    fn a_chain_that_is_cancelled() {
        #[async_context_manager]
        async fn logs(log: &Log) {
            let outcome = r#yield!();
            log.add(format!("first {outcome:?}"));
        }
        #[async_context_manager]
        async fn outer(log: &Log) {
            with!(logs(log) => {
                let outcome = r#yield!();
                log.add(format!("second {outcome:?}"));
            });
            log.add("end of the second");
        }
        #[async_context_manager]
        async fn outermost(log: &Log) {
            with!(outer(log) => {
                let outcome = r#yield!();
                log.add(format!("third {outcome:?}"));
            });
            log.add("end of the third");
        }
        let log = Log::new();
        drop_after(1, async { with!(outermost(&log) => { pending::<()>().await }) });
        let expected =
            ["third Cancelled", "second Cancelled", "first Cancelled", "end of the second", "end of the third"];
        assert_eq!(log.take(), expected);
    }
}

mod headers {
    use super::*;

    #[async_context_manager]
    async fn pair(log: &Log, fails: &str) -> Result<(&mut String, &mut String), String> {
        with!(named(log, "a") as a, fallible(log, "b", fails), named(log, "c") as c => {
            r#yield!((a, c));
        })
    }

    async fn f(log: &Log, fails: &str) -> Result<(), String> {
        with!(pair(log, fails) as (a, c) => {
            a.push('1');
            c.push('3');
            if fails == "block" { Err(fails)?; }
        })
    }

    #[test]
    fn value_passes_managers_composed_by_a_header() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, "")), Ok(()));
        let expected = ["enter a", "enter b", "enter c", "exit c3 Completed", "exit b Completed", "exit a1 Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn error_passes_managers_composed_by_a_header() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, "block")), Err("block".to_string()));
        assert_eq!(log.take()[3..], ["exit c3 Failed(())", "exit b Failed(())", "exit a1 Failed(())"]);
    }

    #[test]
    fn an_inner_one_that_fails_to_enter_fails_the_whole() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, "entering b")), Err("entering b".to_string()));
        assert_eq!(log.take(), ["enter a", "exit a Failed(())"]);
    }

    #[test]
    fn an_inner_one_that_fails_to_leave_fails_the_outer_ones() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, "leaving b")), Err("leaving b".to_string()));
        assert_eq!(log.take()[3..], ["exit c3 Completed", "exit b Completed", "exit a1 Failed(())"]);
    }
}

mod markers {
    use super::*;

    #[test]
    fn the_block_of_the_inner_with_can_go_on_after_the_yield() {
        #[async_context_manager]
        async fn goes_on(log: &Log) -> Result<(), String> {
            with!(fallible(log, "inner", "") => {
                let outcome = r#yield!();
                yields(2).await;
                log.add(format!("goes on {outcome:?}"));
                if outcome.is_failed() { Err("replaced")?; }
            })
        }
        async fn f(log: &Log) -> Result<(), String> {
            with!(goes_on(log) => Err("error".to_string())?)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("replaced".to_string()));
        assert_eq!(log.take(), ["enter inner", "goes on Failed(())", "exit inner Failed(())"]);
    }

    #[test]
    fn an_error_of_the_inner_block_after_a_completed_one_is_the_inner_managers() {
        #[async_context_manager]
        async fn fails_after(log: &Log) -> Result<(), String> {
            with!(fallible(log, "inner", "") => {
                let outcome = r#yield!();
                log.add(format!("{outcome:?}"));
                Err("late".to_string())?;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(fails_after(&log) => 5) }), Err("late".to_string()));
        assert_eq!(log.take(), ["enter inner", "Completed", "exit inner Failed(())"]);
    }

    #[test]
    fn a_return_after_the_yield_keeps_the_markers_outcome() {
        #[async_context_manager]
        async fn returns(log: &Log) -> Result<(), String> {
            with!(fallible(log, "inner", "") => {
                r#yield!();
                return Ok(());
            })
        }
        async fn f(log: &Log) -> Result<(), String> {
            with!(returns(log) => Err("error".to_string())?)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter inner", "exit inner Failed(())"]);
    }

    #[test]
    fn a_with_that_is_entered_after_the_yield_sees_its_own_block_only() {
        #[async_context_manager]
        async fn later(log: &Log) -> Result<(), String> {
            r#yield!();
            with!(fallible(log, "later", "") => {})
        }
        async fn f(log: &Log) -> Result<(), String> {
            with!(later(log) => Err("error".to_string())?)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter later", "exit later Completed"]);
    }

    #[test]
    fn a_with_in_the_same_block_after_the_yield_sees_its_own_block_only() {
        #[async_context_manager]
        async fn later(log: &Log) -> Result<(), String> {
            with!(fallible(log, "around", "") => {
                r#yield!();
                with!(fallible(log, "later", "") => {})?;
            })
        }
        async fn f(log: &Log) -> Result<(), String> {
            with!(later(log) => Err("error".to_string())?)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        let expected = ["enter around", "enter later", "exit later Completed", "exit around Failed(())"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn marker_in_the_block_of_a_with_in_an_async_block_lends() {
        #[async_context_manager]
        async fn races(log: &Log) -> Result<(), String> {
            tokio::select! {
                biased;
                result = async {
                    with!(fallible(log, "inner", "") => {
                        let outcome = r#yield!();
                        log.add(format!("{outcome:?}"));
                    })
                } => result,
                () = yields(2) => Err("lost".to_string()),
            }
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(races(&log) => 5) }), Ok(5));
        assert_eq!(log.take(), ["enter inner", "Completed", "exit inner Completed"]);
        let value = block_on(async {
            with!(races(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            })
        });
        assert_eq!(value, Err("lost".to_string()));
        assert_eq!(log.take(), ["enter inner", "block dropped", "exit inner Cancelled"]);
    }

    #[test]
    fn marker_in_an_async_block_in_the_block_of_a_with_lends() {
        #[async_context_manager]
        async fn races(log: &Log) -> Result<(), String> {
            with!(fallible(log, "inner", "") => {
                let lost = tokio::select! {
                    biased;
                    _ = async { r#yield!() } => false,
                    () = yields(2) => true,
                };
                if lost { Err("lost")?; }
            })
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(races(&log) => 5) }), Ok(5));
        assert_eq!(log.take(), ["enter inner", "exit inner Completed"]);
        let value = block_on(async {
            with!(races(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            })
        });
        assert_eq!(value, Err("lost".to_string()));
        assert_eq!(log.take(), ["enter inner", "block dropped", "exit inner Failed(())"]);
    }

    #[test]
    fn marker_in_an_async_block_in_a_block_without_braces_lends() {
        async fn polled_at_most<T>(polls: usize, future: impl Future<Output = T>) -> Result<T, String> {
            tokio::select! {
                biased;
                value = future => Ok(value),
                () = yields(polls - 1) => Err("too late".to_string()),
            }
        }
        #[async_context_manager]
        async fn limited(log: &Log) -> Result<(), String> {
            let outcome = with!(fallible(log, "inner", "") => polled_at_most(2, async { r#yield!() }).await)??;
            log.add(format!("{outcome:?}"));
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(limited(&log) => 5) }), Ok(5));
        assert_eq!(log.take(), ["enter inner", "exit inner Completed", "Completed"]);
        assert_eq!(block_on(async { with!(limited(&log) => yields(5).await) }), Err("too late".to_string()));
        assert_eq!(log.take(), ["enter inner", "exit inner Failed(())"]);
    }

    #[test]
    fn marker_as_the_only_thing_in_a_block_lends() {
        #[async_context_manager]
        async fn wraps(log: &Log) -> Result<&mut String, String> {
            with!(fallible(log, "a", ""), named(log, "b") as local => { r#yield!(local); })
        }
        #[async_context_manager]
        async fn wraps_without_braces(log: &Log) -> &mut String {
            with!(named(log, "c") as local => r#yield!(local));
        }
        let log = Log::new();
        let value = block_on(async {
            with!(wraps(&log) as one => with!(wraps_without_braces(&log) as two => format!("{one}{two}")))
        });
        assert_eq!(value, Ok("bc".to_string()));
        let expected = ["enter a", "enter b", "enter c", "exit c Completed", "exit b Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn marker_through_the_wrapper_macro_lends() {
        async_context_manager::context_managers! {
            #[async_context_manager]
            async fn wrapped(log: &Log) -> &mut String {
                with!(named(log, "inner") as local => { yield!(local); });
            }
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(wrapped(&log) as local => local.clone()) }), "inner");
        assert_eq!(log.take(), ["enter inner", "exit inner Completed"]);
    }
}

mod races {
    use super::*;
    use futures::FutureExt;
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;

    /// Drops its block after that many polls.
    #[async_context_manager]
    async fn polled_at_most(log: &Log, polls: usize) -> Result<(), &'static str> {
        let result = tokio::select! {
            biased;
            outcome = async { r#yield!() } => {
                log.add(format!("in time {outcome:?}"));
                Ok(())
            }
            () = yields(polls - 1) => {
                log.add("too late");
                Err("too late")
            }
        };
        log.add("exit");
        result
    }

    #[async_context_manager]
    async fn limited(log: &Log, polls: usize) -> Result<&mut u8, &'static str> {
        let mut local = 0;
        let result = with!(polled_at_most(log, polls) => {
            let outcome = r#yield!(&mut local);
            log.add(format!("{outcome:?}"));
        });
        log.add(format!("local {local}"));
        result
    }

    async fn run(log: &Log, polls: usize) -> Result<(), &'static str> {
        with!(limited(log, polls) as local => {
            let _block = log.on_drop("block dropped");
            for _ in 0..3 {
                *local += 1;
                yields(1).await;
            }
        })
    }

    #[test]
    fn block_in_time_completes_a_composed_race() {
        let log = Log::new();
        assert_eq!(block_on(run(&log, 5)), Ok(()));
        assert_eq!(log.take(), ["block dropped", "Completed", "in time Completed", "exit", "local 3"]);
    }

    #[test]
    fn block_that_is_too_late_fails_a_composed_race() {
        let log = Log::new();
        assert_eq!(block_on(run(&log, 2)), Err("too late"));
        assert_eq!(log.take(), ["block dropped", "too late", "exit", "local 2"]);
    }

    #[test]
    fn block_that_is_too_late_for_a_manager_that_then_succeeds_is_a_panic() {
        #[async_context_manager]
        async fn ignores(log: &Log) {
            let result = with!(polled_at_most(log, 2) => { r#yield!(); });
            log.add(format!("{result:?}"));
        }
        let log = Log::new();
        let message = panic_message(async { with!(ignores(&log) => pending::<()>().await) });
        assert!(message.starts_with("`ignores` dropped its block before the end and succeeded"), "{message}");
        assert_eq!(log.take(), ["too late", "exit", "Err(\"too late\")"]);
    }

    #[test]
    fn block_in_a_composed_race_that_is_dropped_is_cancelled() {
        let log = Log::new();
        drop_after(2, run(&log, 5));
        assert_eq!(log.take(), ["block dropped", "Cancelled", "in time Cancelled", "exit", "local 2"]);
    }

    #[test]
    fn block_that_fails_fails_a_composed_race() {
        let log = Log::new();
        let value: Result<Result<(), u8>, _> = block_on(async { with!(limited(&log, 5) as _local => Err(5)) });
        assert_eq!(value, Ok(Err(5)));
        assert_eq!(log.take(), ["Failed(())", "in time Failed(())", "exit", "local 0"]);
    }

    /// Polls its block only when it was woken.
    #[async_context_manager]
    async fn unordered(log: &Log, name: &str) {
        let marker = async {
            let outcome = r#yield!();
            format!("{name} {outcome:?}")
        };
        let mut all: FuturesUnordered<_> =
            [marker.left_future(), async { pending().await }.right_future()].into_iter().collect();
        log.add(all.next().await.unwrap_or_default());
    }

    #[async_context_manager]
    async fn unordered_twice(log: &Log) {
        let marker = async {
            with!(unordered(log, "inner") => {
                let outcome = r#yield!();
                log.add(format!("{outcome:?}"));
            });
            "outer".to_string()
        };
        let mut all: FuturesUnordered<_> =
            [marker.left_future(), async { pending().await }.right_future()].into_iter().collect();
        log.add(all.next().await.unwrap_or_default());
    }

    #[test]
    fn race_within_a_race_that_both_poll_only_what_was_woken_goes_on() {
        let log = Log::new();
        block_on(async { with!(unordered_twice(&log) => yields(3).await) });
        assert_eq!(log.take(), ["Completed", "inner Completed", "outer"]);
        drop_after(2, async {
            with!(unordered_twice(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["block dropped", "Cancelled", "inner Cancelled", "outer"]);
    }

    #[test]
    fn race_in_the_header_of_another_goes_on() {
        let log = Log::new();
        drop_after(2, async {
            with!(unordered(&log, "a"), unordered_twice(&log), unordered(&log, "b") => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            });
        });
        let expected = ["block dropped", "b Cancelled", "Cancelled", "inner Cancelled", "outer", "a Cancelled"];
        assert_eq!(log.take(), expected);
    }
}

/// The example of the documentation, on a pool that keeps a list of what was done.
mod pool {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct DbError(&'static str);

    struct Pool {
        log: Log,
    }

    struct Conn {
        log: Log,
    }

    struct Tx<'c> {
        conn: &'c mut Conn,
    }

    impl Conn {
        async fn execute(&mut self, sql: &'static str) -> Result<u64, DbError> {
            self.log.add(sql);
            yields(usize::from(sql == "SLOW")).await;
            if sql == "BAD" { Err(DbError("syntax")) } else { Ok(1) }
        }
    }

    impl Pool {
        #[async_context_manager]
        async fn get(&self) -> Result<&mut Conn, DbError> {
            let mut conn = Conn { log: self.log.clone() };
            self.log.add("acquire");
            r#yield!(&mut conn);
            self.log.add("release");
            Ok(())
        }
    }

    #[async_context_manager]
    async fn begin(conn: &mut Conn) -> Result<&mut Tx<'_>, DbError> {
        conn.execute("BEGIN").await?;
        let mut tx = Tx { conn };
        let outcome = r#yield!(&mut tx);
        tx.conn.execute(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }).await?;
        Ok(())
    }

    #[async_context_manager]
    async fn transaction(pool: &Pool) -> Result<&mut Tx<'_>, DbError> {
        with!(pool.get() as conn, begin(conn) as tx => {
            r#yield!(tx);
        })
    }

    async fn run(pool: &Pool, sql: &[&'static str]) -> Result<u64, DbError> {
        with!(transaction(pool) as tx => {
            let mut rows = 0;
            for sql in sql {
                assert!(*sql != "PANIC", "block");
                rows += tx.conn.execute(sql).await?;
            }
            rows
        })
    }

    #[test]
    fn transaction_of_a_pool_commits() {
        let pool = Pool { log: Log::new() };
        assert_eq!(block_on(run(&pool, &["INSERT", "SLOW"])), Ok(2));
        assert_eq!(pool.log.take(), ["acquire", "BEGIN", "INSERT", "SLOW", "COMMIT", "release"]);
    }

    #[test]
    fn transaction_of_a_pool_rolls_back_on_an_error() {
        let pool = Pool { log: Log::new() };
        assert_eq!(block_on(run(&pool, &["INSERT", "BAD", "INSERT"])), Err(DbError("syntax")));
        assert_eq!(pool.log.take(), ["acquire", "BEGIN", "INSERT", "BAD", "ROLLBACK", "release"]);
    }

    #[test]
    fn transaction_of_a_pool_rolls_back_on_a_panic() {
        let pool = Pool { log: Log::new() };
        assert_eq!(panic_message(run(&pool, &["INSERT", "PANIC"])), "block");
        assert_eq!(pool.log.take(), ["acquire", "BEGIN", "INSERT", "ROLLBACK", "release"]);
    }

    #[test]
    fn transaction_of_a_pool_rolls_back_when_it_is_dropped() {
        let pool = Pool { log: Log::new() };
        drop_after(1, run(&pool, &["INSERT", "SLOW", "INSERT"]));
        assert_eq!(pool.log.take(), ["acquire", "BEGIN", "INSERT", "SLOW", "ROLLBACK", "release"]);
    }

    #[test]
    fn transaction_of_a_pool_commits_in_a_loop_with_continue() {
        let pool = Pool { log: Log::new() };
        let result: Result<(), DbError> = block_on(async {
            for sql in ["FIRST", "SECOND"] {
                with!(transaction(&pool) as tx => {
                    if tx.conn.execute(sql).await? == 1 { continue; }
                    unreachable!();
                })?;
            }
            Ok(())
        });
        assert_eq!(result, Ok(()));
        let around = |sql| ["acquire", "BEGIN", sql, "COMMIT", "release"];
        assert_eq!(pool.log.take(), [around("FIRST"), around("SECOND")].concat());
    }
}
