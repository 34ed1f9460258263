//! What ends a block, what the manager sees of it, and what the caller gets.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::convert::Infallible;

use async_context_manager::{async_context_manager, with};
use tests::managers::{named, plain};
use tests::{Log, PanicsInDrop, block_on, panic_message, panic_of, yields};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    Never,
    Entering,
    Leaving,
}

#[async_context_manager]
async fn fallible(log: &Log, fails: Fails) -> Result<(), String> {
    log.add("enter");
    yields(1).await;
    if fails == Fails::Entering {
        return Err("entering".to_string());
    }
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    yields(2).await;
    log.add("exit");
    if fails == Fails::Leaving {
        return Err("leaving".to_string());
    }
    Ok(())
}

#[async_context_manager]
async fn panics_leaving(log: &Log) {
    log.add("enter");
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    yields(1).await;
    panic!("leaving");
}

/// Hides a `return` with an `Err`.
macro_rules! bail {
    ($error:expr) => {
        return Err($error.into())
    };
}

/// Hides a `return`.
macro_rules! leave {
    ($($value:expr)?) => {
        return $($value)?
    };
}

const ERR: Result<Infallible, &str> = Err("error");

mod values {
    use super::*;

    #[test]
    fn block_with_a_value_completes() {
        let log = Log::new();
        let value = block_on(async {
            let value = with!(plain(&log) => {
                log.add("block");
                5
            });
            log.add("after");
            value
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter", "block", "Completed", "exit", "after"]);
    }

    #[test]
    fn fallible_manager_wraps_the_value_of_the_block() {
        let log = Log::new();
        let value = block_on(async { with!(fallible(&log, Fails::Never) => 5) });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn block_with_an_err_as_value_fails() {
        let log = Log::new();
        let value: Result<u8, &str> = block_on(async {
            let value = with!(plain(&log) => { Err("error") });
            log.add("after");
            value
        });
        assert_eq!(value, Err("error"));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit", "after"]);
    }

    #[test]
    fn block_with_an_ok_as_value_completes() {
        let log = Log::new();
        let value: Result<u8, &str> = block_on(async { with!(plain(&log) => { Ok(5) }) });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn fallible_manager_wraps_an_err_as_value_of_the_block() {
        let log = Log::new();
        let value: Result<Result<u8, &str>, String> =
            block_on(async { with!(fallible(&log, Fails::Never) => Err("error")) });
        assert_eq!(value, Ok(Err("error")));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn block_that_handles_an_err_completes() {
        let log = Log::new();
        let value = block_on(async { with!(plain(&log) => ERR.is_err()) });
        assert!(value);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn block_with_an_err_inside_another_value_completes() {
        let log = Log::new();
        let value = block_on(async { with!(plain(&log) => (ERR, Some(ERR))) });
        assert_eq!(value, (ERR, Some(ERR)));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn block_with_none_as_value_completes() {
        let log = Log::new();
        let value: Option<u8> = block_on(async { with!(plain(&log) => None) });
        assert_eq!(value, None);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn block_without_a_value_completes() {
        let log = Log::new();
        block_on(async { with!(plain(&log) => {}) });
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }
}

mod question_mark {
    use super::*;

    #[test]
    fn question_mark_on_an_err_fails() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(plain(log) => {
                log.add("block");
                ERR?;
                log.add("not reached");
            });
            log.add("not reached");
            Ok(5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "block", "Failed(())", "exit"]);
    }

    #[test]
    fn question_mark_on_an_ok_stays_in_the_block() {
        async fn f(log: &Log) -> Result<u8, Infallible> {
            let value = with!(plain(log) => {
                let value = Ok::<u8, Infallible>(5)?;
                log.add("block");
                value
            });
            log.add("after");
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(5));
        assert_eq!(log.take(), ["enter", "block", "Completed", "exit", "after"]);
    }

    #[test]
    fn question_mark_converts_into_the_functions_error() {
        #[derive(Debug, PartialEq)]
        struct Own(String);
        impl From<std::num::ParseIntError> for Own {
            fn from(error: std::num::ParseIntError) -> Self {
                Self(error.to_string())
            }
        }
        async fn f(log: &Log) -> Result<u8, Own> {
            Ok(with!(plain(log) => "five".parse::<u8>()?))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err(Own("invalid digit found in string".to_string())));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn question_mark_converts_into_a_boxed_error() {
        async fn f(log: &Log) -> Result<u8, Box<dyn std::error::Error>> {
            with!(fallible(log, Fails::Never) => {
                let number: u8 = "five".parse()?;
                if number > 5 {
                    Err("too large")?;
                }
                Ok(number)
            })?
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)).unwrap_err().to_string(), "invalid digit found in string");
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn question_mark_as_the_value_of_the_block_fails() {
        async fn f(log: &Log) -> Result<(), &'static str> {
            with!(plain(log) => Err("error")?);
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error"));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn question_mark_in_a_closure_or_an_async_block_stays_there() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log) => {
                let closure = || -> Result<u8, &str> { ERR?; Ok(1) };
                let block = async { ERR?; Ok::<u8, &str>(1) };
                (closure(), block.await)
            })
        });
        assert_eq!(value, (Err("error"), Err("error")));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn question_mark_on_none_completes() {
        async fn f(log: &Log) -> Option<u8> {
            let value = with!(plain(log) => {
                log.add("block");
                let none: Option<u8> = None;
                none?
            });
            log.add("not reached");
            Some(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), None);
        assert_eq!(log.take(), ["enter", "block", "Completed", "exit"]);
    }

    #[test]
    fn question_mark_on_some_stays_in_the_block() {
        async fn f(log: &Log) -> Option<u8> {
            Some(with!(plain(log) => Some(5)?))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Some(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn question_mark_on_a_break_of_control_flow_completes() {
        use std::ops::ControlFlow;
        async fn f(log: &Log) -> ControlFlow<u8> {
            with!(plain(log) => ControlFlow::Break(5)?);
            ControlFlow::Continue(())
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), ControlFlow::Break(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn question_mark_on_a_poll_of_a_result_fails() {
        use std::task::Poll;
        async fn f(log: &Log) -> Poll<Result<u8, &'static str>> {
            let ready: Poll<Result<u8, &str>> = Poll::Ready(Err("error"));
            let value = with!(plain(log) => ready?);
            value.map(Ok)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Poll::Ready(Err("error")));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }
}

mod returns {
    use super::*;

    #[test]
    fn return_of_an_err_fails() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(plain(log) => {
                log.add("block");
                return Err("error".to_string());
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "block", "Failed(())", "exit"]);
    }

    #[test]
    fn return_of_an_ok_completes() {
        async fn f(log: &Log, early: bool) -> Result<u8, String> {
            with!(plain(log) => {
                if early {
                    return Ok(5);
                }
            });
            log.add("after");
            Ok(6)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, true)), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
        assert_eq!(block_on(f(&log, false)), Ok(6));
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
    }

    #[test]
    fn return_of_a_result_in_a_variable_fails_if_it_is_an_err() {
        async fn f(log: &Log, result: Result<u8, &'static str>) -> Result<u8, &'static str> {
            with!(plain(log) => {
                return result;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, Ok(5))), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
        assert_eq!(block_on(f(&log, Err("error"))), Err("error"));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn return_of_a_plain_value_completes() {
        async fn f(log: &Log) -> u8 {
            with!(plain(log) => {
                if log.take().len() == 1 {
                    return 5;
                }
            });
            6
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 5);
        assert_eq!(log.take(), ["Completed", "exit"]);
    }

    #[test]
    fn return_of_nothing_completes() {
        async fn f(log: &Log) {
            with!(plain(log) => {
                return;
            });
        }
        let log = Log::new();
        block_on(f(&log));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_none_completes() {
        async fn f(log: &Log) -> Option<u8> {
            with!(plain(log) => {
                return None;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), None);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_a_generic_value_completes() {
        async fn f<T>(log: &Log, value: T) -> T {
            with!(plain(log) => {
                return value;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, 5)), 5);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_from_a_fallible_manager_is_not_wrapped_in_its_result() {
        async fn f(log: &Log) -> u8 {
            let _: Result<(), String> = with!(fallible(log, Fails::Never) => {
                return 5;
            });
            log.add("not reached");
            6
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 5);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_in_a_closure_or_an_async_block_stays_there() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log) => {
                let closure = || { if true { return 1 } 2 };
                let block = async { if true { return 3 } 4 };
                (closure(), block.await)
            })
        });
        assert_eq!(value, (1, 3));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_a_value_that_borrows_an_argument_completes() {
        async fn f<'s>(log: &Log, text: &'s str) -> &'s str {
            with!(plain(log) => {
                return &text[1..];
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, "text")), "ext");
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }
}

mod hidden_returns {
    use super::*;

    #[test]
    fn return_of_an_err_hidden_in_a_macro_fails() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(plain(log) => {
                log.add("block");
                bail!("error");
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "block", "Failed(())", "exit"]);
    }

    #[test]
    fn return_hidden_in_a_macro_that_is_not_taken_stays_in_the_block() {
        async fn f(log: &Log, fails: bool) -> Result<u8, String> {
            let value = with!(plain(log) => {
                if fails {
                    bail!("error");
                }
                5
            });
            log.add("after");
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, false)), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
        assert_eq!(block_on(f(&log, true)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn return_of_an_ok_hidden_in_a_macro_completes() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(plain(log) => leave!(Ok(5)))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_a_plain_value_hidden_in_a_macro_completes() {
        async fn f(log: &Log) -> u8 {
            with!(plain(log) => { leave!(5); })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 5);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_nothing_hidden_in_a_macro_completes() {
        async fn f(log: &Log) {
            with!(plain(log) => { leave!(); });
        }
        let log = Log::new();
        block_on(f(&log));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_a_generic_value_hidden_in_a_macro_completes() {
        async fn f<T>(log: &Log, value: T) -> Option<T> {
            with!(plain(log) => { leave!(Some(value)); })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, 5)), Some(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn return_of_an_err_hidden_in_the_arguments_of_a_macro_fails() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(plain(log) => {
                log.add(format!("not reached {}", if true { bail!("error") } else { 5 }));
            });
            Ok(5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn question_mark_hidden_in_a_macro_fails() {
        macro_rules! attempt {
            ($result:expr) => {
                $result?
            };
        }
        async fn f(log: &Log) -> Result<u8, String> {
            Ok(with!(plain(log) => attempt!("five".parse::<u8>().map_err(|error| error.to_string()))))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("invalid digit found in string".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn return_of_an_err_hidden_in_a_macro_fails_all_of_a_header() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(named(log, "a"), named(log, "b") => bail!("error"))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Failed(())", "exit a Failed(())"]);
    }
}

mod jumps {
    use super::*;

    #[test]
    fn break_completes() {
        let log = Log::new();
        block_on(async {
            loop {
                with!(plain(&log) => {
                    log.add("block");
                    break;
                });
            }
            log.add("after");
        });
        assert_eq!(log.take(), ["enter", "block", "Completed", "exit", "after"]);
    }

    #[test]
    fn continue_completes() {
        let log = Log::new();
        block_on(async {
            for n in 0..2 {
                with!(plain(&log) => {
                    if n == 0 {
                        continue;
                    }
                });
                log.add("second");
            }
            log.add("after");
        });
        assert_eq!(log.take(), ["enter", "Completed", "exit", "enter", "Completed", "exit", "second", "after"]);
    }

    #[test]
    fn break_with_a_value_completes() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                with!(plain(&log) => {
                    break "value".to_string();
                });
            }
        });
        assert_eq!(value, "value");
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn break_with_an_err_completes() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                with!(plain(&log) => {
                    break ERR;
                });
            }
        });
        assert_eq!(value, ERR);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn break_to_a_label_completes() {
        let log = Log::new();
        block_on(async {
            'outer: loop {
                loop {
                    with!(plain(&log) => {
                        break 'outer;
                    });
                }
            }
            log.add("after");
        });
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
    }

    #[test]
    fn break_to_a_label_with_a_value_completes() {
        let log = Log::new();
        let value = block_on(async {
            'outer: loop {
                for n in 3.. {
                    with!(plain(&log) => { break 'outer n; });
                }
            }
        });
        assert_eq!(value, 3);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn continue_at_a_label_completes() {
        let log = Log::new();
        block_on(async {
            'outer: for n in 0..2 {
                log.add(format!("round {n}"));
                for _ in 0..2 {
                    with!(plain(&log) => continue 'outer);
                }
            }
        });
        assert_eq!(log.take(), ["round 0", "enter", "Completed", "exit", "round 1", "enter", "Completed", "exit"]);
    }

    #[test]
    fn break_out_of_a_labelled_block_completes() {
        let log = Log::new();
        let value = block_on(async {
            'done: {
                with!(plain(&log) => {
                    break 'done 5;
                });
                log.add("not reached");
                6
            }
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn jumps_of_a_loop_in_the_block_stay_there() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log) => {
                let mut sum = 0;
                for n in 0..10 {
                    if n == 1 { continue; }
                    if n == 4 { break; }
                    sum += n;
                }
                'inner: loop {
                    loop { break 'inner; }
                }
                log.add("block");
                sum
            })
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter", "block", "Completed", "exit"]);
    }

    #[test]
    fn jump_out_of_a_loop_in_the_block_completes() {
        let log = Log::new();
        block_on(async {
            'outer: for n in 0.. {
                with!(plain(&log) => {
                    loop {
                        if n == 0 { continue 'outer; }
                        break 'outer;
                    }
                });
            }
        });
        assert_eq!(log.take(), ["enter", "Completed", "exit", "enter", "Completed", "exit"]);
    }

    #[test]
    fn several_different_jumps_in_one_block_complete() {
        async fn f(log: &Log) -> Result<&'static str, &'static str> {
            let mut round = 0;
            let value = 'outer: loop {
                round += 1;
                for _ in 0..1 {
                    log.add(format!("round {round}"));
                    with!(plain(log) => match round {
                        1 => continue,
                        2 => continue 'outer,
                        3 => break,
                        4 => {}
                        5 => ERR.map_or(Ok(()), |_| Ok(()))?,
                        6 => break 'outer "value",
                        _ => return Err("not reached"),
                    });
                    log.add("after the block");
                }
                log.add("after the loop");
            };
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok("value"));
        let around = |round: &str, after: &[&str]| -> Vec<String> {
            [&[round, "enter", "Completed", "exit"], after].concat().into_iter().map(String::from).collect()
        };
        let expected = [
            around("round 1", &["after the loop"]),
            around("round 2", &[]),
            around("round 3", &["after the loop"]),
            around("round 4", &["after the block", "after the loop"]),
            around("round 5", &["after the block", "after the loop"]),
            around("round 6", &[]),
        ];
        assert_eq!(log.take(), expected.concat());
    }

    #[test]
    fn jumps_with_values_of_different_types_complete() {
        async fn f(log: &Log, outer: bool) -> (u8, String) {
            let mut text = String::new();
            let number = 'number: loop {
                text = loop {
                    with!(plain(log) => {
                        if outer { break 'number 5; }
                        break "text".to_string();
                    });
                };
                break 6;
            };
            (number, text)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, true)), (5, String::new()));
        assert_eq!(block_on(f(&log, false)), (6, "text".to_string()));
        assert_eq!(log.take(), ["enter", "Completed", "exit", "enter", "Completed", "exit"]);
    }

    #[test]
    fn jumps_values_and_returns_in_one_block_complete() {
        async fn f(log: &Log) -> Vec<Result<u8, &'static str>> {
            let mut values = Vec::new();
            for n in 0..4 {
                let value = with!(plain(log) => {
                    match n {
                        0 => Ok(0),
                        1 => Err("one"),
                        2 => continue,
                        _ => return std::mem::take(&mut values),
                    }
                });
                values.push(value);
            }
            values
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), [Ok(0), Err("one")]);
        let outcomes: Vec<_> = log.take().into_iter().filter(|event| event != "enter" && event != "exit").collect();
        assert_eq!(outcomes, ["Completed", "Failed(())", "Completed", "Completed"]);
    }

    #[test]
    fn jump_through_nested_withs_completes_each() {
        let log = Log::new();
        block_on(async {
            loop {
                with!(named(&log, "a") => {
                    with!(named(&log, "b") => {
                        log.add("block");
                        break;
                    });
                });
            }
            log.add("after");
        });
        let expected = ["enter a", "enter b", "block", "exit b Completed", "exit a Completed", "after"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn jump_through_a_header_of_several_completes_each() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                with!(named(&log, "a"), named(&log, "b"), named(&log, "c") => {
                    break 5;
                });
            }
        });
        assert_eq!(value, 5);
        let expected = ["enter a", "enter b", "enter c", "exit c Completed", "exit b Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn jump_to_a_loop_between_nested_withs_completes_the_inner() {
        let log = Log::new();
        block_on(async {
            with!(named(&log, "a") => {
                for n in 0..3 {
                    with!(named(&log, "b") => {
                        if n == 0 { continue; }
                        break;
                    });
                }
                log.add("between");
            });
        });
        let expected = ["enter a", "enter b", "exit b Completed", "enter b", "exit b Completed", "between"];
        assert_eq!(log.take()[..6], expected);
    }

    #[test]
    fn jumps_complete_the_withs_that_they_leave_and_no_other() {
        let log = Log::new();
        block_on(async {
            'outer: loop {
                with!(named(&log, "a") => {
                    'inner: loop {
                        with!(named(&log, "b") => {
                            if log.take().len() > 1 { break 'inner; }
                            unreachable!();
                        });
                    }
                    with!(named(&log, "c") => break 'outer);
                });
            }
        });
        let expected = ["exit b Completed", "enter c", "exit c Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn jump_in_the_arguments_of_a_macro_completes() {
        let log = Log::new();
        block_on(async {
            loop {
                with!(plain(&log) => {
                    log.add(format!("not reached {}", if true { break } else { 5 }));
                });
            }
        });
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn jumps_from_the_arms_of_select_complete() {
        let log = Log::new();
        let value = block_on(async {
            let mut round = 0;
            loop {
                round += 1;
                with!(plain(&log) => {
                    tokio::select! {
                        biased;
                        () = std::future::ready(()), if round == 1 => continue,
                        n = async { 5 }, if round == 2 => {
                            break n;
                        }
                        else => unreachable!(),
                    }
                });
            }
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter", "Completed", "exit", "enter", "Completed", "exit"]);
    }

    #[test]
    fn return_from_an_arm_of_select_completes() {
        async fn f(log: &Log) -> Result<u8, &'static str> {
            with!(plain(log) => {
                tokio::select! {
                    () = std::future::pending() => Ok(5),
                    () = yields(1) => return Err("error"),
                }
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error"));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn question_mark_in_an_arm_of_select_fails() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(plain(log) => {
                tokio::select! {
                    () = std::future::pending() => {}
                    () = yields(1) => { ERR?; }
                }
            });
            Ok(5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }
}

mod panics {
    use super::*;

    #[test]
    fn panic_of_the_block_goes_on_with_its_message() {
        let log = Log::new();
        let message = panic_message(async {
            with!(plain(&log) => {
                log.add("block");
                panic!("number {}", 5)
            });
            log.add("not reached");
        });
        assert_eq!(message, "number 5");
        assert_eq!(log.take(), ["enter", "block", "Panicked", "exit"]);
    }

    #[test]
    fn panic_of_the_block_goes_on_with_its_typed_payload() {
        #[derive(Debug, PartialEq)]
        struct Typed(u8);
        let log = Log::new();
        let payload = panic_of(async {
            with!(plain(&log) => { std::panic::panic_any(Typed(5)) });
        });
        assert_eq!(payload.downcast_ref(), Some(&Typed(5)));
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }

    #[test]
    fn panic_of_the_block_goes_on_in_the_same_box() {
        let log = Log::new();
        let payload: Box<dyn std::any::Any + Send> = Box::new(5_u64);
        let address = std::ptr::from_ref(payload.as_ref()).cast::<()>();
        let caught = panic_of(async {
            with!(plain(&log) => { std::panic::resume_unwind(payload) });
        });
        assert_eq!(std::ptr::from_ref(caught.as_ref()).cast(), address);
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }

    #[test]
    fn panic_of_the_block_after_an_await_goes_on() {
        let log = Log::new();
        let message = panic_message(async {
            with!(plain(&log) => {
                yields(3).await;
                panic!("late");
            });
        });
        assert_eq!(message, "late");
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }

    #[test]
    fn panic_of_the_block_is_seen_by_each_of_nested_managers() {
        let log = Log::new();
        let message = panic_message(async {
            with!(named(&log, "a") => with!(named(&log, "b"), named(&log, "c") => panic!("block")));
        });
        assert_eq!(message, "block");
        let expected = ["enter a", "enter b", "enter c", "exit c Panicked", "exit b Panicked", "exit a Panicked"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn panic_of_the_block_drops_its_locals_before_the_exit_phase() {
        let log = Log::new();
        panic_of(async {
            with!(plain(&log) => {
                let _local = log.on_drop("local dropped");
                panic!("block");
            });
        });
        assert_eq!(log.take(), ["enter", "local dropped", "Panicked", "exit"]);
    }

    #[test]
    fn panic_of_a_local_that_is_dropped_at_the_end_of_the_block_goes_on() {
        let log = Log::new();
        let message = panic_message(async {
            with!(plain(&log) => {
                let _local = PanicsInDrop;
                log.add("block");
            });
        });
        assert_eq!(message, "in drop");
        assert_eq!(log.take(), ["enter", "block", "Panicked", "exit"]);
    }

    #[test]
    fn panic_of_a_moved_in_value_that_is_dropped_with_the_block_goes_on() {
        let log = Log::new();
        let message = panic_message(async {
            loop {
                let moved = PanicsInDrop;
                with!(plain(&log) => {
                    let _moved = moved;
                    break;
                });
            }
        });
        assert_eq!(message, "in drop");
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }
}

mod leaving {
    use super::*;

    #[test]
    fn err_of_an_exit_phase_replaces_a_value() {
        let log = Log::new();
        let value = block_on(async {
            let value = with!(fallible(&log, Fails::Leaving) => 5);
            log.add("after");
            value
        });
        assert_eq!(value, Err("leaving".to_string()));
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
    }

    #[test]
    fn err_of_an_exit_phase_replaces_an_err() {
        let log = Log::new();
        let value: Result<Result<u8, u8>, _> = block_on(async { with!(fallible(&log, Fails::Leaving) => Err(5)) });
        assert_eq!(value, Err("leaving".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn err_of_an_exit_phase_replaces_a_question_mark() {
        async fn f(log: &Log) -> Result<u8, String> {
            let value = with!(fallible(log, Fails::Leaving) => { ERR? });
            log.add("after");
            assert_eq!(value.map(|_| ()), Err("leaving".to_string()));
            Ok(6)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(6));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit", "after"]);
    }

    #[test]
    fn err_of_an_exit_phase_replaces_a_return() {
        async fn f(log: &Log) -> u8 {
            let value: Result<(), _> = with!(fallible(log, Fails::Leaving) => {
                return 5;
            });
            log.add("after");
            assert_eq!(value, Err("leaving".to_string()));
            6
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 6);
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
    }

    #[test]
    fn err_of_an_exit_phase_replaces_a_return_hidden_in_a_macro() {
        async fn f(log: &Log) -> Result<u8, String> {
            let value: Result<(), String> = with!(fallible(log, Fails::Leaving) => bail!("error"));
            log.add("after");
            value.map(|()| 5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("leaving".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit", "after"]);
    }

    #[test]
    fn err_of_an_exit_phase_replaces_a_break() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                let value: Result<(), _> = with!(fallible(&log, Fails::Leaving) => {
                    break "not reached".to_string();
                });
                log.add("after");
                break value.unwrap_err();
            }
        });
        assert_eq!(value, "leaving");
        assert_eq!(log.take(), ["enter", "Completed", "exit", "after"]);
    }

    #[test]
    fn err_of_an_exit_phase_replaces_a_continue() {
        let log = Log::new();
        let errors = block_on(async {
            let mut errors = Vec::new();
            for _ in 0..2 {
                let value: Result<(), _> = with!(fallible(&log, Fails::Leaving) => continue);
                errors.push(value.unwrap_err());
            }
            errors
        });
        assert_eq!(errors, ["leaving", "leaving"]);
        assert_eq!(log.take(), ["enter", "Completed", "exit", "enter", "Completed", "exit"]);
    }

    #[test]
    fn err_of_an_exit_phase_does_not_replace_a_panic() {
        let log = Log::new();
        let message = panic_message(async { with!(fallible(&log, Fails::Leaving) => { panic!("block") }) });
        assert_eq!(message, "block");
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }

    #[test]
    fn value_of_the_block_is_dropped_when_an_err_replaces_it() {
        let log = Log::new();
        let value = block_on(async { with!(fallible(&log, Fails::Leaving) => log.on_drop("value dropped")) });
        log.add("after");
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter", "Completed", "exit", "value dropped", "after"]);
    }

    #[test]
    fn panic_of_an_exit_phase_replaces_a_value() {
        let log = Log::new();
        let message = panic_message(async { with!(panics_leaving(&log) => 5) });
        assert_eq!(message, "leaving");
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn panic_of_an_exit_phase_replaces_an_err() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(panics_leaving(log) => { ERR?; });
            Ok(())
        }
        let log = Log::new();
        assert_eq!(panic_message(f(&log)), "leaving");
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn panic_of_an_exit_phase_replaces_a_return() {
        async fn f(log: &Log) -> u8 {
            with!(panics_leaving(log) => { return 5 })
        }
        let log = Log::new();
        assert_eq!(panic_message(f(&log)), "leaving");
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn panic_of_an_exit_phase_replaces_a_break() {
        let log = Log::new();
        let message = panic_message(async {
            loop {
                with!(panics_leaving(&log) => { break });
            }
        });
        assert_eq!(message, "leaving");
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn panic_of_an_exit_phase_replaces_a_panic() {
        let log = Log::new();
        let message = panic_message(async { with!(panics_leaving(&log) => { panic!("block") }) });
        assert_eq!(message, "leaving");
        assert_eq!(log.take(), ["enter", "Panicked"]);
    }

    #[test]
    fn panic_of_an_exit_phase_is_a_panic_of_the_block_around() {
        let log = Log::new();
        let message = panic_message(async { with!(named(&log, "a") => with!(panics_leaving(&log) => 5)) });
        assert_eq!(message, "leaving");
        assert_eq!(log.take(), ["enter a", "enter", "Completed", "exit a Panicked"]);
    }

    #[test]
    fn err_of_an_exit_phase_fails_the_block_around_when_it_is_passed_on() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(named(log, "a") => Ok(with!(fallible(log, Fails::Leaving) => 5)?))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("leaving".to_string()));
        assert_eq!(log.take(), ["enter a", "enter", "Completed", "exit", "exit a Failed(())"]);
    }
}

mod entering {
    use super::*;

    #[test]
    fn err_of_an_enter_phase_is_the_value_and_the_block_does_not_run() {
        let log = Log::new();
        let value = block_on(async {
            let value = with!(fallible(&log, Fails::Entering) => {
                log.add("not reached");
                5
            });
            log.add("after");
            value
        });
        assert_eq!(value, Err("entering".to_string()));
        assert_eq!(log.take(), ["enter", "after"]);
    }

    #[test]
    fn err_of_an_enter_phase_goes_on_with_a_question_mark() {
        async fn f(log: &Log) -> Result<u8, String> {
            let value = with!(fallible(log, Fails::Entering) => {
                log.add("not reached");
                5
            })?;
            log.add("not reached");
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("entering".to_string()));
        assert_eq!(log.take(), ["enter"]);
    }

    #[test]
    fn question_mark_in_an_enter_phase_fails_the_with() {
        #[async_context_manager]
        async fn parses(log: &Log, text: &str) -> Result<u8, std::num::ParseIntError> {
            let number = text.parse()?;
            log.add("enter");
            r#yield!(number);
            log.add("exit");
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(parses(&log, "5") as number => number + 1) }), Ok(6));
        assert_eq!(log.take(), ["enter", "exit"]);
        let error = block_on(async { with!(parses(&log, "five") as number => number + 1) }).unwrap_err();
        assert_eq!(error.to_string(), "invalid digit found in string");
        assert!(log.take().is_empty());
    }

    #[test]
    fn block_that_is_not_reached_is_dropped_with_what_was_moved_into_it() {
        let log = Log::new();
        let moved = log.on_drop("moved dropped");
        let value = block_on(async {
            with!(fallible(&log, Fails::Entering) => {
                let _moved = moved;
                loop { yields(1).await; }
            })
        });
        log.add("after");
        assert_eq!(value, Err("entering".to_string()));
        let mut events = log.take();
        events.sort();
        assert_eq!(events, ["after", "enter", "moved dropped"]);
    }
}
