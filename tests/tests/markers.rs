//! Where a `yield!` may stand in a manager.

#![forbid(unsafe_code)]

use async_context_manager::{Outcome, async_context_manager, context_managers, nullcontext, with};
use futures::StreamExt;
use tests::managers::named;
use tests::{Log, block_on, drop_after, yields};

/// Runs a block that adds to what is lent, and gives what was logged.
macro_rules! run {
    ($manager:ident($log:expr $(, $argument:expr)*)) => {{
        block_on(async {
            with!($manager($log $(, $argument)*) as lent => {
                $log.add(format!("block {lent}"));
            });
        });
        $log.take()
    }};
}

mod expressions {
    use super::*;

    #[async_context_manager]
    async fn ignored(log: &Log) -> u8 {
        r#yield!(5);
        log.add("exit");
    }

    #[async_context_manager]
    async fn at_the_end(log: &Log) -> u8 {
        log.add("enter");
        r#yield!(5)
    }

    #[async_context_manager]
    async fn alone(_log: &Log) -> u8 {
        r#yield!(5)
    }

    #[async_context_manager]
    async fn in_an_argument(log: &Log) -> u8 {
        log.add(format!("{:?}", r#yield!(5)));
    }

    #[async_context_manager]
    async fn in_a_function_call(log: &Log) -> u8 {
        fn show(log: &Log, outcome: Outcome, exit: &str) {
            log.add(format!("{exit} {outcome:?}"));
        }
        show(log, r#yield!(5), "exit");
    }

    #[async_context_manager]
    async fn in_a_condition(log: &Log) -> u8 {
        if r#yield!(5).is_completed() {
            log.add("exit");
        } else {
            log.add("not reached");
        }
    }

    #[async_context_manager]
    async fn in_a_match(log: &Log) -> u8 {
        match r#yield!(5) {
            Outcome::Completed => log.add("exit"),
            _ => log.add("not reached"),
        }
    }

    #[async_context_manager]
    async fn in_a_let_else(log: &Log) -> u8 {
        let Outcome::Completed = r#yield!(5) else {
            log.add("not reached");
            return;
        };
        log.add("exit");
    }

    #[async_context_manager]
    async fn in_a_tuple(log: &Log) -> u8 {
        let (text, outcome) = ("exit", r#yield!(5));
        log.add(format!("{text} {outcome:?}"));
    }

    #[async_context_manager]
    async fn before_a_question_mark(log: &Log) -> Result<u8, ()> {
        r#yield!(5).into_result()?;
        log.add("exit");
        Ok(())
    }

    #[async_context_manager]
    async fn in_a_binary_expression(log: &Log) -> u8 {
        let exit = r#yield!(5) == Outcome::Completed && !log.take().is_empty();
        log.add(exit.to_string());
    }

    #[async_context_manager]
    async fn assigned(log: &Log) -> u8 {
        let outcome;
        outcome = r#yield!(5);
        log.add(format!("{outcome:?}"));
    }

    #[test]
    fn marker_may_stand_in_expressions_of_all_kinds() {
        let log = &Log::new();
        assert_eq!(run!(ignored(log)), ["block 5", "exit"]);
        assert_eq!(run!(at_the_end(log)), ["enter", "block 5"]);
        assert_eq!(run!(alone(log)), ["block 5"]);
        assert_eq!(run!(in_an_argument(log)), ["block 5", "Completed"]);
        assert_eq!(run!(in_a_function_call(log)), ["block 5", "exit Completed"]);
        assert_eq!(run!(in_a_condition(log)), ["block 5", "exit"]);
        assert_eq!(run!(in_a_match(log)), ["block 5", "exit"]);
        assert_eq!(run!(in_a_let_else(log)), ["block 5", "exit"]);
        assert_eq!(run!(in_a_tuple(log)), ["block 5", "exit Completed"]);
        assert_eq!(run!(in_a_binary_expression(log)), ["true"]);
        assert_eq!(run!(assigned(log)), ["block 5", "Completed"]);
        assert_eq!(block_on(async { with!(before_a_question_mark(log) as lent => lent) }), Ok(5));
        assert_eq!(log.take(), ["exit"]);
    }
}

mod values {
    use super::*;

