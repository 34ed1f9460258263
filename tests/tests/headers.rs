//! Several managers: in one header, in nested `with!`s, and in the arguments of one another.

#![forbid(unsafe_code)]
#![allow(clippy::mut_mut, clippy::cast_lossless, clippy::option_if_let_else, reason = "they are what is tested")]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use async_context_manager::{async_context_manager, with};
use tests::managers::named as plain;
use tests::{Log, block_on, panic_message, yields};

/// Fails at "entering" or "leaving" the one of this name.
#[async_context_manager]
async fn fallible(log: &Log, name: &str, fails: &str) -> Result<(), String> {
    log.add(format!("enter {name}"));
    yields(1).await;
    if fails == format!("entering {name}") {
        return Err(fails.to_string());
    }
    let outcome = r#yield!();
    yields(1).await;
    log.add(format!("exit {name} {outcome:?}"));
    if fails == format!("leaving {name}") {
        return Err(fails.to_string());
    }
    Ok(())
}

#[async_context_manager]
async fn lends(log: &Log, start: u32) -> &mut Vec<u32> {
    let mut local = vec![start];
    r#yield!(&mut local);
    log.add(format!("{local:?}"));
}

#[async_context_manager]
async fn pushes<'v>(vec: &'v mut Vec<u32>, item: u32) -> &mut &'v mut Vec<u32> {
    let mut vec = vec;
    vec.push(item);
    r#yield!(&mut vec);
    vec.push(item);
}

mod one_header {
    use super::*;

