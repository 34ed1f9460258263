//! When things are dropped: arguments and locals of a manager as in an `async fn`, the block before the exit phase.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use async_context_manager::{async_context_manager, with};
use tests::{Log, OnDrop, block_on, drop_after, yields};

struct Pair {
    first: OnDrop,
    #[expect(dead_code, reason = "logs when it is dropped")]
    second: OnDrop,
}

fn pair(log: &Log, name: &str) -> Pair {
    Pair { first: log.on_drop(format!("{name} first")), second: log.on_drop(format!("{name} second")) }
}

mod arguments {
    use super::*;

    /// What the manager is compared with.
    async fn plain(a: OnDrop, _: OnDrop, _c: OnDrop, (d, _): (OnDrop, OnDrop), mut e: Option<OnDrop>, log: Log) {
        let _local = log.on_drop("local");
        yields(1).await;
        log.add("body");
        drop((a, d));
        e = e.take();
        log.add(if e.is_some() { "end" } else { "not reached" });
    }

    #[async_context_manager]
    async fn manager(a: OnDrop, _: OnDrop, _c: OnDrop, (d, _): (OnDrop, OnDrop), mut e: Option<OnDrop>, log: Log) {
        let _local = log.on_drop("local");
        yields(1).await;
        log.add("body");
        r#yield!();
        drop((a, d));
        e = e.take();
        log.add(if e.is_some() { "end" } else { "not reached" });
    }

    /// Calls one of the two.
    macro_rules! call {
        ($function:ident, $log:expr) => {{
            let log = $log;
            let on_drop = |name: &str| log.on_drop(name);
            let pair = (on_drop("d"), on_drop("d's sibling"));
            $function(on_drop("a"), on_drop("_"), on_drop("_c"), pair, Some(on_drop("e")), log.clone())
        }};
    }

    #[test]
    fn arguments_are_dropped_as_in_an_async_fn() {
        let log = Log::new();
        block_on(async { call!(plain, &log).await });
        let expected = log.take();
        block_on(async { with!(call!(manager, &log) => {}) });
        assert_eq!(log.take(), expected);
        assert_eq!(expected, ["body", "a", "d", "end", "local", "e", "d's sibling", "_c", "_"]);
    }

    #[test]
    fn arguments_are_dropped_as_in_an_async_fn_that_is_never_polled() {
        let log = Log::new();
        drop(call!(plain, &log));
        let mut expected = log.take();
        drop(call!(manager, &log));
        let mut events = log.take();
        // The order of what a future captured is not promised.
        expected.sort();
        events.sort();
        assert_eq!(events, expected);
    }

    #[test]
    fn arguments_are_dropped_as_in_an_async_fn_that_is_cancelled() {
        let log = Log::new();
        drop_after(1, async { call!(plain, &log).await });
        let expected = log.take();
        drop_after(1, async { with!(call!(manager, &log) => {}) });
        assert_eq!(log.take(), expected);
        assert_eq!(expected, ["local", "e", "d", "d's sibling", "_c", "_", "a"]);
    }

    #[test]
    fn arguments_live_over_the_block_though_nothing_uses_them() {
        #[async_context_manager]
        #[allow(unused_variables, reason = "that it is not used is what is tested")]
        async fn unused(_: OnDrop, _named: OnDrop, plain: OnDrop) {
            r#yield!();
        }
        let log = Log::new();
        block_on(async {
            with!(unused(log.on_drop("_"), log.on_drop("_named"), log.on_drop("plain")) => log.add("block"));
        });
        assert_eq!(log.take(), ["block", "plain", "_named", "_"]);
    }

    #[test]
    fn arguments_are_whole_though_a_part_is_used() {
        #[async_context_manager]
        async fn part(pair: Pair, log: &Log) -> &OnDrop {
            r#yield!(&pair.first);
            log.add("exit");
        }
        let log = Log::new();
        block_on(async { with!(part(pair(&log, "pair"), &log) => log.add("block")) });
        assert_eq!(log.take(), ["block", "exit", "pair first", "pair second"]);
    }