    async fn later(n: u8) -> Result<u8, &'static str> {
        yields(1).await;
        if n == 0 { Err("none") } else { Ok(n) }
    }

    #[async_context_manager]
    async fn awaited(log: &Log, n: u8) -> Result<u8, &'static str> {
        r#yield!(later(n).await?);
        log.add("exit");
        Ok(())
    }

    #[test]
    fn marker_may_lend_a_value_that_is_awaited_and_may_fail() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(awaited(&log, 5) as lent => lent) }), Ok(5));
        assert_eq!(log.take(), ["exit"]);
        assert_eq!(block_on(async { with!(awaited(&log, 0) as lent => lent) }), Err("none"));
        assert!(log.take().is_empty());
    }

    #[async_context_manager]
    async fn of_a_block(log: &Log) -> String {
        r#yield!({
            let text = "text";
            log.add("value");
            text.repeat(2)
        });
    }

    #[async_context_manager]
    async fn of_a_condition(_log: &Log, yes: bool) -> &'static str {
        r#yield!(if yes { "yes" } else { "no" });
    }

    #[async_context_manager]
    async fn of_a_macro(_log: &Log) -> String {
        r#yield!(format!("{}", 5));
    }

    #[async_context_manager]
    async fn with_a_trailing_comma(_log: &Log) -> u8 {
        r#yield!(5,);
    }

    #[async_context_manager]
    async fn in_brackets(_log: &Log) -> u8 {
        r#yield![5];
    }

    #[async_context_manager]
    async fn in_braces(log: &Log) -> u8 {
        r#yield! { 5 }
        log.add("exit");
    }

    #[async_context_manager]
    async fn that_are_coerced(_log: &Log) -> Box<dyn std::fmt::Display> {
        r#yield!(Box::new(5));
    }

    #[test]
    fn marker_may_lend_values_of_all_kinds() {
        let log = &Log::new();
        assert_eq!(run!(of_a_block(log)), ["value", "block texttext"]);
        assert_eq!(run!(of_a_condition(log, true)), ["block yes"]);
        assert_eq!(run!(of_a_macro(log)), ["block 5"]);
        assert_eq!(run!(with_a_trailing_comma(log)), ["block 5"]);
        assert_eq!(run!(in_brackets(log)), ["block 5"]);
        assert_eq!(run!(in_braces(log)), ["block 5", "exit"]);
        assert_eq!(run!(that_are_coerced(log)), ["block 5"]);
    }
}

mod attributes {
    use super::*;

    #[async_context_manager]
    async fn allows(log: &Log) -> u8 {
        #[allow(unused_parens, reason = "the attribute is what is tested")]
        r#yield!((5));
        log.add("exit");
    }

    #[async_context_manager]
    async fn allows_in_a_let(log: &Log) -> u8 {
        #[allow(unused_variables, reason = "the attribute is what is tested")]
        let outcome = r#yield!(5);
        log.add("exit");
    }

    #[test]
    fn marker_may_have_attributes_of_lints() {
        let log = &Log::new();
        assert_eq!(run!(allows(log)), ["block 5", "exit"]);
        assert_eq!(run!(allows_in_a_let(log)), ["block 5", "exit"]);
    }
}

mod places {
    use super::*;

    #[async_context_manager]
    async fn in_a_block(log: &Log) -> u8 {
        let outcome = {
            log.add("inner");
            r#yield!(5)
        };
        log.add(format!("{outcome:?}"));
    }

