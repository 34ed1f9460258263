//! The type of the block's value is found as without `with!`: for one manager and for several, fallible or not.
//!
//! That these compile is what they show.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]
#![allow(
    clippy::default_trait_access,
    clippy::needless_pass_by_value,
    reason = "that the type is found elsewhere is what is tested"
)]

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Debug, Display};

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on, panic_message};

/// Lends a text.
#[async_context_manager]
async fn plain() -> &'static str {
    r#yield!("5");
}

#[async_context_manager]
async fn fallible() -> Result<&'static str, String> {
    r#yield!("5");
    Ok(())
}

#[async_context_manager]
async fn logged(log: &Log) -> &'static str {
    let outcome = r#yield!("5");
    log.add(format!("{outcome:?}"));
}

mod expected_from_outside {
    use super::*;

    #[test]
    fn type_is_expected_from_a_let_with_a_type() {
        block_on(async {
            let n: u32 = with!(plain() as s => s.parse().unwrap());
            let m: u32 = with!(plain(), plain() as s => s.parse().unwrap());
            assert_eq!((n, m), (5, 5));
        });
    }

    #[test]
    fn type_is_expected_from_a_let_with_a_type_and_a_fallible_manager() {
        block_on(async {
            let a: Result<u32, String> = with!(fallible() as s => s.parse().unwrap());
            let b: Result<u32, String> = with!(fallible(), plain() as s => s.parse().unwrap());
            let c: Result<u32, String> = with!(plain(), fallible() as s => s.parse().unwrap());
            let d: Result<u32, String> = with!(fallible(), fallible() as s => s.parse().unwrap());
            assert_eq!([a, b, c, d], [Ok(5), Ok(5), Ok(5), Ok(5)]);
        });
    }

    #[test]
    fn type_is_expected_from_behind_a_question_mark() {
        async fn f() -> Result<u32, String> {
            let a: u32 = with!(fallible() as s => s.parse().unwrap())?;
            let b: u32 = with!(plain(), fallible() as s => s.parse().unwrap())?;
            let c: u32 = with!(fallible(), plain() as s => { s.parse().unwrap() })?;
            Ok(a + b + c)
        }
        assert_eq!(block_on(f()), Ok(15));
    }

    #[test]
    fn type_is_expected_from_behind_an_unwrap() {
        block_on(async {
            let a: u32 = with!(fallible() as s => s.parse().unwrap()).unwrap();
            let b: u32 = with!(fallible(), fallible() as s => s.parse().unwrap()).unwrap();
            assert_eq!((a, b), (5, 5));
        });
    }

    #[test]
    fn type_is_expected_from_the_value_of_the_function() {
        async fn one() -> u32 {
            with!(plain() as s => s.parse().unwrap())
        }
        async fn two() -> Result<u32, String> {
            with!(fallible(), plain() as s => s.parse().unwrap())
        }
        assert_eq!((block_on(one()), block_on(two())), (5, Ok(5)));
    }

    #[test]
    fn type_is_expected_from_an_argument() {
        fn half(n: u32) -> u32 {
            n / 2
        }
        assert_eq!(block_on(async { half(with!(plain() as s => s.parse().unwrap())) }), 2);
        assert_eq!(block_on(async { half(with!(plain(), plain() as s => s.parse().unwrap())) }), 2);
    }

    #[test]
    fn type_is_expected_from_a_field() {
        struct Own {
            n: u16,
        }
        let own = block_on(async { Own { n: with!(plain() as s => s.parse().unwrap()) } });
        assert_eq!(own.n, 5);
    }

    #[test]
    fn type_is_expected_from_a_question_mark_in_the_block_that_parses() {
        async fn f() -> Result<u32, std::num::ParseIntError> {
            let a: u32 = with!(plain() as s => s.parse()?);
            let b: u32 = with!(plain(), plain() as s => { s.parse()? });
            Ok(a + b)
        }
        assert_eq!(block_on(f()), Ok(10));
    }

    #[test]
    fn type_is_expected_from_a_collection() {
        block_on(async {
            let set: HashSet<char> = with!(plain() as s => s.chars().collect());
            let pairs: BTreeMap<usize, char> = with!(plain(), plain() as s => s.chars().enumerate().collect());
            assert_eq!((set.len(), pairs[&0]), (1, '5'));
        });
    }