    #[test]
    fn enters_from_left_to_right_and_leaves_from_right_to_left() {
        let log = Log::new();
        let value = block_on(async {
            let value = with!(plain(&log, "a"), plain(&log, "b"), plain(&log, "c") => {
                log.add("block");
                5
            });
            log.add("after");
            value
        });
        assert_eq!(value, 5);
        let expected = [
            "enter a",
            "enter b",
            "enter c",
            "block",
            "exit c Completed",
            "exit b Completed",
            "exit a Completed",
            "after",
        ];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn a_trailing_comma() {
        let log = Log::new();
        block_on(async { with!(plain(&log, "a"), plain(&log, "b"), => {}) });
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn later_ones_use_earlier_ones() {
        let log = Log::new();
        block_on(async {
            with!(lends(&log, 1) as vec, pushes(vec, 2) as vec, pushes(vec, 3) as vec => {
                log.add(format!("{vec:?}"));
            });
        });
        assert_eq!(log.take(), ["[1, 2, 3]", "[1, 2, 3, 3, 2]"]);
    }

    #[test]
    fn a_later_one_borrows_what_an_earlier_one_gave() {
        #[async_context_manager]
        async fn gives() -> Vec<u32> {
            r#yield!(vec![1]);
        }
        let log = Log::new();
        block_on(async {
            with!(gives() as mut vec, pushes(&mut vec, 2) as inner => {
                log.add(format!("{inner:?}"));
            });
        });
        assert_eq!(log.take(), ["[1, 2]"]);
    }

    #[test]
    fn a_later_manager_is_not_made_before_the_earlier_is_entered() {
        let log = Log::new();
        block_on(async {
            with!(plain(&log, "a"), { log.add("making b"); plain(&log, "b") } => {});
        });
        let expected = ["enter a", "making b", "enter b", "exit b Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn an_earlier_one_is_left_after_the_later_is_dropped() {
        #[async_context_manager]
        async fn holds(log: &Log, name: &str) {
            let _local = log.on_drop(format!("drop {name}"));
            r#yield!();
            log.add(format!("exit {name}"));
        }
        let log = Log::new();
        block_on(async { with!(holds(&log, "a"), holds(&log, "b") => log.add("block")) });
        assert_eq!(log.take(), ["block", "exit b", "drop b", "exit a", "drop a"]);
    }

    #[test]
    fn the_same_name_twice() {
        let log = Log::new();
        let value = block_on(async { with!(lends(&log, 1) as vec, lends(&log, vec[0] + 1) as vec => vec[0]) });
        assert_eq!(value, 2);
        assert_eq!(log.take(), ["[2]", "[1]"]);
    }

    #[test]
    fn temporaries_live_as_long_as_the_with() {
        #[async_context_manager]
        async fn borrows(text: &String) -> &str {
            r#yield!(text.as_str());
        }
        let value = block_on(async {
            with!(borrows(&"a".to_string()) as a, borrows(&format!("{a}b")) as b => format!("{a}{b}"))
        });
        assert_eq!(value, "aab");
    }

    #[test]
    fn eight_of_them() {
        let log = Log::new();
        let value = block_on(async {
            with!(
                plain(&log, "1"), fallible(&log, "2", ""), plain(&log, "3"), fallible(&log, "4", ""),
                plain(&log, "5"), fallible(&log, "6", ""), plain(&log, "7"), fallible(&log, "8", "")
                => {
                    assert_eq!(log.take().len(), 8);
                    5
                }
            )
        });
        assert_eq!(value, Ok(5));
        let expected: Vec<_> = (1..=8).rev().map(|n| format!("exit {n} Completed")).collect();
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn any_expression_gives_a_manager() {
        struct Named<'l>(&'l Log);
        impl Named<'_> {
            fn get<T, U>(&self, name: &'static str) -> impl Fn() -> u8 {
                self.0.add(format!("{name} {} {}", size_of::<T>(), size_of::<U>()));
                || 5
            }
        }
        let log = Log::new();
        let before = plain(&log, "made before");
        let make = |name| plain(&log, name);
        block_on(async {
            with!(
                before,
                make("closure"),
                if log.take().len() == 2 { plain(&log, "if") } else { plain(&log, "else") },
                match Named(&log).get::<u8, u16>("turbofish")() as u16 {
                    5 => plain(&log, "match"),
                    _ => unreachable!(),
                }
                => {}
            );
        });
        let expected = [
            "enter if",
            "turbofish 1 2",
            "enter match",
            "exit match Completed",
            "exit if Completed",
            "exit closure Completed",
            "exit made before Completed",
        ];
        assert_eq!(log.take(), expected);
    }
}

mod expressions {
    use super::*;

    #[async_context_manager]
    async fn lend<T>(value: T) -> T {
        r#yield!(value);
    }

    #[async_context_manager]
    async fn converted<A, B: From<A>>(value: A) -> B {
        r#yield!(value.into());
    }

    trait Pool: Sized {
        #[async_context_manager]
        async fn get<A, B: From<A>>(self, value: A) -> (Self, B);
    }

    #[derive(Clone, Copy)]
    struct Own {
        n: u8,
    }

    impl Pool for Own {
        #[async_context_manager]
        async fn get<A, B: From<A>>(self, value: A) -> (Self, B) {
            r#yield!((self, value.into()));
        }
    }

    #[test]
    fn manager_expression_may_have_commas_between_angles() {
        assert_eq!(block_on(async { with!(converted::<u8, u16>(5) as n => n) }), 5);
        assert_eq!(block_on(async { with!(converted::<_, Option<u8>>(5), converted::<u8, u32>(6) as n => n) }), 6);
    }

    #[test]
    fn manager_expression_may_have_as_between_angles() {
        let own = Own { n: 1 };
        let sum = block_on(async { with!(<Own as Pool>::get::<u8, u16>(own, 5) as (own, n) => n + u16::from(own.n)) });
        assert_eq!(sum, 6);
    }

    #[test]
    fn manager_expression_may_have_comparisons() {
        let (a, b) = (1, 2);
        assert_eq!(block_on(async { with!(lend((a < b, a > b)) as (x, y) => (x, y)) }), (true, false));
        assert_eq!(block_on(async { with!(lend([a << b, b >> a]) as pair => pair) }), [4, 1]);
    }

    #[test]
    fn manager_expression_may_have_closures() {
        let sum = block_on(async { with!(lend([1, 2].iter().fold(1, |a, b| a * 10 + b)) as sum => sum) });
        assert_eq!(sum, 112);
        let add = block_on(async { with!(lend(|a: u8, b: u8| -> u8 { a + b }) as add => add(1, 2)) });
        assert_eq!(add, 3);
    }

    #[test]
    fn manager_expression_may_have_arms_and_struct_literals() {
        let sum = block_on(async {
            with!(
                match 5 { 5 => lend(Own { n: 5 }), _ => lend(Own { n: 6 }) } as Own { n },
                Own { n }.get(n) as (_, m)
                => {
                    let m: u16 = m;
                    u16::from(n) + m
                }
            )
        });
        assert_eq!(sum, 10);
    }

    #[test]
    fn manager_expression_may_have_casts() {
        assert_eq!(block_on(async { with!(lend(5_u8 as u16) as n, lend(n as u32 as u64) as m => m) }), 5);
    }

    #[test]
    fn manager_expression_may_be_awaited_and_fail() {
        async fn make(n: u8) -> Result<Own, String> {
            yields(1).await;
            if n == 0 { Err("zero".to_string()) } else { Ok(Own { n }) }
        }
        async fn f(log: &Log, n: u8) -> Result<u16, String> {
            Ok(with!(plain(log, "a"), make(n).await?.get(n) as (_, m) => m))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, 5)), Ok(5));
        assert_eq!(log.take(), ["enter a", "exit a Completed"]);
        assert_eq!(block_on(f(&log, 0)), Err("zero".to_string()));
        assert_eq!(log.take(), ["enter a", "exit a Failed(())"]);
    }

