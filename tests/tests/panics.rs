//! Panics of managers, and the mistakes in them that only running shows.

#![forbid(unsafe_code)]

use async_context_manager::{async_context_manager, with};
use tests::{Log, PanicsInDrop, block_on, drop_after, panic_message, yields};

#[async_context_manager]
async fn logged(log: &Log) {
    log.add("enter");
    let outcome = r#yield!();
    yields(1).await;
    log.add(format!("exit {outcome:?}"));
}

mod before_the_yield {
    use super::*;

    #[async_context_manager]
    async fn panics(log: &Log) -> u8 {
        let _local = log.on_drop("local dropped");
        yields(1).await;
        log.add("enter");
        assert!(log.take().is_empty(), "entering");
        r#yield!(5);
        log.add("not reached");
    }

    #[test]
    fn panic_before_the_yield_goes_on_and_the_block_does_not_run() {
        let log = Log::new();
        let message = panic_message(async {
            with!(panics(&log) => log.add("not reached"));
            log.add("not reached");
        });
        assert_eq!(message, "entering");
        assert_eq!(log.take(), ["local dropped"]);
    }

    #[test]
    fn panic_before_the_yield_is_a_panic_of_the_block_around() {
        let log = Log::new();
        let message = panic_message(async {
            with!(logged(&log) => {
                assert_eq!(log.take(), ["enter"]);
                with!(panics(&log) => log.add("not reached"));
            });
        });
        assert_eq!(message, "entering");
        assert_eq!(log.take(), ["local dropped", "exit Panicked"]);
    }

    #[test]
    fn panic_before_the_yield_in_the_first_poll_goes_on() {
        #[async_context_manager]
        async fn at_once(n: u8) {
            assert!(n > 5, "at once");
            r#yield!();
        }
        assert_eq!(panic_message(async { with!(at_once(5) => {}) }), "at once");
    }

    #[test]
    fn panic_in_the_drop_of_a_local_when_entering_fails_goes_on() {
        #[async_context_manager]
        async fn fails() -> Result<(), &'static str> {
            let _local = PanicsInDrop;
            Err("entering")?;
            r#yield!();
            Ok(())
        }
        assert_eq!(panic_message(async { with!(fails() => {}) }), "in drop");
    }
}

mod after_the_yield {
    use super::*;

    #[async_context_manager]
    async fn panics(log: &Log) {
        let _local = log.on_drop("local dropped");
        let outcome = r#yield!();
        log.add(format!("{outcome:?}"));
        yields(1).await;
        panic!("leaving");
    }

    #[test]
    fn panic_after_the_yield_drops_the_locals_of_the_manager() {
        let log = Log::new();
        let message = panic_message(async { with!(panics(&log) => log.add("block")) });
        assert_eq!(message, "leaving");
        assert_eq!(log.take(), ["block", "Completed", "local dropped"]);
    }

    #[test]
    fn panic_after_the_yield_drops_the_value_of_the_block() {
        let log = Log::new();
        let message = panic_message(async { with!(panics(&log) => log.on_drop("value dropped")) });
        assert_eq!(message, "leaving");
        assert_eq!(log.take(), ["Completed", "local dropped", "value dropped"]);
    }

    #[test]
    fn panic_after_the_yield_awaits_the_exit_phases_around() {
        let log = Log::new();
        let message = panic_message(async { with!(logged(&log), panics(&log), logged(&log) => {}) });
        assert_eq!(message, "leaving");
        let expected = ["enter", "enter", "exit Completed", "Completed", "local dropped", "exit Panicked"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn panic_after_the_yield_that_the_manager_catches_itself_is_contained() {
        use futures::FutureExt;
        use std::panic::AssertUnwindSafe;

        #[async_context_manager]
        async fn catches(log: &Log) {
            let outcome = r#yield!();
            let caught = AssertUnwindSafe(async { panic!("caught") }).catch_unwind().await;
            log.add(format!("{outcome:?} {}", tests::message(caught.unwrap_err().as_ref())));
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(catches(&log) => 5) }), 5);
        assert_eq!(log.take(), ["Completed caught"]);
    }