    #[test]
    fn type_is_expected_from_a_collection_of_results() {
        async fn f() -> Result<Vec<u32>, std::num::ParseIntError> {
            with!(plain() as s => s.split(',').map(str::parse).collect())
        }
        assert_eq!(block_on(f()), Ok(vec![5]));
    }

    #[test]
    fn type_is_expected_from_the_argument_of_a_closure() {
        block_on(async {
            let double: fn(u32) -> u32 = with!(plain() => |n| n * 2);
            let boxed: Box<dyn Fn(&str) -> usize> = with!(plain(), plain() => Box::new(|text| text.len() / 2));
            assert_eq!((double(2), boxed("text")), (4, 2));
        });
    }

    #[test]
    fn type_is_expected_from_an_integer_literal() {
        block_on(async {
            let a: u8 = with!(plain() => 5);
            let b: i64 = with!(plain(), plain() => -5);
            let c: Result<u128, String> = with!(fallible() => 5);
            let d: f32 = with!(plain() => 0.5);
            assert_eq!((a, b, c, d.to_string()), (5, -5, Ok(5), "0.5".to_string()));
        });
    }

    #[test]
    fn type_is_expected_from_nothing_is_expected_of_a_literal() {
        block_on(async {
            let a = with!(plain() => 5);
            let b = with!(fallible() => 0.5);
            assert_eq!((size_of_val(&a), b.map(|b| size_of_val(&b))), (4, Ok(8)));
        });
    }
}

mod found_later {
    use super::*;

    #[test]
    fn type_is_found_later_for_a_collection() {
        fn takes(list: &[char]) -> usize {
            list.len()
        }
        block_on(async {
            let list: Vec<_> = with!(plain() as s => s.chars().collect());
            let other = with!(plain() as s => s.chars().collect::<Vec<_>>());
            let length = takes(&list) + takes(&other);
            assert_eq!(length, 2);
        });
    }

    #[test]
    fn type_is_found_later_for_a_collection_without_any_type() {
        fn takes(list: Vec<char>) -> usize {
            list.len()
        }
        block_on(async {
            let one = with!(plain() as s => s.chars().collect());
            let two = with!(plain(), plain() as s => { s.chars().collect() });
            let three = with!(fallible() as s => s.chars().collect());
            assert_eq!((takes(one), takes(two), three.map(takes)), (1, 1, Ok(1)));
        });
    }

    #[test]
    fn type_is_found_later_for_a_default() {
        fn takes(text: String, number: u8) -> usize {
            text.len() + usize::from(number)
        }
        block_on(async {
            let text = with!(plain() => Default::default());
            let number = with!(plain(), plain() => Default::default());
            assert_eq!(takes(text, number), 0);
        });
    }

    #[test]
    fn type_is_found_later_for_a_default_of_a_fallible_manager() {
        async fn f() -> Result<usize, String> {
            let text = with!(fallible() => Default::default())?;
            let other = with!(fallible(), fallible() => Default::default())?;
            let sum = String::len(&text) + String::len(&other);
            Ok(sum)
        }
        assert_eq!(block_on(f()), Ok(0));
    }

    #[test]
    fn type_is_found_later_for_a_parsed_number() {
        fn takes(n: u16) -> u16 {
            n
        }
        block_on(async {
            let n = with!(plain() as s => s.parse().unwrap());
            let m = with!(plain(), plain() as s => { s.parse().unwrap() });
            assert_eq!(takes(n) + takes(m), 10);
        });
    }

    #[test]
    fn type_is_found_later_for_a_number_that_a_question_mark_parses() {
        async fn f() -> Result<u16, std::num::ParseIntError> {
            let n = with!(plain() as s => s.parse()?);
            let m = with!(plain(), plain() as s => { s.parse()? });
            Ok(takes(n) + takes(m))
        }
        fn takes(n: u16) -> u16 {
            n
        }
        assert_eq!(block_on(f()), Ok(10));
    }

    #[test]
    fn type_is_found_later_for_an_empty_list() {
        block_on(async {
            let mut list = with!(plain() => Vec::new());
            list.push(5_u8);
            let mut other = with!(plain(), plain() => vec![]);
            other.push("text");
            assert_eq!((list, other), (vec![5], vec!["text"]));
        });
    }