    #[test]
    fn manager_expression_may_be_a_variable_or_a_field() {
        let manager = lend(5);
        assert_eq!(block_on(async { with!(manager as n => n) }), 5);
        let pair = (lend(5), lend("text"));
        assert_eq!(block_on(async { with!(pair.0 as n, pair.1 as text => (n, text)) }), (5, "text"));
        let mut option = Some(lend(5));
        assert_eq!(block_on(async { with!(option.take().unwrap() as n => n) }), 5);
        assert!(option.is_none());
    }

    #[test]
    fn manager_expression_may_be_a_macro() {
        macro_rules! lend_twice {
            ($value:expr) => {
                lend(($value, $value))
            };
        }
        assert_eq!(block_on(async { with!(lend_twice!(5) as (a, b) => a + b) }), 10);
        assert_eq!(block_on(async { with!(lend(format!("{}, {}", 1, 2)) as text => text) }), "1, 2");
    }

    #[test]
    fn manager_expression_may_be_a_block() {
        let value = block_on(async { with!({ let n = 5; lend(n) } as n, async { lend(n + 1) }.await as m => n + m) });
        assert_eq!(value, 11);
    }

    #[test]
    fn manager_expression_may_hold_what_the_block_does_not_see() {
        let value = block_on(async {
            with!(lend(5) as n => {
                let manager = lend(n + 1);
                with!(manager as n => n)
            })
        });
        assert_eq!(value, 6);
    }
}

mod fallible_ones {
    use super::*;

    async fn two(log: &Log, fails: &str) -> Result<u8, String> {
        with!(fallible(log, "a", fails), fallible(log, "b", fails) => {
            log.add("block");
            5
        })
    }

