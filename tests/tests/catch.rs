//! The option `catch`: the error of the block goes through the manager.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::fmt::{Debug, Display};
use std::task::Poll;

use async_context_manager::{Outcome, async_context_manager, with};
use tests::managers::named as plain;
use tests::{Log, block_on, drop_after, panic_message, panic_of, yields};

/// What a manager does after its block.
#[derive(Clone, Copy, Debug)]
enum Then {
    Pass,
    Replace,
    Panic,
    Swallow,
}

#[async_context_manager(catch)]
async fn catching(log: &Log, then: Then) -> Result<(), String> {
    log.add("enter");
    yields(1).await;
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    yields(2).await;
    log.add("exit");
    match then {
        Then::Pass => outcome.into_result(),
        Then::Replace => Err(format!("instead of {outcome:?}")),
        Then::Panic => panic!("leaving"),
        Then::Swallow => Ok(()),
    }
}

/// A manager of any error.
#[async_context_manager(catch)]
async fn shown<E: Display>(log: &Log) -> Result<(), E> {
    let outcome = r#yield!();
    if let Outcome::Failed(error) = &outcome {
        log.add(format!("failed: {error}"));
    }
    outcome.into_result()
}

#[async_context_manager(catch)]
async fn named(log: &Log, name: &str, then: Then) -> Result<(), String> {
    log.add(format!("enter {name}"));
    let outcome = r#yield!();
    yields(1).await;
    log.add(format!("exit {name} {outcome:?}"));
    match (then, outcome) {
        (Then::Replace, Outcome::Failed(error)) => Err(format!("{error} by {name}")),
        (_, outcome) => outcome.into_result(),
    }
}

/// Hides a `return` with an `Err`.
macro_rules! bail {
    ($error:expr) => {
        return Err($error.into())
    };
}

fn fails() -> Result<u8, String> {
    Err("error".to_string())
}

/// The ways of a block.
#[derive(Clone, Copy, Debug)]
enum Way {
    Value,
    OkValue,
    Question,
    ReturnErr,
    ReturnOk,
    Hidden,
    Break,
    Continue,
    Panic,
}

const FAILING: [Way; 3] = [Way::Question, Way::ReturnErr, Way::Hidden];
const PASSING: [Way; 5] = [Way::Value, Way::OkValue, Way::ReturnOk, Way::Break, Way::Continue];

/// Numbers tell where it came out: 1 the value, 2 by `return`, 3 by `break`, 4 by `continue`.
async fn take(log: &Log, way: Way, then: Then) -> Result<u8, String> {
    let mut first = true;
    let broken = loop {
        if !first {
            break 4;
        }
        first = false;
        let value: Result<u8, String> = with!(catching(log, then) => {
            yields(1).await;
            match way {
                Way::Value => 1,
                Way::OkValue => Ok::<_, String>(1)?,
                Way::Question => fails()?,
                Way::ReturnErr => return fails(),
                Way::ReturnOk => return Ok(2),
                Way::Hidden => bail!("error"),
                Way::Break => break 3,
                Way::Continue => continue,
                Way::Panic => panic!("in the block"),
            }
        });
        log.add("after");
        return value;
    };
    Ok(broken)
}

mod ways {
    use super::*;

    const STEPS: [&str; 4] = ["enter", "Failed(\"error\")", "exit", "after"];

    #[test]
    fn each_caught_error_can_be_passed_on() {
        for way in FAILING {
            let log = Log::new();
            assert_eq!(block_on(take(&log, way, Then::Pass)), Err("error".to_string()), "{way:?}");
            assert_eq!(log.take(), STEPS, "{way:?}");
        }
    }

    #[test]
    fn each_caught_error_can_be_replaced() {
        for way in FAILING {
            let log = Log::new();
            let replaced = Err("instead of Failed(\"error\")".to_string());
            assert_eq!(block_on(take(&log, way, Then::Replace)), replaced, "{way:?}");
            assert_eq!(log.take(), STEPS, "{way:?}");
        }
    }