    #[test]
    fn type_is_found_later_for_none() {
        block_on(async {
            let mut option = with!(plain() => None);
            assert!(option.is_none());
            option.replace(5_u8);
            assert_eq!(option, Some(5));
        });
    }

    #[test]
    fn type_is_found_later_for_the_error_of_an_ok() {
        async fn f() -> Result<u8, String> {
            let result = with!(plain() => Ok(5));
            result
        }
        async fn g() -> Result<u8, String> {
            let result = with!(plain(), plain() => { Ok(5) });
            result
        }
        assert_eq!((block_on(f()), block_on(g())), (Ok(5), Ok(5)));
    }

    #[test]
    fn type_is_found_later_for_the_value_of_an_err() {
        fn takes(result: Result<u8, &str>) -> bool {
            result.is_err()
        }
        let log = Log::new();
        block_on(async {
            let result = with!(logged(&log) => Err("error"));
            assert!(takes(result));
        });
        assert_eq!(log.take(), ["Failed(())"]);
    }

    #[test]
    fn type_is_found_later_for_a_result_that_is_only_found_later_to_be_one() {
        fn takes(result: Result<Vec<u8>, ()>) -> bool {
            result.is_err()
        }
        let log = Log::new();
        block_on(async {
            let result = with!(logged(&log) => [Ok(1), Err(()), Ok(2)].into_iter().collect());
            assert!(takes(result));
            let result = with!(logged(&log) => [Ok(1), Ok(2)].into_iter().collect());
            assert!(!takes(result));
        });
        assert_eq!(log.take(), ["Failed(())", "Completed"]);
    }

    #[test]
    fn type_is_found_later_for_the_type_of_a_local_that_the_block_fills() {
        block_on(async {
            let mut list = Vec::new();
            let mut option = None;
            with!(plain() as s => {
                list.push(s.len());
                option = Some(s);
            });
            assert_eq!((list, option), (vec![1], Some("5")));
        });
    }

    #[test]
    fn type_is_found_later_for_the_type_of_an_async_block_with_an_early_return() {
        let future = async {
            with!(plain() as s => {
                if s.is_empty() { return Default::default(); }
            });
            5_u8
        };
        assert_eq!(block_on(future), 5);
    }
}

mod coercions {
    use super::*;

    #[test]
    fn block_is_coerced_to_a_boxed_trait_object() {
        block_on(async {
            let boxed: Box<dyn Display> = with!(plain() as s => Box::new(s));
            let other: Box<dyn Debug> = with!(plain(), plain() as s => { Box::new(s.len()) });
            assert_eq!(format!("{boxed}{other:?}"), "51");
        });
    }

    #[test]
    fn block_is_coerced_to_a_boxed_trait_object_of_the_functions_type() {
        async fn f() -> Box<dyn Display> {
            with!(plain() as s => Box::new(s.len()))
        }
        async fn g() -> Result<Box<dyn Display>, String> {
            with!(fallible() as s => Box::new(s.len()) as Box<dyn Display>)
        }
        assert_eq!(format!("{}{}", block_on(f()), block_on(g()).unwrap()), "11");
    }

    #[test]
    fn block_is_coerced_to_a_boxed_trait_object_in_a_result() {
        block_on(async {
            let a: Result<Box<dyn Display>, String> = with!(fallible() as s => Box::new(s.len()));
            let b: Result<Box<dyn Display>, String> = with!(fallible(), plain() as s => Box::new(s.len()));
            assert_eq!(format!("{}{}", a.unwrap(), b.unwrap()), "11");
        });
    }

    #[test]
    fn block_is_coerced_of_a_return_to_the_functions_type() {
        async fn f() -> Box<dyn Display> {
            with!(plain() as s => {
                if s.len() == 1 { return Box::new(s); }
            });
            Box::new(6)
        }
        assert_eq!(block_on(f()).to_string(), "5");
    }

    #[test]
    fn block_is_coerced_of_a_break_to_the_loops_type() {
        block_on(async {
            let boxed: Box<dyn Display> = loop {
                with!(plain() as s => { break Box::new(s) as Box<dyn Display> });
            };
            assert_eq!(boxed.to_string(), "5");
        });
    }

    #[test]
    fn block_is_coerced_to_a_slice() {
        block_on(async {
            let numbers = [1, 2, 3];
            let slice: &[u8] = with!(plain() => &numbers);
            let other: &[u8] = with!(plain(), plain() => { &numbers });
            assert_eq!((slice.len(), other.len()), (3, 3));
        });
    }