    #[test]
    fn fallible_managers_of_a_header_give_one_result() {
        let log = Log::new();
        assert_eq!(block_on(two(&log, "")), Ok(5));
        assert_eq!(log.take(), ["enter a", "enter b", "block", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn first_of_a_header_that_fails_to_enter_fails_the_whole() {
        let log = Log::new();
        assert_eq!(block_on(two(&log, "entering a")), Err("entering a".to_string()));
        assert_eq!(log.take(), ["enter a"]);
    }

    #[test]
    fn second_of_a_header_that_fails_to_enter_fails_the_first() {
        let log = Log::new();
        assert_eq!(block_on(two(&log, "entering b")), Err("entering b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Failed(())"]);
    }

    #[test]
    fn second_of_a_header_that_fails_to_leave_fails_the_first() {
        let log = Log::new();
        assert_eq!(block_on(two(&log, "leaving b")), Err("leaving b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "block", "exit b Completed", "exit a Failed(())"]);
    }

    #[test]
    fn first_of_a_header_that_fails_to_leave_fails_the_whole() {
        let log = Log::new();
        assert_eq!(block_on(two(&log, "leaving a")), Err("leaving a".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "block", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn first_of_a_header_fails_last_and_wins() {
        #[async_context_manager]
        async fn fails(error: &'static str) -> Result<(), &'static str> {
            r#yield!();
            Err(error)
        }
        let value = block_on(async { with!(fails("first"), fails("second") => 5) });
        assert_eq!(value, Err("first"));
    }

    async fn fallible_first(log: &Log, fails: &str) -> Result<u8, String> {
        with!(fallible(log, "a", fails), plain(log, "b") => 5)
    }

    #[test]
    fn fallible_manager_before_an_infallible_one_gives_a_result() {
        let log = Log::new();
        assert_eq!(block_on(fallible_first(&log, "")), Ok(5));
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Completed", "exit a Completed"]);
        assert_eq!(block_on(fallible_first(&log, "entering a")), Err("entering a".to_string()));
        assert_eq!(log.take(), ["enter a"]);
        assert_eq!(block_on(fallible_first(&log, "leaving a")), Err("leaving a".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Completed", "exit a Completed"]);
    }

    async fn fallible_last(log: &Log, fails: &str) -> Result<u8, String> {
        with!(plain(log, "a"), fallible(log, "b", fails) => 5)
    }

    #[test]
    fn fallible_manager_after_an_infallible_one_gives_a_result() {
        let log = Log::new();
        assert_eq!(block_on(fallible_last(&log, "")), Ok(5));
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Completed", "exit a Completed"]);
        assert_eq!(block_on(fallible_last(&log, "entering b")), Err("entering b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Failed(())"]);
        assert_eq!(block_on(fallible_last(&log, "leaving b")), Err("leaving b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Completed", "exit a Failed(())"]);
    }

    async fn fallible_between(log: &Log, fails: &str) -> Result<u8, String> {
        with!(plain(log, "a"), fallible(log, "b", fails), plain(log, "c") => 5)
    }

    #[test]
    fn fallible_manager_between_infallible_ones_gives_a_result() {
        let log = Log::new();
        assert_eq!(block_on(fallible_between(&log, "entering b")), Err("entering b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Failed(())"]);
        assert_eq!(block_on(fallible_between(&log, "leaving b")), Err("leaving b".to_string()));
        assert_eq!(log.take()[3..], ["exit c Completed", "exit b Completed", "exit a Failed(())"]);
    }

    #[test]
    fn fallible_managers_around_infallible_ones_give_a_result() {
        async fn f(log: &Log, fails: &str) -> Result<u8, String> {
            with!(fallible(log, "a", fails), plain(log, "b"), fallible(log, "c", fails) => 5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, "")), Ok(5));
        assert_eq!(log.take()[3..], ["exit c Completed", "exit b Completed", "exit a Completed"]);
        assert_eq!(block_on(f(&log, "entering c")), Err("entering c".to_string()));
        assert_eq!(log.take()[3..], ["exit b Failed(())", "exit a Failed(())"]);
        assert_eq!(block_on(f(&log, "leaving c")), Err("leaving c".to_string()));
        assert_eq!(log.take()[3..], ["exit c Completed", "exit b Failed(())", "exit a Failed(())"]);
    }

    #[test]
    fn an_err_of_the_block_stays_apart() {
        let log = Log::new();
        let value: Result<Result<u8, u16>, String> =
            block_on(async { with!(fallible(&log, "a", ""), fallible(&log, "b", "") => Err(5)) });
        assert_eq!(value, Ok(Err(5)));
        assert_eq!(log.take()[2..], ["exit b Failed(())", "exit a Failed(())"]);
    }

    #[test]
    fn a_question_mark_fails_all() {
        async fn f(log: &Log) -> Result<u8, &'static str> {
            let value: Result<u8, String> = with!(fallible(log, "a", ""), plain(log, "b") => { Err("error")? });
            Ok(value.unwrap())
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error"));
        assert_eq!(log.take()[2..], ["exit b Failed(())", "exit a Failed(())"]);
    }

    #[test]
    fn a_leaving_that_fails_replaces_a_return() {
        async fn f(log: &Log, fails: &str) -> u8 {
            let value: Result<(), String> = with!(fallible(log, "a", fails), plain(log, "b") => {
                return 5;
            });
            log.add(value.unwrap_err());
            6
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, "")), 5);
        assert_eq!(log.take()[2..], ["exit b Completed", "exit a Completed"]);
        assert_eq!(block_on(f(&log, "leaving a")), 6);
        assert_eq!(log.take()[2..], ["exit b Completed", "exit a Completed", "leaving a"]);
    }

    #[test]
    fn a_leaving_of_the_inner_that_fails_replaces_a_break() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                let value: Result<(), String> =
                    with!(plain(&log, "a"), fallible(&log, "b", "leaving b") => { break None });
                break Some(value);
            }
        });
        assert_eq!(value, Some(Err("leaving b".to_string())));
        assert_eq!(log.take()[2..], ["exit b Completed", "exit a Failed(())"]);
    }

    #[test]
    fn a_panic_while_the_second_enters() {
        #[async_context_manager]
        async fn panics(entering: bool) {
            assert!(!entering, "entering");
            r#yield!();
        }
        let log = Log::new();
        let message = panic_message(async { with!(fallible(&log, "a", ""), panics(true) => 5) });
        assert_eq!(message, "entering");
        assert_eq!(log.take(), ["enter a", "exit a Panicked"]);
    }
}

mod nested {
    use super::*;

    #[test]
    fn results_nest_too() {
        let log = Log::new();
        let value = block_on(async { with!(fallible(&log, "a", "") => with!(fallible(&log, "b", "") => 5)) });
        assert_eq!(value, Ok(Ok(5)));
        assert_eq!(log.take(), ["enter a", "enter b", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn an_entering_of_the_inner_that_fails_fails_the_outer() {
        let log = Log::new();
        let value = block_on(async { with!(fallible(&log, "a", "") => with!(fallible(&log, "b", "entering b") => 5)) });
        assert_eq!(value, Ok(Err("entering b".to_string())));
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Failed(())"]);
    }

    #[test]
    fn a_question_mark_on_the_inner_leaves_the_outer() {
        async fn f(log: &Log) -> Result<u8, String> {
            let value = with!(plain(log, "a") => {
                let value = with!(fallible(log, "b", "entering b") => 5)?;
                log.add("not reached");
                value
            });
            log.add("not reached");
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("entering b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Failed(())"]);
    }

    #[test]
    fn errors_of_different_types_convert() {
        #[async_context_manager]
        async fn parses(text: &str) -> Result<u8, std::num::ParseIntError> {
            r#yield!(text.parse()?);
            Ok(())
        }
        async fn f(log: &Log, text: &str) -> Result<u8, Box<dyn std::error::Error>> {
            Ok(with!(fallible(log, "a", "") => with!(parses(text) as number => number + 1)?)?)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, "5")).unwrap(), 6);
        assert_eq!(log.take(), ["enter a", "exit a Completed"]);
        assert_eq!(block_on(f(&log, "five")).unwrap_err().to_string(), "invalid digit found in string");
        assert_eq!(log.take(), ["enter a", "exit a Failed(())"]);
    }

    #[test]
    fn a_return_from_the_innermost_leaves_all() {
        async fn f(log: &Log) -> u8 {
            with!(plain(log, "a") => {
                with!(plain(log, "b") => {
                    with!(plain(log, "c") => { return 5 });
                });
            });
            6
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 5);
        assert_eq!(log.take()[3..], ["exit c Completed", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn a_return_of_an_err_from_the_innermost_fails_all() {
        async fn f(log: &Log) -> Result<u8, &'static str> {
            with!(plain(log, "a") => {
                with!(plain(log, "b") => {
                    with!(plain(log, "c") => { return Err("error") });
                });
            });
            Ok(6)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error"));
        assert_eq!(log.take()[3..], ["exit c Failed(())", "exit b Failed(())", "exit a Failed(())"]);
    }

    #[test]
    fn one_after_the_other_in_a_block() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log, "a") => {
                let one = with!(plain(&log, "b") => 1);
                let two = with!(plain(&log, "c") => 2);
                one + two
            })
        });
        assert_eq!(value, 3);
        let expected = ["enter a", "enter b", "exit b Completed", "enter c", "exit c Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn in_the_arms_of_a_match_in_a_block() {
        async fn f(log: &Log, name: Option<&str>) -> usize {
            with!(plain(log, "a") => match name {
                Some("some") => with!(plain(log, "some") => 4),
                Some(name) => name.len(),
                None => with!(lends(log, 5) as vec => vec.len()),
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, Some("some"))), 4);
        assert_eq!(log.take(), ["enter a", "enter some", "exit some Completed", "exit a Completed"]);
        assert_eq!(block_on(f(&log, None)), 1);
        assert_eq!(log.take(), ["enter a", "[5]", "exit a Completed"]);
    }

    #[test]
    fn recursively_through_a_box() {
        async fn countdown(log: &Log, n: u32) -> u32 {
            if n == 0 {
                return 0;
            }
            with!(lends(log, n) as vec => {
                let rest: std::pin::Pin<Box<dyn Future<Output = u32> + '_>> = Box::pin(countdown(log, n - 1));
                vec[0] + rest.await
            })
        }
        let log = Log::new();
        assert_eq!(block_on(countdown(&log, 3)), 6);
        assert_eq!(log.take(), ["[1]", "[2]", "[3]"]);
    }
}

mod in_arguments {
    use super::*;

    #[async_context_manager]
    async fn sized(log: &Log, size: usize) -> usize {
        log.add(format!("enter {size}"));
        r#yield!(size);
        log.add(format!("exit {size}"));
    }

    #[test]
    fn with_in_the_arguments_of_a_manager_ends_before_it() {
        let log = Log::new();
        let value = block_on(async { with!(sized(&log, with!(sized(&log, 1) as n => n + 1)) as n => n * 10) });
        assert_eq!(value, 20);
        assert_eq!(log.take(), ["enter 1", "exit 1", "enter 2", "exit 2"]);
    }

    #[test]
    fn with_in_the_arguments_of_a_nested_manager_ends_before_it() {
        let log = Log::new();
        let value = block_on(async {
            with!(sized(&log, 1) as a => {
                with!(sized(&log, with!(sized(&log, 2) as b => { log.add("inner"); a + b })) as c => a + c)
            })
        });
        assert_eq!(value, 4);
        let expected = ["enter 1", "enter 2", "inner", "exit 2", "enter 3", "exit 3", "exit 1"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn with_in_the_arguments_of_a_later_manager_ends_before_it() {
        let log = Log::new();
        let value = block_on(async {
            with!(sized(&log, 1) as a, sized(&log, with!(sized(&log, 2) as b => a + b)) as c => a + c)
        });
        assert_eq!(value, 4);
        assert_eq!(log.take(), ["enter 1", "enter 2", "exit 2", "enter 3", "exit 3", "exit 1"]);
    }

    #[test]
    fn question_mark_in_the_arguments_of_a_manager_leaves_the_function() {
        async fn f(log: &Log) -> Result<usize, String> {
            Ok(with!(sized(log, with!(fallible(log, "a", "entering a") => 5)?) as n => n))
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("entering a".to_string()));
        assert_eq!(log.take(), ["enter a"]);
    }

    #[test]
    fn question_mark_in_the_arguments_of_a_nested_manager_fails_the_outer() {
        async fn f(log: &Log) -> Result<usize, String> {
            let value = with!(plain(log, "a") => {
                with!(sized(log, "five".parse::<usize>().map_err(|error| error.to_string())?) as n => n)
            });
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("invalid digit found in string".to_string()));
        assert_eq!(log.take(), ["enter a", "exit a Failed(())"]);
    }

    #[test]
    fn return_in_the_arguments_of_a_nested_manager_leaves_the_outer() {
        async fn f(log: &Log) -> usize {
            with!(plain(log, "a") => {
                with!(sized(log, if log.take().len() == 1 { return 5 } else { 6 }) as n => n)
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), 5);
        assert_eq!(log.take(), ["exit a Completed"]);
    }

    #[test]
    fn break_in_the_arguments_of_a_nested_manager_leaves_the_outer() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                let number = with!(plain(&log, "a") => {
                    with!(sized(&log, if log.take().len() == 1 { break 5 } else { 6 }) as n => n)
                });
                assert_eq!(number, 6);
            }
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["exit a Completed"]);
    }

    #[test]
    fn question_mark_in_the_arguments_of_a_later_manager_fails_the_earlier() {
        async fn f(log: &Log) -> Result<usize, std::num::ParseIntError> {
            Ok(with!(plain(log, "a"), sized(log, "five".parse()?) as n => n))
        }
        let log = Log::new();
        assert!(block_on(f(&log)).is_err());
        assert_eq!(log.take(), ["enter a", "exit a Failed(())"]);
    }

    #[test]
    fn break_in_the_arguments_of_a_later_manager_completes_the_earlier() {
        let log = Log::new();
        let value = block_on(async {
            loop {
                let number = with!(plain(&log, "a"), sized(&log, if true { break 5 } else { 6 }) as n => n);
                assert_eq!(number, 6);
            }
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter a", "exit a Completed"]);
    }

    #[test]
    fn arguments_of_a_manager_may_await() {
        async fn size() -> usize {
            yields(2).await;
            5
        }
        let log = Log::new();
        let value = block_on(async { with!(sized(&log, size().await) as a, sized(&log, a + size().await) as b => b) });
        assert_eq!(value, 10);
        assert_eq!(log.take(), ["enter 5", "enter 10", "exit 10", "exit 5"]);
    }

    #[test]
    fn with_may_stand_in_the_arguments_of_a_function_call() {
        let log = Log::new();
        let max = block_on(async { usize::max(with!(sized(&log, 1) as n => n), with!(sized(&log, 2) as n => n)) });
        assert_eq!(max, 2);
        assert_eq!(log.take(), ["enter 1", "exit 1", "enter 2", "exit 2"]);
    }

    #[test]
    fn with_may_stand_in_the_arguments_of_a_macro() {
        let log = Log::new();
        let text =
            block_on(async { format!("{} {}", with!(sized(&log, 1) as n => n), with!(sized(&log, 2) as n => n)) });
        assert_eq!(text, "1 2");
        assert_eq!(log.take(), ["enter 1", "exit 1", "enter 2", "exit 2"]);
    }
}