    #[test]
    fn each_caught_error_gives_way_to_a_panic() {
        for way in FAILING {
            let log = Log::new();
            assert_eq!(panic_message(take(&log, way, Then::Panic)), "leaving", "{way:?}");
            assert_eq!(log.take(), STEPS[..3], "{way:?}");
        }
    }

    #[test]
    fn each_caught_error_must_be_passed_on_or_replaced() {
        for way in FAILING {
            let log = Log::new();
            assert_eq!(
                panic_message(take(&log, way, Then::Swallow)),
                "`catching` caught the error of its block and succeeded, so its `with!` has no value: return an `Err`, \
                 or add the option `suppress`",
                "{way:?}"
            );
            assert_eq!(log.take(), STEPS[..3], "{way:?}");
        }
    }

    fn number(way: Way) -> u8 {
        match way {
            Way::ReturnOk => 2,
            Way::Break => 3,
            Way::Continue => 4,
            _ => 1,
        }
    }

    #[test]
    fn each_end_without_an_error_goes_on_through_a_catching_manager() {
        for way in PASSING {
            for then in [Then::Pass, Then::Swallow] {
                let log = Log::new();
                assert_eq!(block_on(take(&log, way, then)), Ok(number(way)), "{way:?} {then:?}");
                assert_eq!(log.take()[..3], ["enter", "Completed", "exit"], "{way:?} {then:?}");
            }
        }
    }

    #[test]
    fn each_end_without_an_error_can_be_replaced_by_one() {
        for way in PASSING {
            let log = Log::new();
            let replaced = Err("instead of Completed".to_string());
            assert_eq!(block_on(take(&log, way, Then::Replace)), replaced, "{way:?}");
            assert_eq!(log.take(), ["enter", "Completed", "exit", "after"], "{way:?}");
        }
    }

    #[test]
    fn each_end_without_an_error_gives_way_to_a_panic() {
        for way in PASSING {
            let log = Log::new();
            assert_eq!(panic_message(take(&log, way, Then::Panic)), "leaving", "{way:?}");
            assert_eq!(log.take(), ["enter", "Completed", "exit"], "{way:?}");
        }
    }

    #[test]
    fn panic_goes_on_through_a_catching_manager() {
        for then in [Then::Pass, Then::Swallow, Then::Replace] {
            let log = Log::new();
            assert_eq!(panic_message(take(&log, Way::Panic, then)), "in the block", "{then:?}");
            assert_eq!(log.take(), ["enter", "Panicked", "exit"], "{then:?}");
        }
    }

    #[test]
    fn panic_gives_way_to_a_panic_of_a_catching_manager() {
        let log = Log::new();
        assert_eq!(panic_message(take(&log, Way::Panic, Then::Panic)), "leaving");
    }

    #[test]
    fn panic_keeps_its_payload_through_a_catching_manager() {
        let log = Log::new();
        let payload = panic_of(async {
            with!(catching(&log, Then::Pass) => {
                std::panic::panic_any(5_u8);
                #[expect(unreachable_code, reason = "for the type")]
                Ok::<(), String>(())
            })
        });
        assert_eq!(payload.downcast_ref(), Some(&5_u8));
    }
}

mod values {
    use super::*;

    #[test]
    fn an_err_as_value_is_that_of_the_with() {
        let log = Log::new();
        let value: Result<Result<u8, String>, String> = block_on(async {
            let value = with!(catching(&log, Then::Pass) => fails());
            log.add("after");
            value
        });
        assert_eq!(value, Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(\"error\")", "exit", "after"]);
    }