    #[async_context_manager]
    async fn in_a_labelled_block(log: &Log) -> u8 {
        let exit = 'done: {
            if r#yield!(5).is_completed() {
                break 'done "completed";
            }
            "not reached"
        };
        log.add(exit);
    }

    #[async_context_manager]
    async fn after_a_return_of_an_err(log: &Log, fails: bool) -> Result<u8, &'static str> {
        if fails {
            return Err("entering");
        }
        r#yield!(5);
        log.add("exit");
        Ok(())
    }

    #[async_context_manager]
    async fn in_the_branch_that_does_not_fail(log: &Log, n: Option<u8>) -> Result<u8, &'static str> {
        if let Some(n) = n {
            r#yield!(n);
            log.add("exit");
            Ok(())
        } else {
            return Err("none");
        }
    }

    #[async_context_manager]
    async fn in_the_arm_that_does_not_fail(log: &Log, n: Option<u8>) -> Result<u8, &'static str> {
        match n {
            None => return Err("none"),
            Some(0) => panic!("zero"),
            Some(n) => {
                r#yield!(n);
                log.add("exit");
            }
        }
        Ok(())
    }

    #[async_context_manager]
    async fn after_a_let_else(log: &Log, n: Option<u8>) -> Result<u8, &'static str> {
        let Some(n) = n else {
            return Err("none");
        };
        r#yield!(n);
        log.add("exit");
        Ok(())
    }

    #[async_context_manager]
    async fn after_a_loop(log: &Log) -> u8 {
        let mut tries = 0;
        let found = loop {
            tries += 1;
            if tries == 3 {
                break tries;
            }
        };
        r#yield!(found);
        for _ in 0..2 {
            log.add("exit");
        }
    }

    #[async_context_manager]
    async fn before_a_return(log: &Log) -> u8 {
        let outcome = r#yield!(5);
        if outcome.is_completed() {
            log.add("returns");
            return;
        }
        log.add("not reached");
    }

    #[async_context_manager]
    async fn beside_closures_and_functions(log: &Log) -> u8 {
        fn inner() -> u8 {
            if true {
                return 5;
            }
            6
        }
        let closure = || {
            if true {
                return inner();
            }
            6
        };
        r#yield!(closure());
        log.add("exit");
    }

    #[async_context_manager]
    async fn in_nested_async_blocks(log: &Log) -> u8 {
        let mut local = 4;
        let outcome = async {
            yields(1).await;
            local += 1;
            let outcome = async { async { r#yield!(local) }.await }.await;
            yields(1).await;
            outcome
        }
        .await;
        log.add(format!("{outcome:?} {local}"));
    }

    #[async_context_manager]
    async fn shows(log: &Log, outcome: Outcome) -> Outcome {
        log.add(format!("{outcome:?}"));
        r#yield!(outcome);
        log.add("shown");
    }

    #[test]
    fn manager_function_may_stand_in_a_manager_function() {
        #[async_context_manager]
        async fn outer(log: &Log) -> u8 {
            #[async_context_manager]
            async fn inner(log: &Log) -> u8 {
                let outcome = r#yield!(5);
                log.add(format!("{outcome:?}"));
            }
            with!(inner(log) as n => { r#yield!(n); });
        }
        let log = &Log::new();
        assert_eq!(run!(outer(log)), ["block 5", "Completed"]);
    }

    #[async_context_manager]
    async fn in_the_header_of_a_with(log: &Log) -> u8 {
        with!(shows(log, r#yield!(5)) as outcome => log.add(format!("exit {outcome:?}")));
    }

    #[test]
    fn manager_function_may_stand_in_the_block_of_a_with() {
        async fn defines(log: &Log) -> usize {
            with!(named(log, "outer") => {
                /// Lends the end of a text.
                #[async_context_manager(catch)]
                #[inline]
                async fn fallible(log: &Log, text: &str) -> Result<&mut String, u8> {
                    let mut text = format!("{text}!");
                    log.add("enter");
                    r#yield!(&mut text).into_result()
                }
                struct Own;
                impl Own {
                    #[::async_context_manager::async_context_manager]
                    async fn get(&self) -> &Self {
                        with!(nullcontext(5) as _five, { r#yield!(self); });
                    }
                }
                context_managers! {
                    #[async_context_manager]
                    async fn spelled(text: &str) -> usize {
                        yield!(text.len())
                    }
                }
                with!(fallible(log, "text") as text => {
                    with!(Own.get() as _own, spelled(text) as length => length)
                }).unwrap_or_default()
            })
        }
        let log = Log::new();
        assert_eq!(block_on(defines(&log)), 5);
        assert_eq!(log.take(), ["enter outer", "enter", "exit outer Completed"]);
    }

    #[test]
    fn manager_function_may_stand_in_a_block_beside_a_marker() {
        #[async_context_manager]
        async fn defines(log: &Log) -> usize {
            with!(named(log, "outer") => {
                #[async_context_manager]
                async fn inner(text: &str) -> &str {
                    r#yield!(text);
                }
                with!(inner("text") as text => { r#yield!(text.len()) });
            });
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(defines(&log) as length => length) }), 4);
        assert_eq!(log.take(), ["enter outer", "exit outer Completed"]);
    }

    #[test]
    fn marker_may_stand_in_places_of_all_kinds() {
        let log = &Log::new();
        assert_eq!(run!(in_a_block(log)), ["inner", "block 5", "Completed"]);
        assert_eq!(run!(in_a_labelled_block(log)), ["block 5", "completed"]);
        assert_eq!(run!(after_a_loop(log)), ["block 3", "exit", "exit"]);
        assert_eq!(run!(before_a_return(log)), ["block 5", "returns"]);
        assert_eq!(run!(beside_closures_and_functions(log)), ["block 5", "exit"]);
        assert_eq!(run!(in_nested_async_blocks(log)), ["block 5", "Completed 5"]);
        assert_eq!(run!(in_the_header_of_a_with(log)), ["block 5", "Completed", "exit Completed", "shown"]);
    }

    #[test]
    fn failure_may_go_around_a_marker() {
        let log = &Log::new();
        assert_eq!(block_on(async { with!(after_a_return_of_an_err(log, true) as n => n) }), Err("entering"));
        assert_eq!(block_on(async { with!(after_a_return_of_an_err(log, false) as n => n) }), Ok(5));
        assert_eq!(log.take(), ["exit"]);
        assert_eq!(block_on(async { with!(in_the_branch_that_does_not_fail(log, None) as n => n) }), Err("none"));
        assert_eq!(block_on(async { with!(in_the_branch_that_does_not_fail(log, Some(5)) as n => n) }), Ok(5));
        assert_eq!(log.take(), ["exit"]);
        assert_eq!(block_on(async { with!(in_the_arm_that_does_not_fail(log, None) as n => n) }), Err("none"));
        assert_eq!(block_on(async { with!(in_the_arm_that_does_not_fail(log, Some(5)) as n => n) }), Ok(5));
        assert_eq!(log.take(), ["exit"]);
        assert_eq!(block_on(async { with!(after_a_let_else(log, None) as n => n) }), Err("none"));
        assert_eq!(block_on(async { with!(after_a_let_else(log, Some(5)) as n => n) }), Ok(5));
        assert_eq!(log.take(), ["exit"]);
    }

    #[test]
    fn a_temporary_in_a_match_on_the_marker_is_there_over_the_exit_phase() {
        #[async_context_manager]
        async fn temporary(log: &Log) -> &tests::OnDrop {
            match r#yield!(&log.on_drop("temporary")) {
                Outcome::Completed => log.add("exit"),
                _ => log.add("not reached"),
            }
            log.add("end");
        }
        let log = Log::new();
        block_on(async { with!(temporary(&log) => log.add("block")) });
        assert_eq!(log.take(), ["block", "exit", "temporary", "end"]);
    }

    #[test]
    fn marker_in_a_match_gives_cancelled() {
        let log = Log::new();
        #[async_context_manager]
        async fn waits(log: &Log) {
            match r#yield!() {
                Outcome::Cancelled => log.add("cancelled"),
                outcome => log.add(format!("{outcome:?}")),
            }
        }
        drop_after(1, async { with!(waits(&log) => yields(1).await) });
        assert_eq!(log.take(), ["cancelled"]);
    }

    #[test]
    fn keyword_in_another_macro_is_not_a_marker() {
        /// The numbers of a stream.
        #[async_context_manager]
        async fn sum(log: &Log) -> u8 {
            let numbers = async_stream::stream! {
                yield 2_u8;
                yield 3;
            };
            let sum = numbers.fold(0, async |sum, number| sum + number).await;
            r#yield!(sum);
            log.add("exit");
        }
        let log = Log::new();
        block_on(async { with!(sum(&log) as sum => log.add(sum.to_string())) });
        assert_eq!(log.take(), ["5", "exit"]);
    }
}
