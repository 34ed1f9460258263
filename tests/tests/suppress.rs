//! The option `suppress`: the manager may end the block without a value, and `with!` is an `Option`.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use async_context_manager::{Outcome, async_context_manager, with};
use tests::{Log, block_on, drop_after, panic_message, yields};

fn fails() -> Result<u8, String> {
    Err("error".to_string())
}

/// Gives up its block after so many polls.
#[async_context_manager(suppress)]
async fn patient(log: &Log, polls: usize) {
    let outcome = {
        let mut block = pin!(async { r#yield!() });
        let mut left = polls;
        poll_fn(|cx| match block.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await
    };
    log.add(format!("{outcome:?}"));
    yields(1).await;
    log.add("exit");
}

/// As `patient`, and may fail in the end.
#[async_context_manager(suppress)]
async fn fallible(log: &Log, polls: usize, fail: bool) -> Result<(), String> {
    let outcome = {
        let mut block = pin!(async { r#yield!() });
        let mut left = polls;
        poll_fn(|cx| match block.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await
    };
    log.add(format!("{outcome:?}"));
    if fail { Err("leaving".to_string()) } else { Ok(()) }
}

/// Python's `contextlib.suppress`.
#[async_context_manager(catch, suppress)]
async fn suppressing<E: PartialEq>(log: &Log, name: &str, expected: E) -> Result<(), E> {
    let outcome = r#yield!();
    log.add(format!("{name} {}", outcome_kind(&outcome)));
    yields(1).await;
    match outcome.into_result() {
        Err(error) if error == expected => Ok(()),
        result => result,
    }
}

fn outcome_kind<E>(outcome: &Outcome<E>) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Failed(_) => "failed",
        Outcome::Panicked => "panicked",
        Outcome::Cancelled => "cancelled",
    }
}

#[async_context_manager]
async fn plain(log: &Log, name: &str) {
    let outcome = r#yield!();
    yields(1).await;
    log.add(format!("{name} {}", outcome_kind(&outcome)));
}

fn expected() -> String {
    "error".to_string()
}

mod without_catch {
    use super::*;

    #[test]
    fn value_in_a_suppressing_manager_is_some() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(patient(&log, 1) => 5) }), Some(5));
        assert_eq!(log.take(), ["Some(Completed)", "exit"]);
        assert_eq!(block_on(async { with!(fallible(&log, 1, false) => 5) }), Ok(Some(5)));
    }

    #[test]
    fn a_block_that_is_raced_away_is_none() {
        let log = Log::new();
        let value: Option<u8> = block_on(async {
            let value = with!(patient(&log, 1) => {
                let _end = log.on_drop("block ends");
                yields(2).await;
                5
            });
            log.add("after");
            value
        });
        assert_eq!(value, None);
        assert_eq!(log.take(), ["block ends", "None", "exit", "after"]);
    }

    #[test]
    fn a_block_that_is_raced_away_by_one_that_fails_is_an_err() {
        let log = Log::new();
        let run = async |fail| with!(fallible(&log, 1, fail) => yields(2).await);
        assert_eq!(block_on(run(false)), Ok(None));
        assert_eq!(block_on(run(true)), Err("leaving".to_string()));
    }

    #[test]
    fn err_passes_a_manager_that_does_not_catch() {
        async fn asks(log: &Log) -> Result<u8, String> {
            let value = with!(patient(log, 1) => fails()?);
            log.add("not here");
            Ok(value.unwrap_or(0))
        }
        let log = Log::new();
        let value: Option<Result<u8, String>> = block_on(async { with!(patient(&log, 1) => fails()) });
        assert_eq!(value, Some(fails()));
        assert_eq!(log.take(), ["Some(Failed(()))", "exit"]);
        assert_eq!(block_on(asks(&log)), fails());
        assert_eq!(log.take(), ["Some(Failed(()))", "exit"]);
    }

    #[test]
    fn err_of_a_suppressing_manager_replaces_the_value() {
        async fn asks(log: &Log) -> Result<Option<u8>, String> {
            with!(fallible(log, 1, true) => fails()?)
        }
        assert_eq!(block_on(asks(&Log::new())), Err("leaving".to_string()));
    }

    #[test]
    fn jumps_and_returns_pass_a_suppressing_manager() {
        async fn leave(log: &Log, way: u8) -> Option<u8> {
            let mut turns = 0;
            loop {
                turns += 1;
                if turns == 3 {
                    return Some(4);
                }
                let value = with!(patient(log, 1) => match way {
                    0 => return Some(1),
                    1 => return None,
                    2 => break,
                    3 => continue,
                    4 => None?,
                    _ => 3,
                });
                return value;
            }
            Some(2)
        }
        let log = Log::new();
        for (way, value) in [(0, Some(1)), (1, None), (2, Some(2)), (3, Some(4)), (4, None), (5, Some(3))] {
            assert_eq!(block_on(leave(&log, way)), value, "{way}");
            assert_eq!(log.take()[..2], ["Some(Completed)", "exit"], "{way}");
        }
    }

    #[test]
    fn panic_passes_a_suppressing_manager() {
        let log = Log::new();
        let run = async { with!(patient(&log, 1) => assert!(!log.take().is_empty(), "in the block")) };
        assert_eq!(panic_message(run), "in the block");
        assert_eq!(log.take(), ["Some(Panicked)", "exit"]);
    }

    #[test]
    fn suppressing_manager_that_does_not_reach_its_marker_panics() {
        #[async_context_manager(suppress)]
        async fn absent(there: bool) {
            let lend = async { r#yield!() };
            if there {
                lend.await;
            }
        }
        #[async_context_manager(catch, suppress)]
        async fn absent_too(there: bool) -> Result<(), String> {
            let lend = async { r#yield!() };
            if there { lend.await.into_result() } else { Ok(()) }
        }
        assert_eq!(block_on(async { with!(absent(true) => 5) }), Some(5));
        assert_eq!(
            panic_message(async { with!(absent(false) => 5) }),
            "`absent` ended without reaching its `yield!`: return an `Err` to skip the block"
        );
        assert_eq!(
            panic_message(async { with!(absent_too(false) => 5) }),
            "`absent_too` ended without reaching its `yield!`: return an `Err` to skip the block"
        );
    }

    #[test]
    fn suppressing_manager_that_is_dropped_is_cancelled() {
        #[async_context_manager(suppress)]
        async fn awaits(log: &Log) {
            let outcome = r#yield!();
            log.add(outcome_kind(&outcome));
        }
        let log = Log::new();
        drop_after(1, async { with!(awaits(&log) => yields(1).await) });
        assert_eq!(log.take(), ["cancelled"]);
    }
}

mod with_catch {
    use super::*;

    async fn run(log: &Log, error: Option<&str>) -> Result<Option<u8>, String> {
        let value = with!(suppressing(log, "it", expected()) => {
            yields(1).await;
            if let Some(error) = error { Err(error)?; }
            5
        });
        log.add("after");
        value
    }

    #[test]
    fn expected_error_in_a_catching_and_suppressing_manager_is_none() {
        let log = Log::new();
        assert_eq!(block_on(run(&log, Some("error"))), Ok(None));
        assert_eq!(log.take(), ["it failed", "after"]);
    }

    #[test]
    fn other_error_in_a_catching_and_suppressing_manager_goes_on() {
        let log = Log::new();
        assert_eq!(block_on(run(&log, Some("other"))), Err("other".to_string()));
        assert_eq!(log.take(), ["it failed", "after"]);
    }

    #[test]
    fn value_in_a_catching_and_suppressing_manager_is_some() {
        let log = Log::new();
        assert_eq!(block_on(run(&log, None)), Ok(Some(5)));
        assert_eq!(log.take(), ["it completed", "after"]);
    }

    #[test]
    fn an_err_as_value_is_suppressed_too() {
        let log = Log::new();
        let value = block_on(async { with!(suppressing(&log, "it", expected()) => fails()) });
        assert_eq!(value, Ok(None));
        let value = block_on(async { with!(suppressing(&log, "it", "other".to_string()) => fails()) });
        assert_eq!(value, fails().map(|_| None));
        let value = block_on(async { with!(suppressing(&log, "it", expected()) => Ok::<u8, String>(5)) });
        assert_eq!(value, Ok(Some(Ok(5))));
    }

    #[test]
    fn a_return_with_an_err_is_suppressed_and_others_go_on() {
        async fn returns(log: &Log, way: u8) -> Result<u8, String> {
            let value = with!(suppressing(log, "it", expected()) => match way {
                0 => return fails(),
                1 => return Ok(1),
                _ => 2,
            });
            log.add("after");
            value.map(|number| number.unwrap_or(7))
        }
        let log = Log::new();
        assert_eq!(block_on(returns(&log, 0)), Ok(7));
        assert_eq!(log.take(), ["it failed", "after"]);
        assert_eq!(block_on(returns(&log, 1)), Ok(1));
        assert_eq!(log.take(), ["it completed"]);
        assert_eq!(block_on(returns(&log, 2)), Ok(2));
        assert_eq!(log.take(), ["it completed", "after"]);
    }

    #[test]
    fn panic_passes_a_catching_and_suppressing_manager() {
        let log = Log::new();
        let run = async {
            with!(suppressing(&log, "it", expected()) => {
                assert!(!log.take().is_empty(), "in the block");
                fails()
            })
        };
        assert_eq!(panic_message(run), "in the block");
        assert_eq!(log.take(), ["it panicked"]);
    }

    #[test]
    fn catching_and_suppressing_manager_may_stand_in_a_loop() {
        async fn sum(log: &Log) -> Result<u8, String> {
            let mut sum = 0;
            for n in 0..6 {
                let value = with!(suppressing(log, "it", expected()) => {
                    match n {
                        1 => fails()?,
                        2 => continue,
                        4 => break,
                        _ => n,
                    }
                })?;
                sum += value.unwrap_or(100);
            }
            Ok(sum)
        }
        assert_eq!(block_on(sum(&Log::new())), Ok(103));
    }
}

mod several {
    use super::*;

    #[test]
    fn the_outer_one_sees_completed_when_the_inner_one_suppresses() {
        async fn run(log: &Log) -> Result<Option<u8>, String> {
            with!(plain(log, "first"), suppressing(log, "second", expected()), plain(log, "third") => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(run(&log)), Ok(None));
        assert_eq!(log.take(), ["third failed", "second failed", "first completed"]);
    }

    #[test]
    fn a_suppressing_one_around_a_suppressing_one_sees_completed() {
        async fn run(log: &Log) -> Result<Option<u8>, String> {
            with!(suppressing(log, "out", expected()), suppressing(log, "in", expected()) => fails()?)
        }
        let log = Log::new();
        assert_eq!(block_on(run(&log)), Ok(None));
        assert_eq!(log.take(), ["in failed", "out completed"]);
    }

    #[async_context_manager]
    async fn wrong(when: u8) -> Result<(), String> {
        if when == 0 {
            fails()?;
        }
        r#yield!();
        if when == 1 {
            fails()?;
        }
        Ok(())
    }

    #[test]
    fn the_outer_one_suppresses_an_error_of_the_inner_manager() {
        let log = Log::new();
        for when in [0, 1] {
            let run = async { with!(suppressing(&log, "out", expected()), wrong(when) => 5) };
            assert_eq!(block_on(run), Ok(None), "{when}");
            assert_eq!(log.take(), ["out failed"], "{when}");
        }
        let run = async { with!(suppressing(&log, "out", expected()), wrong(2) => 5) };
        assert_eq!(block_on(run), Ok(Some(5)));
        let run = async { with!(suppressing(&log, "out", "other".to_string()), wrong(1) => 5) };
        assert_eq!(block_on(run), Err("error".to_string()));
    }

    #[test]
    fn an_outer_one_that_fails_replaces_none() {
        let log = Log::new();
        let run = async { with!(wrong(1), suppressing(&log, "in", expected()) => fails().map(drop)) };
        assert_eq!(block_on(run), Err("error".to_string()));
        assert_eq!(log.take(), ["in failed"]);
    }

    #[test]
    fn several_suppressing_managers_of_a_header_give_one_option() {
        let log = Log::new();
        let value: Option<u8> = block_on(async { with!(patient(&log, 9), patient(&log, 9) => 5) });
        assert_eq!(value, Some(5));
        let value: Result<Option<u8>, String> = block_on(async {
            with!(patient(&log, 9), plain(&log, "a"), fallible(&log, 9, false), plain(&log, "b") => 5)
        });
        assert_eq!(value, Ok(Some(5)));
        let value: Result<Option<()>, String> =
            block_on(async { with!(patient(&log, 0), fallible(&log, 5, false) => yields(1).await) });
        assert_eq!(value, Ok(None));
        let value: Result<Option<()>, String> =
            block_on(async { with!(fallible(&log, 5, false), patient(&log, 0) => yields(1).await) });
        assert_eq!(value, Ok(None));
    }

    #[test]
    fn nested_withs_nest_their_options() {
        let log = Log::new();
        let value: Option<Option<u8>> =
            block_on(async { with!(patient(&log, 9) => with!(patient(&log, 0) => { yields(1).await; 5 })) });
        assert_eq!(value, Some(None));
        let value: Option<Option<u8>> =
            block_on(async { with!(patient(&log, 0) => with!(patient(&log, 9) => { yields(1).await; 5 })) });
        assert_eq!(value, None);
    }

    /// `move_on_after` around the block, and around another manager.
    #[async_context_manager(suppress)]
    async fn composed(log: &Log, polls: usize) {
        let _: Option<Outcome> = with!(patient(log, polls) => r#yield!());
        log.add("composed");
    }

    #[test]
    fn manager_composed_of_a_suppressing_one_suppresses() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(composed(&log, 0) => 5) }), Some(5));
        assert_eq!(log.take(), ["Some(Completed)", "exit", "composed"]);
        assert_eq!(block_on(async { with!(composed(&log, 0) => yields(1).await) }), None);
        assert_eq!(log.take(), ["None", "exit", "composed"]);
    }

    #[test]
    fn manager_composed_of_a_suppressing_one_without_the_option_panics() {
        #[async_context_manager]
        async fn careless(log: &Log) {
            let _: Option<Outcome> = with!(patient(log, 0) => r#yield!());
        }
        let log = Log::new();
        assert_eq!(
            panic_message(async { with!(careless(&log) => yields(1).await) }),
            "`careless` dropped its block before the end and succeeded, so its `with!` has no value: return an `Err`, \
             or add the option `suppress`"
        );
    }
}

mod types {
    use super::*;

    #[test]
    fn block_of_nothing_can_be_suppressed() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(patient(&log, 1) => {}) }), Some(()));
    }

    #[test]
    fn block_of_an_option_can_be_suppressed() {
        let log = Log::new();
        assert_eq!(block_on(async { with!(patient(&log, 1) => None::<u8>) }), Some(None));
        assert_eq!(log.take(), ["Some(Completed)", "exit"]);
        let value: Option<Option<u8>> = block_on(async {
            with!(patient(&log, 0) => {
                yields(1).await;
                Some(5)
            })
        });
        assert_eq!(value, None);
    }

    #[test]
    fn block_that_never_ends_can_be_suppressed() {
        async fn never(log: &Log) -> u8 {
            let value: Option<Infallible> = with!(patient(log, 0) => {
                loop {
                    yields(1).await;
                }
            });
            assert!(value.is_none());
            5
        }
        assert_eq!(block_on(never(&Log::new())), 5);
    }

    #[test]
    fn block_that_always_returns_can_be_suppressed() {
        async fn returns(log: &Log, polls: usize) -> u8 {
            let value: Option<()> = with!(patient(log, polls) => {
                yields(1).await;
                return 5
            });
            assert!(value.is_none());
            6
        }
        let log = Log::new();
        assert_eq!(block_on(returns(&log, 1)), 5);
        assert_eq!(block_on(returns(&log, 0)), 6);
    }

    #[test]
    fn block_of_a_type_found_later_can_be_suppressed() {
        let log = Log::new();
        let value: Option<u16> = block_on(async { with!(patient(&log, 1) => "5".parse().unwrap()) });
        assert_eq!(value, Some(5));
        let value: Result<Option<u16>, String> =
            block_on(async { with!(fallible(&log, 1, false) => Default::default()) });
        assert_eq!(value, Ok(Some(0)));
    }

    #[test]
    fn block_of_a_trait_object_can_be_suppressed() {
        let log = Log::new();
        let value = block_on(async {
            let value: Option<Box<dyn Fn(u8) -> u8>> = with!(patient(&log, 1) => Box::new(|n| n + 1));
            value
        });
        assert_eq!(value.map(|add| add(1)), Some(2));
    }

    #[test]
    fn value_with_a_destructor_can_be_suppressed() {
        let log = Log::new();
        let run = async { with!(fallible(&log, 1, true) => log.on_drop("value")) };
        assert!(block_on(run).is_err());
        assert_eq!(log.take(), ["Some(Completed)", "value"]);
        drop(block_on(async { with!(patient(&log, 1) => log.on_drop("value")) }));
        assert_eq!(log.take(), ["Some(Completed)", "exit", "value"]);
    }
}