    #[test]
    fn an_ok_as_value_stays_in_it() {
        let log = Log::new();
        let value = block_on(async { with!(catching(&log, Then::Pass) => Ok::<_, String>(5)) });
        assert_eq!(value, Ok(Ok(5)));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn a_poll_of_an_err_fails() {
        let log = Log::new();
        for (value, outcome) in [
            (Poll::Ready(Ok(5)), "Completed"),
            (Poll::Pending, "Completed"),
            (Poll::Ready(Err("error".to_string())), "Failed(\"error\")"),
        ] {
            let given = block_on(async { with!(catching(&log, Then::Pass) => value.clone()) });
            assert_eq!(log.take()[1], outcome);
            match value {
                Poll::Ready(Err(error)) => assert_eq!(given, Err(error)),
                other => assert_eq!(given, Ok(other)),
            }
        }
    }

    #[test]
    fn a_poll_of_an_option_of_an_err_fails() {
        let log = Log::new();
        let value: Poll<Option<Result<u8, String>>> = Poll::Ready(Some(fails()));
        let given = block_on(async { with!(catching(&log, Then::Pass) => value) });
        assert_eq!(given, Err("error".to_string()));
        assert_eq!(log.take()[1], "Failed(\"error\")");
    }

    #[test]
    fn a_block_that_can_not_fail_has_no_error() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(catching(&log, Then::Pass) => 5) }), Ok(5));
        assert_eq!(block_on(async { with!(catching(&log, Then::Pass) => {}) }), Ok(()));
        assert_eq!(block_on(async { with!(catching(&log, Then::Pass) => Some(5)) }), Ok(Some(5)));
        let replaced: Result<u8, _> = block_on(async { with!(catching(&log, Then::Replace) => 5) });
        assert_eq!(replaced, Err("instead of Completed".to_string()));
    }

    #[test]
    fn a_none_that_leaves_is_no_error() {
        async fn leaves(log: &Log, number: Option<u8>) -> Option<u8> {
            let value = with!(catching(log, Then::Pass) => number? + 1);
            log.add("after");
            value.ok()
        }
        let log = Log::new();
        assert_eq!(block_on(leaves(&log, None)), None);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
        assert_eq!(block_on(leaves(&log, Some(1))), Some(2));
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
    }

    #[test]
    fn a_failure_to_enter_runs_nothing() {
        #[async_context_manager(catch)]
        async fn closed(log: &Log) -> Result<&mut u8, String> {
            let _end = log.on_drop("ended");
            let mut number = fails()?;
            let outcome = r#yield!(&mut number);
            log.add("exit");
            outcome.into_result()
        }
        let log = Log::new();
        let value: Result<(), _> = block_on(async { with!(closed(&log) as _number => log.add("block")) });
        assert_eq!(value, Err("error".to_string()));
        assert_eq!(log.take(), ["ended"]);
    }

    #[test]
    fn the_question_mark_on_the_with_leaves_the_function() {
        async fn asks(log: &Log) -> Result<u8, String> {
            let number = with!(catching(log, Then::Replace) => fails()?)?;
            log.add("not here");
            Ok(number)
        }
        let log = Log::new();
        assert_eq!(block_on(asks(&log)), Err("instead of Failed(\"error\")".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(\"error\")", "exit"]);
    }

    #[test]
    fn jumps_leave_loops() {
        async fn sum(log: &Log) -> Result<u32, String> {
            let mut sum = 0;
            'outer: for n in 0..10 {
                loop {
                    let value: Result<(), String> = with!(catching(log, Then::Pass) => {
                        match n {
                            0 => continue 'outer,
                            1 => break,
                            2 => Err("two".to_string())?,
                            5 => break 'outer,
                            _ => sum += n,
                        }
                    });
                    if let Err(error) = value {
                        log.add(error);
                    }
                    continue 'outer;
                }
                sum += 100;
            }
            Ok(sum)
        }
        let log = Log::new();
        assert_eq!(block_on(sum(&log)), Ok(107));
        let outcomes: Vec<_> = log.take().into_iter().filter(|event| event != "enter" && event != "exit").collect();
        assert_eq!(
            outcomes,
            ["Completed", "Completed", "Failed(\"two\")", "two", "Completed", "Completed", "Completed"]
        );
    }
}

mod inference {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Converted(String);