    #[test]
    fn a_manager_can_not_catch_the_panic_of_the_block() {
        use futures::FutureExt;
        use std::panic::AssertUnwindSafe;

        #[async_context_manager]
        async fn tries(log: &Log) {
            let caught = AssertUnwindSafe(async { r#yield!() }).catch_unwind().await;
            log.add(format!("{:?}", caught.unwrap()));
        }
        let log = Log::new();
        assert_eq!(panic_message(async { with!(tries(&log) => panic!("block")) }), "block");
        assert_eq!(log.take(), ["Panicked"]);
    }
}

mod without_a_yield {
    use super::*;

    /// Goes around its `yield!` in a way that its text does not show.
    macro_rules! leave {
        () => {
            return
        };
    }

    #[async_context_manager]
    async fn forgets(reach: bool) {
        if !reach {
            leave!();
        }
        r#yield!();
    }

    #[async_context_manager]
    async fn forgets_fallibly(reach: bool) -> Result<u8, String> {
        let result = Ok(());
        if !reach {
            return result;
        }
        r#yield!(5);
        result
    }

    #[test]
    fn panic_without_a_yield_names_the_function() {
        block_on(async { with!(forgets(true) => {}) });
        let message = panic_message(async { with!(forgets(false) => {}) });
        assert_eq!(message, "`forgets` ended without reaching its `yield!`: return an `Err` to skip the block");
    }

    #[test]
    fn panic_without_a_yield_names_the_fallible_function() {
        assert_eq!(block_on(async { with!(forgets_fallibly(true) as n => n) }), Ok(5));
        let message = panic_message(async { with!(forgets_fallibly(false) as n => n) });
        assert_eq!(
            message,
            "`forgets_fallibly` ended without reaching its `yield!`: return an `Err` to skip the block"
        );
    }

    #[test]
    fn panic_without_a_yield_names_the_method() {
        struct Own;
        impl Own {
            #[async_context_manager]
            async fn method(&self, reach: bool) {
                if !reach {
                    leave!();
                }
                r#yield!();
            }
        }
        block_on(async { with!(Own.method(true) => {}) });
        let message = panic_message(async { with!(Own.method(false) => {}) });
        assert_eq!(message, "`method` ended without reaching its `yield!`: return an `Err` to skip the block");
    }

    #[test]
    fn panic_without_a_yield_is_a_panic_of_the_block_around() {
        let log = Log::new();
        let message = panic_message(async { with!(logged(&log), forgets(false) => {}) });
        assert_eq!(message, "`forgets` ended without reaching its `yield!`: return an `Err` to skip the block");
        assert_eq!(log.take(), ["enter", "exit Panicked"]);
    }

    #[test]
    fn outer_manager_that_ignores_a_failure_to_enter_panics() {
        #[async_context_manager]
        async fn fails() -> Result<(), String> {
            Err("entering".to_string())?;
            r#yield!();
            Ok(())
        }
        #[async_context_manager]
        async fn ignores() {
            let result = with!(fails() => { r#yield!(); });
            assert_eq!(result, Err("entering".to_string()));
        }
        let message = panic_message(async { with!(ignores() => {}) });
        assert_eq!(message, "`ignores` ended without reaching its `yield!`: return an `Err` to skip the block");
    }

    #[test]
    fn drop_before_the_yield_is_reached_is_no_panic() {
        let log = Log::new();
        drop_after(1, async {
            with!(logged(&log) => {
                yields(1).await;
                with!(forgets(false) => {});
            });
        });
        assert_eq!(log.take(), ["enter"]);
    }
}

mod twice {
    use super::*;

    /// Runs its argument again and again.
    macro_rules! repeat {
        ($n:expr, $action:expr) => {
            for _ in 0..$n {
                $action;
            }
        };
    }

    #[async_context_manager]
    async fn repeats(log: &Log, n: usize) {
        repeat!(n, {
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
        });
    }

    #[test]
    fn yield_in_a_loop_of_one_round_is_no_panic() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(repeats(&log, 1) => 5) }), 5);
        assert_eq!(log.take(), ["Completed"]);
    }