    #[test]
    fn block_is_coerced_of_a_string_to_a_str() {
        block_on(async {
            let text = "text".to_string();
            let borrowed: &str = with!(plain() => &text);
            assert_eq!(borrowed, "text");
        });
    }

    #[test]
    fn block_is_coerced_of_a_mutable_reference_to_a_shared_one() {
        block_on(async {
            let mut text = "text".to_string();
            let borrowed: &String = with!(plain() => &mut text);
            assert_eq!(borrowed, "text");
        });
    }

    #[test]
    fn block_is_coerced_of_a_function_to_a_pointer() {
        fn double(n: u8) -> u8 {
            n * 2
        }
        let pointer: fn(u8) -> u8 = block_on(async { with!(plain() => double) });
        assert_eq!(pointer(2), 4);
    }

    #[test]
    fn block_is_coerced_between_the_branches_of_an_if() {
        block_on(async {
            let boxed: Box<dyn Display> = with!(plain() as s => if s.is_empty() { Box::new(s) } else { Box::new(5) });
            assert_eq!(boxed.to_string(), "5");
        });
    }
}

mod diverging {
    use super::*;

    #[test]
    fn block_may_diverge_by_a_panic() {
        let message = panic_message(async {
            let _: u8 = with!(plain() => panic!("one"));
        });
        assert_eq!(message, "one");
        let message = panic_message(async {
            let _: Result<u8, String> = with!(plain(), fallible() => { panic!("two") });
        });
        assert_eq!(message, "two");
    }

    #[test]
    fn block_may_diverge_by_a_panic_of_no_type() {
        assert_eq!(panic_message(async { with!(plain() => panic!("one")) }), "one");
        assert_eq!(panic_message(async { with!(plain(), plain() => { panic!("two") }) }), "two");
        assert_eq!(
            panic_message(async { with!(fallible() => unreachable!()) }),
            "internal error: entered unreachable code"
        );
        assert_eq!(panic_message(async { with!(plain() => todo!()) }), "not yet implemented");
    }

    #[test]
    fn block_may_diverge_by_a_return() {
        async fn one() -> u8 {
            let _: String = with!(plain() => return 5);
            6
        }
        async fn two() -> u8 {
            let _: Result<String, _> = with!(fallible(), plain() => { return 5 });
            6
        }
        async fn three() -> u8 {
            with!(plain() => return 5)
        }
        async fn four() -> Result<u8, String> {
            with!(fallible() => { return Ok(5) })
        }
        assert_eq!((block_on(one()), block_on(two()), block_on(three()), block_on(four())), (5, 5, 5, Ok(5)));
    }

    #[test]
    fn block_may_diverge_by_a_return_in_the_middle() {
        async fn f() -> u8 {
            with!(plain() as s => {
                if s.len() == 1 { return 5; }
                s.parse().unwrap()
            })
        }
        assert_eq!(block_on(f()), 5);
    }

    #[test]
    fn block_may_diverge_by_a_loop() {
        async fn f() -> u8 {
            with!(plain() => loop {
                if true { return 5; }
            })
        }
        assert_eq!(block_on(f()), 5);
        let future = async {
            let _: u8 = with!(plain() => loop { tests::yields(1).await; });
        };
        tests::drop_after(3, future);
    }

    #[test]
    fn block_may_diverge_by_a_break() {
        let value = block_on(async {
            loop {
                let _: String = with!(plain() => break 5);
            }
        });
        assert_eq!(value, 5);
    }

    #[test]
    fn block_may_diverge_by_an_endless_wait() {
        tests::drop_after(1, async { with!(plain() => std::future::pending::<std::convert::Infallible>().await) });
    }

    #[test]
    fn block_may_diverge_by_one_branch() {
        let n: u8 = block_on(async { with!(plain() as s => if s.len() == 1 { 5 } else { panic!("not reached") }) });
        assert_eq!(n, 5);
    }

    #[test]
    fn block_may_diverge_by_all_branches() {
        async fn f() -> Result<u8, String> {
            with!(plain() as s => match s {
                "5" => return Ok(5),
                _ => return Err(s.to_string()),
            })
        }
        assert_eq!(block_on(f()), Ok(5));
    }
}