    impl Display for Converted {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "converted {}", self.0)
        }
    }

    impl From<String> for Converted {
        fn from(error: String) -> Self {
            Self(error)
        }
    }

    const SAID: [&str; 1] = ["failed: converted error"];

    fn converted<T>() -> Result<T, Converted> {
        Err(Converted("error".to_string()))
    }

    #[test]
    fn caught_type_is_inferred_from_a_function() {
        async fn around(log: &Log) -> Result<u8, Converted> {
            with!(shown(log) => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log)), converted());
        assert_eq!(log.take(), SAID);
    }

    #[test]
    fn caught_type_is_inferred_from_a_function_with_the_value_asked() {
        async fn around(log: &Log) -> Result<u8, Converted> {
            let number = with!(shown(log) => fails()?)?;
            Ok(number)
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log)), converted());
        assert_eq!(log.take(), SAID);
    }

    #[test]
    fn caught_type_is_inferred_from_a_hidden_return() {
        async fn around(log: &Log, wrong: bool) -> Result<u8, Converted> {
            let number = with!(shown(log) => {
                if wrong { bail!("error".to_string()); }
                5
            })?;
            Ok(number)
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log, true)), converted());
        assert_eq!(log.take(), SAID);
        assert_eq!(block_on(around(&log, false)), Ok(5));
    }

    #[test]
    fn caught_type_is_inferred_from_a_boxed_error() {
        async fn around(log: &Log) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
            with!(shown(log) => "x".parse::<u8>()?)
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log)).unwrap_err().to_string(), "invalid digit found in string");
        assert_eq!(log.take(), ["failed: invalid digit found in string"]);
    }

    #[test]
    fn caught_type_is_inferred_from_an_async_block() {
        let log = Log::new();
        let block = async {
            let number = with!(shown(&log) => fails()?)?;
            Ok::<_, Converted>(number)
        };
        assert_eq!(block_on(block), converted());
        assert_eq!(log.take(), SAID);
    }

    #[test]
    fn caught_type_is_inferred_from_an_async_closure() {
        let log = Log::new();
        let closure =
            async |wrong: bool| -> Result<u8, Converted> { with!(shown(&log) => if wrong { fails()? } else { 5 }) };
        assert_eq!(block_on(closure(true)), converted());
        assert_eq!(log.take(), SAID);
        assert_eq!(block_on(closure(false)), Ok(5));
    }

    #[test]
    fn caught_type_is_inferred_from_a_closure_with_an_async_block() {
        let log = Log::new();
        let closure = || async { with!(shown(&log) => Err::<u8, _>(Converted("error".to_string()))).flatten_it() };
        assert_eq!(block_on(closure()), converted());
        assert_eq!(log.take(), SAID);
    }

    /// `Result::flatten` is younger than the oldest Rust that is supported.
    trait Flatten {
        type Flat;
        fn flatten_it(self) -> Self::Flat;
    }

    impl<T, E> Flatten for Result<Result<T, E>, E> {
        type Flat = Result<T, E>;
        fn flatten_it(self) -> Result<T, E> {
            self.and_then(|value| value)
        }
    }

    #[test]
    fn caught_type_is_inferred_through_nested_withs() {
        async fn around(log: &Log) -> Result<u8, Converted> {
            with!(shown(log) => {
                let number = with!(shown(log) => {
                    with!(plain(log, "in") => fails()?)
                })?;
                number + 1
            })
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log)), converted());
        assert_eq!(
            log.take(),
            ["enter in", "exit in Failed(())", "failed: converted error", "failed: converted error"]
        );
    }

    #[test]
    fn caught_type_is_inferred_in_a_header() {
        async fn around(log: &Log) -> Result<u8, Converted> {
            with!(shown(log), shown(log) => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log)), converted());
        assert_eq!(log.take(), [SAID[0], SAID[0]]);
    }

    #[test]
    fn caught_type_is_inferred_from_the_value_alone() {
        let log = Log::new();
        let value: Result<Result<u8, _>, _> = block_on(async { with!(shown(&log) => fails()) });
        assert_eq!(value, Err("error".to_string()));
        assert_eq!(log.take(), ["failed: error"]);
    }

    /// The error of the block is known only by the first manager.
    #[test]
    fn of_the_block_from_the_manager_alone() {
        #[async_context_manager]
        async fn fallible() -> Result<(), String> {
            r#yield!();
            Ok(())
        }
        let log = Log::new();
        let value: Result<Result<u8, _>, _> =
            block_on(async { with!(shown::<String>(&log), fallible() => Err("error".into())) });
        assert_eq!(value, Err("error".to_string()));
        assert_eq!(log.take(), ["failed: error"]);
    }

    #[test]
    fn caught_type_is_inferred_from_the_manager_alone() {
        let log = Log::new();
        let value = block_on(async { with!(shown::<String>(&log) => 5) });
        assert_eq!(value, Ok(5));
    }

    #[test]
    fn caught_type_is_inferred_in_a_generic_function() {
        async fn around<T, E: Display>(log: &Log, result: Result<T, E>) -> Result<T, E> {
            with!(shown(log) => result?)
        }
        let log = Log::new();
        assert_eq!(block_on(around(&log, fails())), fails());
        assert_eq!(log.take(), ["failed: error"]);
    }

    #[test]
    fn caught_type_is_inferred_with_the_value_still_open() {
        async fn around(log: &Log) -> Result<u16, std::num::ParseIntError> {
            let number: u16 = with!(shown(log) => "5".parse()?)?;
            Ok(number)
        }
        assert_eq!(block_on(around(&Log::new())), Ok(5));
    }

    #[tokio::test]
    async fn caught_type_is_inferred_from_a_tokio_test() -> Result<(), Converted> {
        let log = Log::new();
        let number = with!(shown(&log) => Ok::<_, String>(5)?)?;
        assert_eq!(number, 5);
        Ok(())
    }

    #[test]
    fn caught_type_is_inferred_from_a_tokio_main() {
        #[tokio::main(flavor = "current_thread")]
        async fn main() -> Result<u8, Converted> {
            with!(shown(&Log::new()) => fails()?)
        }
        assert_eq!(main(), converted());
    }
}