    #[test]
    fn self_is_dropped_after_the_other_arguments() {
        struct Own(Log, #[allow(dead_code, reason = "logs when it is dropped")] OnDrop);
        impl Own {
            #[async_context_manager]
            async fn consumed(self, _argument: OnDrop) {
                let _local = self.0.on_drop("local");
                r#yield!();
                self.0.add("exit");
            }
        }
        let log = Log::new();
        block_on(async {
            with!(Own(log.clone(), log.on_drop("self")).consumed(log.on_drop("argument")) => log.add("block"));
        });
        assert_eq!(log.take(), ["block", "exit", "local", "argument", "self"]);
    }
}

mod managers {
    use super::*;

    #[async_context_manager]
    async fn locals(log: &Log) -> &OnDrop {
        let first = log.on_drop("first");
        let _second = log.on_drop("second");
        r#yield!(&first);
        log.add("exit");
    }

    #[test]
    fn locals_of_a_manager_are_dropped_at_its_end_last_first() {
        let log = Log::new();
        block_on(async {
            with!(locals(&log) => log.add("block"));
            log.add("after");
        });
        assert_eq!(log.take(), ["block", "exit", "second", "first", "after"]);
    }

    #[test]
    fn a_temporary_in_the_marker_lives_as_long_as_the_block() {
        #[async_context_manager]
        async fn temporary(log: &Log) -> &OnDrop {
            r#yield!(&log.on_drop("temporary"));
            log.add("exit");
        }
        let log = Log::new();
        block_on(async { with!(temporary(&log) => log.add("block")) });
        assert_eq!(log.take(), ["block", "temporary", "exit"]);
    }

    #[test]
    fn a_lent_value_is_dropped_with_the_block() {
        #[async_context_manager]
        async fn owned(log: &Log) -> OnDrop {
            r#yield!(log.on_drop("lent"));
            log.add("exit");
        }
        let log = Log::new();
        block_on(async {
            with!(owned(&log) as _lent => {
                let _local = log.on_drop("local");
                log.add("block");
            });
        });
        assert_eq!(log.take(), ["block", "local", "lent", "exit"]);
    }

    #[test]
    fn a_lent_value_whose_block_is_raced_away() {
        #[async_context_manager]
        async fn races(log: &Log) -> Result<OnDrop, &'static str> {
            tokio::select! {
                biased;
                _ = async { r#yield!(log.on_drop("lent")) } => Ok(()),
                () = yields(1) => {
                    log.add("exit");
                    Err("lost")
                }
            }
        }
        let log = Log::new();
        let value = block_on(async {
            with!(races(&log) as _lent => {
                let _local = log.on_drop("local");
                yields(5).await;
            })
        });
        assert_eq!(value, Err("lost"));
        assert_eq!(log.take(), ["local", "lent", "exit"]);
    }

    #[test]
    fn a_manager_that_is_not_entered_is_dropped_where_it_stands() {
        let log = Log::new();
        #[async_context_manager]
        async fn holds(_argument: OnDrop) {
            r#yield!();
        }
        let manager = holds(log.on_drop("argument"));
        log.add("made");
        drop(manager);
        log.add("dropped");
        assert_eq!(log.take(), ["made", "argument", "dropped"]);
    }

    #[test]
    fn the_manager_is_gone_before_what_comes_after() {
        #[async_context_manager]
        async fn holds(_argument: OnDrop) {
            r#yield!();
        }
        async fn f(log: &Log) -> u8 {
            let _function = log.on_drop("function");
            with!(holds(log.on_drop("argument")) => { return 5 });
            6
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 5);
        assert_eq!(log.take(), ["argument", "function"]);
    }
}

mod blocks {
    use super::*;

    #[async_context_manager]
    async fn logged(log: &Log) {
        r#yield!();
        log.add("exit");
    }

    #[test]
    fn locals_of_a_block_are_dropped_before_the_exit_phase() {
        let log = Log::new();
        block_on(async {
            with!(logged(&log) => {
                let _first = log.on_drop("first");
                let _second = log.on_drop("second");
                log.add("block");
            });
        });
        assert_eq!(log.take(), ["block", "second", "first", "exit"]);
    }