    #[test]
    fn panic_of_a_second_yield_names_the_function() {
        let log = Log::new();
        let message = panic_message(async { with!(repeats(&log, 2) => log.add("block")) });
        assert_eq!(message, "`repeats` reached its `yield!` a second time");
        assert_eq!(log.take(), ["block", "Completed"]);
    }

    #[test]
    fn panic_of_a_second_yield_replaces_what_the_block_ended_in() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(repeats(log, 2) => Err("error")?);
            Ok(())
        }
        let log = Log::new();
        assert_eq!(panic_message(f(&log)), "`repeats` reached its `yield!` a second time");
        assert_eq!(log.take(), ["Failed(())"]);
    }

    #[test]
    fn yield_in_a_macro_that_writes_it_twice_is_a_panic() {
        macro_rules! both {
            ($first:expr) => {
                ($first, $first)
            };
        }
        #[async_context_manager]
        async fn doubles(log: &Log) {
            let outcomes = both!(r#yield!());
            log.add(format!("{outcomes:?}"));
        }
        let log = Log::new();
        let message = panic_message(async { with!(doubles(&log) => log.add("block")) });
        assert_eq!(message, "`doubles` reached its `yield!` a second time");
        assert_eq!(log.take(), ["block"]);
    }

    #[test]
    fn yield_in_two_futures_at_once_is_a_panic() {
        macro_rules! join {
            ($first:expr) => {
                futures::join!(async { $first }, async { $first })
            };
        }
        #[async_context_manager]
        async fn joins(log: &Log) {
            let outcomes = join!(r#yield!());
            log.add(format!("{outcomes:?}"));
        }
        let log = Log::new();
        let message = panic_message(async {
            with!(joins(&log) => {
                let _block = log.on_drop("block dropped");
                log.add("block");
                yields(1).await;
                log.add("not reached");
            });
        });
        assert_eq!(message, "`joins` reached its `yield!` a second time");
        assert_eq!(log.take(), ["block", "block dropped"]);
    }
}

mod raced_away {
    use super::*;

    #[async_context_manager]
    async fn drops(log: &Log) {
        let block = async { r#yield!() };
        tokio::select! {
            biased;
            _ = block => log.add("block won"),
            () = yields(1) => log.add("block lost"),
        }
        log.add("exit");
    }

    #[test]
    fn success_after_the_block_was_raced_away_is_a_panic_that_names_the_function() {
        let log = Log::new();
        let message = panic_message(async {
            with!(drops(&log) => {
                let _block = log.on_drop("block dropped");
                yields(5).await;
            });
        });
        let expected = "`drops` dropped its block before the end and succeeded, so its `with!` has no value: return \
                        an `Err`, or add the option `suppress`";
        assert_eq!(message, expected);
        assert_eq!(log.take(), ["block dropped", "block lost", "exit"]);
    }

    #[test]
    fn success_after_the_block_was_raced_away_is_a_panic_of_the_block_around() {
        let log = Log::new();
        let message = panic_message(async { with!(logged(&log), drops(&log) => yields(5).await) });
        assert!(message.starts_with("`drops` dropped its block before the end"), "{message}");
        assert_eq!(log.take(), ["enter", "block lost", "exit", "exit Panicked"]);
    }

    #[test]
    fn block_that_wins_its_race_is_no_panic() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(drops(&log) => 5) }), 5);
        assert_eq!(log.take(), ["block won", "exit"]);
    }
}

mod polled_again {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Waker};

    #[test]
    fn with_that_is_polled_again_after_a_panic_panics() {
        #[async_context_manager]
        async fn panics() {
            r#yield!();
            panic!("leaving");
        }
        let mut future = Box::pin(async { with!(panics() => {}) });
        let mut poll = || {
            let polled = AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            tests::message(catch_unwind(polled).unwrap_err().as_ref())
        };
        assert_eq!(poll(), "leaving");
        assert_eq!(poll(), "`async fn` resumed after panicking");
    }
}