mod headers {
    use super::*;

    async fn outside(log: &Log) -> Result<u8, String> {
        with!(named(log, "catches", Then::Replace), plain(log, "in") => fails()?)
    }

    #[test]
    fn catching_manager_outside_a_plain_one_gets_the_error() {
        let log = Log::new();
        assert_eq!(block_on(outside(&log)), Err("error by catches".to_string()));
        assert_eq!(log.take(), ["enter catches", "enter in", "exit in Failed(())", "exit catches Failed(\"error\")"]);
    }

    #[test]
    fn catching_manager_inside_a_plain_one_gets_the_error() {
        async fn inside(log: &Log) -> Result<u8, String> {
            with!(plain(log, "out"), named(log, "catches", Then::Replace) => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(inside(&log)), Err("error by catches".to_string()));
        assert_eq!(log.take(), ["enter out", "enter catches", "exit catches Failed(\"error\")", "exit out Failed(())"]);
    }

    #[test]
    fn two_catching_managers_get_the_error() {
        async fn twice(log: &Log) -> Result<u8, String> {
            with!(named(log, "out", Then::Replace), named(log, "in", Then::Replace) => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(twice(&log)), Err("error by in by out".to_string()));
        assert_eq!(
            log.take(),
            ["enter out", "enter in", "exit in Failed(\"error\")", "exit out Failed(\"error by in\")"]
        );
    }

    #[test]
    fn the_values_err_in_the_innermost_is_caught_by_all() {
        async fn twice(log: &Log) -> Result<Result<u8, String>, String> {
            with!(named(log, "out", Then::Replace), plain(log, "mid"), named(log, "in", Then::Pass) => fails())
        }
        let log = Log::new();
        assert_eq!(block_on(twice(&log)), Err("error by out".to_string()));
    }

    #[test]
    fn a_values_err_with_plain_ones_inside_is_caught() {
        async fn outer(log: &Log) -> Result<Result<u8, String>, String> {
            with!(named(log, "out", Then::Replace), plain(log, "in") => fails())
        }
        let log = Log::new();
        assert_eq!(block_on(outer(&log)), Err("error by out".to_string()));
        assert_eq!(log.take()[2..], ["exit in Failed(())", "exit out Failed(\"error\")"]);
    }

    #[async_context_manager]
    async fn fallible(log: &Log, enters: bool, leaves: bool) -> Result<(), String> {
        if !enters {
            return Err("entering".to_string());
        }
        let outcome = r#yield!();
        log.add(format!("exit fallible {outcome:?}"));
        if leaves { Ok(()) } else { Err("leaving".to_string()) }
    }

    #[test]
    fn an_error_of_a_later_one_is_caught() {
        async fn later(log: &Log, enters: bool, leaves: bool) -> Result<u8, String> {
            with!(named(log, "out", Then::Replace), fallible(log, enters, leaves) => 5)
        }
        let log = Log::new();
        assert_eq!(block_on(later(&log, false, true)), Err("entering by out".to_string()));
        assert_eq!(log.take(), ["enter out", "exit out Failed(\"entering\")"]);
        assert_eq!(block_on(later(&log, true, false)), Err("leaving by out".to_string()));
        assert_eq!(log.take(), ["enter out", "exit fallible Completed", "exit out Failed(\"leaving\")"]);
        assert_eq!(block_on(later(&log, true, true)), Ok(5));
    }

    #[test]
    fn an_error_of_an_earlier_one_replaces() {
        async fn earlier(log: &Log) -> Result<u8, String> {
            with!(fallible(log, true, false), named(log, "in", Then::Replace) => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(earlier(&log)), Err("leaving".to_string()));
        assert_eq!(log.take(), ["enter in", "exit in Failed(\"error\")", "exit fallible Failed(())"]);
    }

    #[test]
    fn nested_catching_withs_are_like_a_header() {
        async fn nested(log: &Log) -> Result<u8, String> {
            with!(named(log, "out", Then::Replace) => {
                with!(plain(log, "mid") => {
                    with!(named(log, "in", Then::Replace) => fails()?)
                })?
            })
        }
        let log = Log::new();
        assert_eq!(block_on(nested(&log)), Err("error by in by out".to_string()));
        assert_eq!(
            log.take()[3..],
            ["exit in Failed(\"error\")", "exit mid Failed(())", "exit out Failed(\"error by in\")"]
        );
    }

    #[test]
    fn jumps_pass_all_catching_managers() {
        async fn jumps(log: &Log) -> u8 {
            loop {
                let _: Result<(), String> = with!(named(log, "out", Then::Pass), plain(log, "mid"), named(log, "in", Then::Pass) => { break 5; });
            }
        }
        let log = Log::new();
        assert_eq!(block_on(jumps(&log)), 5);
        assert_eq!(log.take()[3..], ["exit in Completed", "exit mid Completed", "exit out Completed"]);
    }
}

mod composition {
    use super::*;

    /// Its marker stands in a plain `with!`.
    #[async_context_manager(catch)]
    async fn around_plain(log: &Log) -> Result<(), String> {
        let outcome = with!(plain(log, "inner") => r#yield!());
        log.add(format!("own {outcome:?}"));
        outcome.into_result()
    }

    #[test]
    fn a_plain_one_around_a_catching_marker_sees_failed() {
        let log = Log::new();
        let value: Result<u8, String> = block_on(async { with!(around_plain(&log) => fails()?) });
        assert_eq!(value, fails());
        assert_eq!(log.take(), ["enter inner", "exit inner Failed(())", "own Failed(\"error\")"]);
        let value = block_on(async { with!(around_plain(&log) => 5) });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter inner", "exit inner Completed", "own Completed"]);
    }

    /// Its marker stands in another that catches, and gets the error by the value of the block.
    #[async_context_manager(catch)]
    async fn around_catching(log: &Log, then: Then) -> Result<(), String> {
        with!(named(log, "inner", then) => r#yield!().into_result()?)
    }

    #[test]
    fn a_catching_one_around_a_catching_marker_gets_the_error_that_is_passed_on() {
        let log = Log::new();
        let value: Result<u8, String> = block_on(async { with!(around_catching(&log, Then::Replace) => fails()?) });
        assert_eq!(value, Err("error by inner".to_string()));
        assert_eq!(log.take(), ["enter inner", "exit inner Failed(\"error\")"]);
        let value = block_on(async { with!(around_catching(&log, Then::Replace) => 5) });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter inner", "exit inner Completed"]);
    }

    /// A plain manager, with a catching one around its marker.
    #[async_context_manager]
    async fn plain_in_catching(log: &Log) -> Result<(), String> {
        with!(named(log, "inner", Then::Replace) => { r#yield!(); })
    }

    #[test]
    fn a_catching_one_around_a_plain_marker_sees_cancelled() {
        let log = Log::new();
        let value: Result<u8, String> = block_on(async {
            let number = with!(plain_in_catching(&log) => fails()?)?;
            Ok(number)
        });
        assert_eq!(value, fails());
        assert_eq!(log.take(), ["enter inner", "exit inner Cancelled"]);
        let value: Result<u8, String> = block_on(async { with!(plain_in_catching(&log) => 5) });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter inner", "exit inner Completed"]);
    }

    #[test]
    fn a_panic_is_seen_through_all() {
        let log = Log::new();
        let run = async {
            with!(around_catching(&log, Then::Pass), plain_in_catching(&log), around_plain(&log) => {
                assert!(log.take().is_empty(), "in the block");
            })
        };
        assert_eq!(panic_message(run), "in the block");
        assert_eq!(log.take(), ["exit inner Panicked", "own Panicked", "exit inner Panicked", "exit inner Panicked"]);
    }
}

mod racing {
    use super::*;
    use std::time::Duration;
    use tokio::time::{sleep, timeout};

    #[async_context_manager(catch)]
    async fn deadline(log: &Log) -> Result<(), String> {
        let outcome = timeout(Duration::from_secs(1), async { r#yield!() }).await;
        log.add(format!("{outcome:?}"));
        outcome.map_err(|_| "too late".to_string())?.into_result()
    }

    async fn within(log: &Log, secs: u64, fail: bool) -> Result<u8, String> {
        with!(deadline(log) => {
            sleep(Duration::from_secs(secs)).await;
            if fail { fails()? } else { 5 }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn block_that_wins_against_a_catching_manager_gives_its_error() {
        let log = Log::new();
        assert_eq!(within(&log, 0, false).await, Ok(5));
        assert_eq!(log.take(), ["Ok(Completed)"]);
        assert_eq!(within(&log, 0, true).await, fails());
        assert_eq!(log.take(), ["Ok(Failed(\"error\"))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn block_that_loses_against_a_catching_manager_is_dropped() {
        let log = Log::new();
        assert_eq!(within(&log, 2, true).await, Err("too late".to_string()));
        assert_eq!(log.take(), ["Err(Elapsed(()))"]);
    }

    #[tokio::test(start_paused = true)]
    async fn select_in_a_catching_manager_gives_the_error() {
        #[async_context_manager(catch)]
        async fn selects() -> Result<(), String> {
            tokio::select! {
                outcome = async { r#yield!() } => outcome.into_result().map_err(|error| error + " in the race"),
                () = sleep(Duration::from_secs(1)) => Err("too late".to_string()),
            }
        }
        let run = async |secs| -> Result<u8, String> {
            with!(selects() => {
                sleep(Duration::from_secs(secs)).await;
                fails()?
            })
        };
        assert_eq!(run(0).await, Err("error in the race".to_string()));
        assert_eq!(run(2).await, Err("too late".to_string()));
    }
}

mod moving {
    use super::*;

    /// Not `Clone`, and says when it is dropped.
    #[expect(dead_code, reason = "it is there to be dropped")]
    struct Counted(tests::OnDrop);

    impl Debug for Counted {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Counted")
        }
    }

    #[async_context_manager(catch)]
    async fn counting(log: &Log, then: Then) -> Result<(), Counted> {
        let outcome = r#yield!();
        yields(1).await;
        log.add(format!("{outcome:?}"));
        match then {
            Then::Pass => outcome.into_result(),
            Then::Replace => Err(Counted(log.on_drop("drop second"))),
            Then::Panic => panic!("leaving"),
            Then::Swallow => Ok(()),
        }
    }

    async fn run(log: &Log, then: Then, by_value: bool) -> Result<Result<(), Counted>, Counted> {
        let error = Err(Counted(log.on_drop("drop first")));
        let value = with!(counting(log, then) => {
            if by_value { error } else { Ok(error?) }
        });
        log.add("after");
        value
    }

    #[test]
    fn an_error_is_dropped_once() {
        for by_value in [true, false] {
            let log = Log::new();
            drop(block_on(run(&log, Then::Pass, by_value)));
            assert_eq!(log.take(), ["Failed(Counted)", "after", "drop first"]);
        }
    }

    #[test]
    fn a_replaced_error_is_dropped_by_the_manager() {
        for by_value in [true, false] {
            let log = Log::new();
            drop(block_on(run(&log, Then::Replace, by_value)));
            assert_eq!(log.take(), ["Failed(Counted)", "drop first", "after", "drop second"]);
        }
    }

    #[test]
    fn an_error_in_a_panic_is_dropped_by_the_manager() {
        for then in [Then::Panic, Then::Swallow] {
            let log = Log::new();
            panic_of(run(&log, then, true));
            assert_eq!(log.take(), ["Failed(Counted)", "drop first"], "{then:?}");
        }
    }

    #[test]
    fn an_error_in_a_dropped_exit_phase_is_dropped() {
        for by_value in [true, false] {
            let log = Log::new();
            drop_after(1, run(&log, Then::Pass, by_value));
            assert_eq!(log.take(), ["drop first"]);
        }
    }

    #[test]
    fn an_error_that_the_manager_takes_no_notice_of_is_dropped_at_once() {
        #[async_context_manager(catch)]
        async fn forgetful(log: &Log) -> Result<(), Counted> {
            let failed = r#yield!().is_failed();
            log.add("exit");
            if failed { Err(Counted(log.on_drop("drop second"))) } else { Ok(()) }
        }
        let log = Log::new();
        let value: Result<(), Counted> = block_on(async {
            let first = Counted(log.on_drop("drop first"));
            with!(forgetful(&log) => Err(first)?)
        });
        assert_eq!(log.take(), ["drop first", "exit"]);
        drop(value);
        assert_eq!(log.take(), ["drop second"]);
    }

    #[test]
    fn an_error_through_a_header_is_dropped_once() {
        async fn several(log: &Log) -> Result<(), Counted> {
            let error = Counted(log.on_drop("drop first"));
            with!(counting(log, Then::Pass), plain(log, "mid"), counting(log, Then::Pass) => Err(error)?)
        }
        let log = Log::new();
        drop(block_on(several(&log)));
        assert_eq!(
            log.take(),
            ["enter mid", "Failed(Counted)", "exit mid Failed(())", "Failed(Counted)", "drop first"]
        );
    }

    #[test]
    fn a_completed_value_is_dropped_when_an_error_replaces_it() {
        let log = Log::new();
        let value = block_on(async { with!(counting(&log, Then::Replace) => log.on_drop("drop value")) });
        assert_eq!(log.take(), ["Completed", "drop value"]);
        drop(value);
        assert_eq!(log.take(), ["drop second"]);
    }
}

mod cancellation {
    use super::*;

    async fn pending(log: &Log, polls: usize) -> Result<u8, String> {
        with!(catching(log, Then::Pass) => {
            let _end = log.on_drop("block ends");
            yields(polls).await;
            fails()?
        })
    }

    #[test]
    fn catching_manager_that_is_dropped_in_its_block_sees_cancelled() {
        let log = Log::new();
        drop_after(2, pending(&log, 1));
        assert_eq!(log.take(), ["enter", "block ends", "Cancelled"]);
    }

    #[test]
    fn catching_manager_that_is_dropped_while_entering_sees_nothing() {
        let log = Log::new();
        drop_after(1, pending(&log, 1));
        assert_eq!(log.take(), ["enter"]);
    }

    #[test]
    fn catching_manager_that_is_dropped_while_leaving_ends_there() {
        let log = Log::new();
        drop_after(3, pending(&log, 1));
        assert_eq!(log.take(), ["enter", "block ends", "Failed(\"error\")"]);
    }

    #[test]
    fn catching_manager_that_is_dropped_gets_no_error() {
        #[async_context_manager(catch)]
        async fn instant(log: &Log) -> Result<(), String> {
            let outcome = r#yield!();
            let result = outcome.into_result();
            log.add(format!("{result:?}"));
            result
        }
        let log = Log::new();
        drop_after(1, async {
            with!(instant(&log) => {
                yields(1).await;
                fails()?
            })
            .map(|_: u8| ())
        });
        assert_eq!(log.take(), ["Ok(())"]);
    }
}