    #[test]
    fn locals_of_a_block_are_dropped_before_the_exit_phase_on_each_way_out() {
        async fn f(log: &Log, way: u8) -> Result<u8, String> {
            loop {
                with!(logged(log) => {
                    let _local = log.on_drop("local");
                    match way {
                        0 => Err("error")?,
                        1 => return Ok(1),
                        2 => break Ok(2),
                        _ => {}
                    }
                });
                break Ok(3);
            }
        }
        let log = Log::new();
        for way in 0..4 {
            let _ = block_on(f(&log, way));
            assert_eq!(log.take(), ["local", "exit"], "way {way}");
        }
    }

    #[test]
    fn value_of_a_block_outlives_the_exit_phase() {
        let log = Log::new();
        block_on(async {
            let value = with!(logged(&log) => log.on_drop("value"));
            log.add("after");
            drop(value);
        });
        assert_eq!(log.take(), ["exit", "after", "value"]);
    }

    #[test]
    fn values_moved_into_a_block_are_dropped_before_the_exit_phase_though_unused() {
        let log = Log::new();
        block_on(async {
            let moved = log.on_drop("moved");
            let go = log.take().is_empty();
            with!(logged(&log) => {
                if !go { drop(moved); }
                log.add("block");
            });
        });
        assert_eq!(log.take(), ["block", "moved", "exit"]);
    }

    #[test]
    fn values_that_a_block_only_uses_outlive_it() {
        let log = Log::new();
        block_on(async {
            let used = (log.on_drop("used"), 5);
            with!(logged(&log) => log.add(format!("block {}", used.1)));
            log.add("after");
        });
        assert_eq!(log.take(), ["block 5", "exit", "after", "used"]);
    }

    #[test]
    fn a_temporary_of_the_header_outlives_the_exit_phase() {
        #[async_context_manager]
        async fn borrows<'a>(log: &'a Log, _guard: &'a OnDrop) {
            r#yield!();
            log.add("exit");
        }
        let log = Log::new();
        block_on(async {
            with!(borrows(&log, &log.on_drop("temporary")) => log.add("block"));
            log.add("after");
        });
        assert_eq!(log.take(), ["block", "exit", "temporary", "after"]);
    }

    #[test]
    fn temporaries_of_the_tail_expression_are_dropped_before_the_exit_phase() {
        let log = Log::new();
        let len = block_on(async { with!(logged(&log) => { format!("{:?}", log.on_drop("temporary")).len() }) });
        assert_ne!(len, 0);
        assert_eq!(log.take(), ["temporary", "exit"]);
    }

    #[test]
    fn temporaries_of_a_block_without_braces_are_dropped_before_the_exit_phase() {
        let log = Log::new();
        let len = block_on(async { with!(logged(&log) => format!("{:?}", log.on_drop("temporary")).len()) });
        assert_ne!(len, 0);
        assert_eq!(log.take(), ["temporary", "exit"]);
    }
}

mod headers {
    use super::*;

    #[async_context_manager]
    async fn named(log: &Log, name: &str) {
        let _local = log.on_drop(format!("local {name}"));
        r#yield!();
        log.add(format!("exit {name}"));
    }

    #[test]
    fn each_manager_of_a_header_is_gone_before_the_next_is_left() {
        let log = Log::new();
        block_on(async { with!(named(&log, "a"), named(&log, "b") => log.add("block")) });
        assert_eq!(log.take(), ["block", "exit b", "local b", "exit a", "local a"]);
    }

    #[test]
    fn temporaries_of_a_later_manager_are_gone_before_the_earlier_is_left() {
        #[async_context_manager]
        async fn borrows<'a>(log: &'a Log, _guard: &'a OnDrop) {
            r#yield!();
            log.add("exit");
        }
        let log = Log::new();
        block_on(async {
            with!(borrows(&log, &log.on_drop("one")), borrows(&log, &log.on_drop("two")) => log.add("block"));
        });
        assert_eq!(log.take(), ["block", "exit", "two", "exit", "one"]);
    }

    #[test]
    fn bindings_of_a_header_live_as_long_as_the_block() {
        #[async_context_manager]
        async fn owned(log: &Log, name: &'static str) -> OnDrop {
            r#yield!(log.on_drop(name));
            log.add(format!("exit {name}"));
        }
        let log = Log::new();
        block_on(async { with!(owned(&log, "a") as _a, owned(&log, "b") as _b => log.add("block")) });
        assert_eq!(log.take(), ["block", "b", "exit b", "a", "exit a"]);
    }
}
