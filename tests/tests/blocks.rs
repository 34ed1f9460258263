//! The block is a block of the function it stands in: its locals, its patterns, and where a `with!` can stand.

#![forbid(unsafe_code)]
#![allow(clippy::cast_lossless, clippy::manual_async_fn, clippy::question_mark, reason = "they are what is tested")]
#![allow(clippy::default_trait_access, reason = "that the type is found elsewhere is what is tested")]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on, block_on_counting, yields};

#[async_context_manager]
async fn plain(log: &Log) {
    log.add("enter");
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    yields(1).await;
}

#[async_context_manager]
async fn lend<T>(value: T) -> T {
    r#yield!(value);
}

mod locals {
    use super::*;

    #[test]
    fn locals_are_used_and_changed_without_a_move() {
        let log = Log::new();
        block_on(async {
            let mut list = vec![1];
            let text = "text".to_string();
            with!(plain(&log) => {
                list.push(text.len());
                log.add(format!("{list:?} {text}"));
            });
            list.push(2);
            log.add(format!("{list:?} {text}"));
        });
        assert_eq!(log.take(), ["enter", "[1, 4] text", "Completed", "[1, 4, 2] text"]);
    }

    #[test]
    fn locals_are_moved_where_the_block_says_so() {
        let log = Log::new();
        block_on(async {
            let guard = log.on_drop("dropped");
            with!(plain(&log) => {
                drop(guard);
                log.add("block");
            });
        });
        assert_eq!(log.take(), ["enter", "dropped", "block", "Completed"]);
    }

    #[test]
    fn locals_that_are_moved_give_back_what_they_borrowed() {
        let log = Log::new();
        let list = block_on(async {
            let mut list = vec![1];
            let items: Box<dyn Iterator<Item = &mut i32> + '_> = Box::new(list.iter_mut());
            with!(plain(&log) => items.for_each(|item| *item += 1));
            list.push(5);
            list
        });
        assert_eq!(list, [2, 5]);
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn locals_are_borrowed_by_fields() {
        let log = Log::new();
        block_on(async {
            let mut pair = (vec![1], "text".to_string());
            let text = &pair.1;
            with!(plain(&log) => { pair.0.push(text.len()) });
            log.add(format!("{text} {:?}", pair.0));
        });
        assert_eq!(log.take(), ["enter", "Completed", "text [1, 4]"]);
    }

    #[test]
    fn locals_are_changed_through_references() {
        async fn f(log: &Log, list: &mut Vec<u8>, number: &mut u8) {
            with!(plain(log) => {
                list.push(*number);
                *number += 1;
                yields(1).await;
                list.push(*number);
            });
            list.push(*number);
        }
        let log = Log::new();
        let (mut list, mut number) = (Vec::new(), 1);
        block_on(f(&log, &mut list, &mut number));
        assert_eq!((list, number), (vec![1, 2, 2], 2));
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn locals_that_are_copy_are_changed_in_place() {
        let log = Log::new();
        let value = block_on(async {
            let mut n = 1;
            with!(plain(&log) => {
                n += 1;
                for _ in 0..3 { n *= 2; }
            });
            n
        });
        assert_eq!(value, 16);
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn locals_are_changed_by_a_block_that_leaves() {
        async fn f(log: &Log, seen: &mut Vec<u8>) -> Result<(), String> {
            for n in 0..3 {
                with!(plain(log) => {
                    seen.push(n);
                    if n == 1 { Err("error")?; }
                });
            }
            Ok(())
        }
        let log = Log::new();
        let mut seen = Vec::new();
        assert_eq!(block_on(f(&log, &mut seen)), Err("error".to_string()));
        assert_eq!(seen, [0, 1]);
        assert_eq!(log.take(), ["enter", "Completed", "enter", "Failed(())"]);
    }

    #[test]
    fn self_can_be_used_in_a_block() {
        struct Counter {
            log: Log,
            count: u32,
        }
        impl Counter {
            async fn count(&mut self) -> u32 {
                let log = self.log.clone();
                with!(plain(&log) => {
                    self.count += 1;
                    self.count
                })
            }
        }
        let mut counter = Counter { log: Log::new(), count: 0 };
        assert_eq!(block_on(counter.count()), 1);
        assert_eq!(block_on(counter.count()), 2);
        assert_eq!(counter.log.take(), ["enter", "Completed", "enter", "Completed"]);
    }

    #[test]
    fn a_manager_that_borrows_one_field_leaves_the_other_to_the_block() {
        #[async_context_manager]
        async fn on_field(field: &mut Vec<u8>) -> &mut Vec<u8> {
            r#yield!(&mut *field);
            field.push(9);
        }
        let value = block_on(async {
            let mut pair = (vec![1], vec![2]);
            with!(on_field(&mut pair.0) as first => {
                first.push(pair.1.len().try_into().unwrap());
                pair.1.push(3);
            });
            pair
        });
        assert_eq!(value, (vec![1, 1, 9], vec![2, 3]));
    }

    #[test]
    fn names_in_a_block_are_the_users_own() {
        let log = Log::new();
        let value = block_on(async {
            let (manager, handoff0, handoff, lent, value, end, exit, here, jump) = (1, 2, 3, 4, 5, 6, 7, 8, 9);
            loop {
                let sum = with!(plain(&log) => {
                    if log.take().len() > 1 { break 0; }
                    manager + handoff0 + handoff + lent + value + end + exit + here + jump
                });
                break sum;
            }
        });
        assert_eq!(value, 45);
        assert_eq!(log.take(), ["Completed"]);
    }

    #[test]
    fn names_in_a_manager_function_are_the_users_own() {
        #[async_context_manager]
        async fn names(here: u8, exit: u8, manager_yield_point: u8, argument0: u8, (argument1, _): (u8, u8)) -> u8 {
            r#yield!(here + exit + manager_yield_point + argument0 + argument1);
        }
        assert_eq!(block_on(async { with!(names(1, 2, 3, 4, (5, 6)) as sum => sum) }), 15);
    }

    #[test]
    fn names_that_errors_show_are_the_users_own() {
        #[async_context_manager]
        async fn names(this_manager: u8, lent: u8) -> u8 {
            r#yield!(this_manager + lent);
        }
        assert_eq!(block_on(async { with!(names(1, 2) as sum => sum) }), 3);
    }
}

mod patterns {
    use super::*;

    struct Point {
        x: i32,
        y: i32,
    }

    #[test]
    fn lent_tuple_is_bound_to_a_pattern() {
        assert_eq!(block_on(async { with!(lend((1, 2)) as (a, b) => a + b) }), 3);
    }

    #[test]
    fn lent_struct_is_bound_to_a_pattern() {
        let point = Point { x: 1, y: 2 };
        assert_eq!(block_on(async { with!(lend(point) as Point { x, y: other } => x + other) }), 3);
    }

    #[test]
    fn lent_struct_is_bound_to_a_pattern_with_a_rest() {
        let point = Point { x: 1, y: 2 };
        assert_eq!(block_on(async { with!(lend(point) as Point { y, .. } => y) }), 2);
    }

    #[test]
    fn pattern_may_bind_mutable_names() {
        let text = block_on(async {
            with!(lend("a".to_string()) as mut text => {
                text.push('b');
                text
            })
        });
        assert_eq!(text, "ab");
    }

    #[test]
    fn pattern_may_bind_by_reference() {
        assert_eq!(block_on(async { with!(lend("text".to_string()) as ref text => text.len()) }), 4);
    }

    #[test]
    fn pattern_may_bind_by_mutable_reference() {
        let value = block_on(async {
            with!(lend(vec![1]) as ref mut list => {
                list.push(2);
                list.len()
            })
        });
        assert_eq!(value, 2);
    }

    #[test]
    fn pattern_may_bind_nothing() {
        let log = Log::new();
        block_on(async { with!(lend(log.on_drop("dropped")) as _ => log.add("block")) });
        assert_eq!(log.take(), ["dropped", "block"]);
    }

    #[test]
    fn pattern_may_have_a_name_that_is_not_used() {
        let log = Log::new();
        block_on(async { with!(lend(log.on_drop("dropped")) as _guard => log.add("block")) });
        assert_eq!(log.take(), ["block", "dropped"]);
    }

    #[test]
    fn a_value_that_nobody_binds_lives_to_the_end_of_the_block() {
        let log = Log::new();
        block_on(async { with!(lend(log.on_drop("dropped")) => log.add("block")) });
        assert_eq!(log.take(), ["block", "dropped"]);
    }

    #[test]
    fn pattern_may_have_a_binding_and_a_pattern() {
        assert_eq!(block_on(async { with!(lend((1, 2)) as pair @ (a, _) => pair.1 + a) }), 3);
    }

    #[test]
    fn patterns_may_be_in_parentheses_nested_and_of_arrays() {
        let value = block_on(async { with!(lend(((1, 2), [3, 4, 5])) as ((a, _), [b, .., c]) => a + b + c) });
        assert_eq!(value, 9);
    }

    #[test]
    fn pattern_of_an_enum_with_one_variant_is_irrefutable() {
        enum One {
            Only(i32),
        }
        assert_eq!(block_on(async { with!(lend(One::Only(5)) as One::Only(n) => n) }), 5);
    }

    #[test]
    fn pattern_of_a_result_that_can_only_be_ok_is_irrefutable() {
        let ok: Result<i32, std::convert::Infallible> = Ok(5);
        assert_eq!(block_on(async { with!(lend(ok) as Ok(n) => n) }), 5);
    }

    #[test]
    fn patterns_may_be_references() {
        let number = 5;
        assert_eq!(block_on(async { with!(lend(&number) as &n => n + 1) }), 6);
    }

    #[test]
    fn patterns_may_stand_in_a_header_of_several() {
        let value = block_on(async {
            with!(lend((1, 2)) as (a, mut b), lend(Point { x: a, y: b }) as Point { x, y }, lend(5) as _ => {
                b += x + y;
                a + b
            })
        });
        assert_eq!(value, 6);
    }

    #[test]
    fn patterns_shadow_the_names_outside() {
        let value = block_on(async {
            let text = "text".to_string();
            let len = with!(lend(text.len()) as text => text + 1);
            (text, len)
        });
        assert_eq!(value, ("text".to_string(), 5));
    }

    #[test]
    fn a_value_that_is_used_in_the_manager_expression_by_as() {
        let value = block_on(async { with!(lend(5_u16 as u32) as word => u64::from(word)) });
        assert_eq!(value, 5);
    }
}

mod expressions {
    use super::*;

    #[test]
    fn block_may_stand_without_braces() {
        let log = Log::new();
        let value = block_on(async {
            (
                with!(lend(1) as n => n + 1),
                with!(lend(1) as n => [n, n]),
                with!(lend(1) as n => (n, n)),
                with!(lend(1) as n => if n == 1 { "one" } else { "other" }),
                with!(lend(1) as n => match n { 1 => 'a', _ => 'b' }),
                with!(lend(1) as n => loop { break n }),
                with!(lend(1) as n => unit(n)),
                with!(lend(1) as n => async { n }.await),
                with!(plain(&log) => ()),
            )
        });
        assert_eq!(value, (2, [1, 1], (1, 1), "one", 'a', 1, (), 1, ()));
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    fn unit(_: i32) {}

    #[test]
    fn block_may_have_a_trailing_comma() {
        assert_eq!(block_on(async { with!(lend(1) as n => n + 1,) }), 2);
        assert_eq!(block_on(async { with!(lend(1) as n => { n + 1 },) }), 2);
    }

    #[test]
    fn block_may_be_a_struct_literal() {
        #[derive(Debug, PartialEq)]
        struct Own {
            n: i32,
        }
        assert_eq!(block_on(async { with!(lend(1) as n => Own { n }) }), Own { n: 1 });
    }

    #[test]
    fn block_may_be_a_closure() {
        let add = block_on(async { with!(lend(1) as n => move |m: i32| n + m) });
        assert_eq!(add(2), 3);
    }

    #[test]
    fn block_may_be_another_macro() {
        assert_eq!(block_on(async { with!(lend(1) as n => format!("{n}")) }), "1");
        assert_eq!(block_on(async { with!(lend(1) as n => vec![n; 2]) }), [1, 1]);
    }

    #[test]
    fn with_may_have_brackets_or_braces() {
        assert_eq!(block_on(async { with![lend(1) as n => n] }), 1);
        block_on(async {
            with! { lend(1) as n => { assert_eq!(n, 1) } }
            with! { lend(1) as n => { assert_eq!(n, 1) } };
        });
    }

    #[test]
    fn with_may_be_part_of_another_expression() {
        let value = block_on(async {
            let sum = with!(lend(1) as n => n) + with!(lend(2) as n => n) * 2;
            let text = with!(lend("text") as text => text.to_string()).len();
            if with!(lend(true) as yes => yes) { [sum, text] } else { [0, 0] }
        });
        assert_eq!(value, [5, 4]);
    }

    #[test]
    fn block_may_have_items() {
        let value = block_on(async {
            with!(lend(1) as n => {
                const TWO: i32 = 2;
                fn double(n: i32) -> i32 {
                    if n == 0 { return 0; }
                    n * TWO
                }
                struct Own(i32);
                impl Own {
                    fn get(&self) -> Option<i32> { Some(Some(self.0)? + 1) }
                }
                Own(double(n)).get()
            })
        });
        assert_eq!(value, Some(3));
    }

    #[test]
    fn block_may_have_attributes() {
        let value = block_on(async {
            with!(lend(1) as n => {
                #[cfg(any())]
                compile_error!("not compiled");
                #[allow(unused_mut, reason = "the attribute is what is tested")]
                let mut m = n;
                m
            })
        });
        assert_eq!(value, 1);
    }

    #[test]
    fn block_may_have_let_else_and_let_chains() {
        async fn f(value: Option<i32>) -> Option<i32> {
            with!(lend(value) as value => {
                let Some(n) = value else { return None };
                Some(n + 1)
            })
        }
        assert_eq!(block_on(f(Some(1))), Some(2));
        assert_eq!(block_on(f(None)), None);
    }
}

mod places {
    use super::*;

    #[test]
    fn with_in_the_conditions_of_loops_and_branches() {
        let log = Log::new();
        let rounds = block_on(async {
            let mut left = 2;
            let mut rounds = Vec::new();
            while with!(plain(&log) => left > 0) {
                left -= 1;
                rounds.push(left);
            }
            while let Some(round) = with!(plain(&log) => rounds.pop()) {
                log.add(format!("round {round}"));
            }
            for n in with!(plain(&log) => 3..5) {
                rounds.push(n);
            }
            match rounds.len() {
                n if with!(plain(&log) => n == 2) => rounds,
                _ => unreachable!(),
            }
        });
        assert_eq!(rounds, [3, 4]);
        let events = log.take();
        assert_eq!(events.iter().filter(|event| *event == "Completed").count(), 8);
        assert_eq!(
            events.iter().filter(|event| event.starts_with("round")).collect::<Vec<_>>(),
            ["round 0", "round 1"]
        );
    }

    #[test]
    fn with_in_a_future_that_the_block_gives() {
        let log = Log::new();
        let value = block_on(async {
            let future = with!(plain(&log) => async { log.add("future"); 5 });
            log.add("after");
            future.await
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter", "Completed", "after", "future"]);
    }

    #[test]
    fn with_in_a_method_that_gives_itself_away() {
        struct Job(String);
        impl Job {
            async fn finish(self, log: &Log) -> String {
                with!(plain(log) => self.0)
            }
        }
        let log = Log::new();
        assert_eq!(block_on(Job("done".to_string()).finish(&log)), "done");
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn with_in_labels_of_the_users_that_look_like_generated_ones() {
        let log = Log::new();
        let value = block_on(async {
            'with_block: loop {
                with!(plain(&log), plain(&log) => {
                    let inner = 'block: {
                        if log.take().len() == 2 { break 'block 5; }
                        6
                    };
                    break 'with_block inner;
                });
            }
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["Completed", "Completed"]);
    }

    #[test]
    fn with_in_an_async_block_with_a_question_mark_on_none() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log) => { None::<u8>?; });
            Some(5)
        });
        assert_eq!(value, None);
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn with_in_an_async_block_with_a_return_of_an_error_whose_type_is_found_later() {
        fn takes(result: &Result<u8, String>) -> bool {
            result.is_err()
        }
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log) => {
                if log.take().len() == 1 { return Err(Default::default()); }
            });
            Ok(5)
        });
        assert!(takes(&value));
        assert_eq!(log.take(), ["Failed(())"]);
    }

    #[tokio::test]
    async fn with_in_a_tokio_test() -> Result<(), String> {
        let log = Log::new();
        with!(plain(&log) => {
            if log.take() == ["enter"] {
                return Ok(());
            }
        });
        Err("the block was to return".to_string())
    }

    #[tokio::main(flavor = "current_thread")]
    async fn main_like(log: &Log, fails: bool) -> Result<u8, String> {
        with!(plain(log) => {
            tokio::task::yield_now().await;
            if fails { Err("error")?; }
            if !fails { return Ok(5); }
        });
        Ok(6)
    }

    #[test]
    fn with_in_a_tokio_main() {
        let log = Log::new();
        assert_eq!(main_like(&log, false), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed"]);
        assert_eq!(main_like(&log, true), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_an_async_block_whose_type_is_found_later() {
        let log = Log::new();
        let value: Result<u8, String> = block_on(async {
            with!(plain(&log) => {
                if log.take().len() == 5 { Err("error")?; }
                if log.take().is_empty() { return Ok(5); }
            });
            Ok(6)
        });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["Completed"]);
    }

    #[test]
    fn with_in_an_async_block_with_a_question_mark() {
        let log = Log::new();
        let value = block_on(async {
            let number = with!(plain(&log) => "five".parse::<u8>()?);
            Ok::<u8, std::num::ParseIntError>(number)
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_an_async_block_with_a_return_of_an_err() {
        let log = Log::new();
        let value: Result<u8, String> = block_on(async {
            with!(plain(&log) => {
                return Err("error".to_string());
            })
        });
        assert_eq!(value, Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_an_async_block_with_a_plain_return() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log) => {
                if log.take().len() == 1 { return 5; }
            });
            6
        });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["Completed"]);
    }

    #[test]
    fn with_in_an_async_move_block() {
        let log = Log::new();
        let future = {
            let log = log.clone();
            let text = "text".to_string();
            async move { with!(plain(&log) => text.len()) }
        };
        assert_eq!(block_on(future), 4);
        assert_eq!(log.take(), ["enter", "Completed"]);
    }

    #[test]
    fn with_in_an_async_closure() {
        let log = Log::new();
        let closure = async |fails: bool| {
            with!(plain(&log) => {
                if fails { return Err("error"); }
            });
            Ok(5)
        };
        assert_eq!(block_on(closure(false)), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed"]);
        assert_eq!(block_on(closure(true)), Err("error"));
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_an_async_closure_with_a_question_mark() {
        let log = Log::new();
        let closure =
            async |text: &str| -> Result<u8, std::num::ParseIntError> { Ok(with!(plain(&log) => text.parse::<u8>()?)) };
        assert_eq!(block_on(closure("5")), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed"]);
        assert!(block_on(closure("five")).is_err());
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_an_async_closure_that_changes_what_it_captures() {
        let log = Log::new();
        let mut count = 0;
        let mut closure = async || {
            with!(plain(&log) => { count += 1 });
        };
        block_on(async {
            closure().await;
            closure().await;
        });
        assert_eq!(count, 2);
        assert_eq!(log.take(), ["enter", "Completed", "enter", "Completed"]);
    }

    #[test]
    fn with_in_a_method_of_a_trait() {
        trait Job {
            async fn run(&mut self) -> Result<u8, String>;
        }
        impl Job for (Log, bool) {
            async fn run(&mut self) -> Result<u8, String> {
                let (log, fails) = self;
                with!(plain(log) => {
                    if *fails { Err("error")?; }
                    *fails = true;
                });
                Ok(5)
            }
        }
        let log = Log::new();
        let mut job = (log.clone(), false);
        assert_eq!(block_on(job.run()), Ok(5));
        assert_eq!(block_on(job.run()), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Completed", "enter", "Failed(())"]);
    }

    #[test]
    fn with_in_a_function_of_impl_future() {
        fn f(log: &Log, fails: bool) -> impl Future<Output = Result<u8, String>> {
            async move {
                with!(plain(log) => if fails { Err("error")?; });
                Ok(5)
            }
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log, true)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_a_boxed_future() {
        fn f(log: &Log) -> futures::future::BoxFuture<'_, Result<u8, String>> {
            Box::pin(async move {
                with!(plain(log) => { return Err("error".to_string()) });
                #[allow(unreachable_code, reason = "the compiler can't see it")]
                Ok(5)
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_a_generic_function() {
        async fn f<T, E: From<String>>(log: &Log, value: Option<T>) -> Result<T, E> {
            Ok(with!(plain(log) => value.ok_or_else(|| "none".to_string())?))
        }
        let log = Log::new();
        assert_eq!(block_on(f::<_, String>(&log, Some(5))), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed"]);
        let error = block_on(f::<u8, Box<dyn std::error::Error>>(&log, None)).unwrap_err();
        assert_eq!(error.to_string(), "none");
        assert_eq!(log.take(), ["enter", "Failed(())"]);
    }

    #[test]
    fn with_in_a_macro_of_the_users() {
        macro_rules! logged {
            ($log:expr, $name:ident => $block:expr) => {
                with!(lend($log) as $name => $block)
            };
            ($log:expr; $($block:tt)*) => {
                with!(plain($log) => { $($block)* })
            };
        }
        async fn f(log: &Log) -> Result<u8, String> {
            let value = logged!(log, inner => {
                inner.add("block");
                loop {
                    logged!(log; break 5);
                }
            });
            logged!(log; Err("error")?);
            Ok(value)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("error".to_string()));
        assert_eq!(log.take(), ["block", "enter", "Completed", "enter", "Failed(())"]);
    }

    #[test]
    fn with_in_the_arguments_of_macros() {
        let log = Log::new();
        block_on(async {
            let list = vec![with!(lend(1) as n => n), with!(lend(2) as n => n)];
            assert_eq!(with!(lend(list) as list => list.len()), 2);
            assert!(matches!(with!(lend(Some(5)) as some => some), Some(5)));
            let (a, b) = futures::join!(async { with!(plain(&log) => 1) }, async { with!(plain(&log) => 2) });
            assert_eq!(a + b, 3);
        });
        assert_eq!(log.take(), ["enter", "Completed", "enter", "Completed"]);
    }

    #[test]
    fn with_in_the_branches_of_select() {
        async fn f(log: &Log, way: u8) -> Result<u8, String> {
            loop {
                tokio::select! {
                    biased;
                    () = async { with!(plain(log) => yields(5).await) } => log.add("not reached"),
                    n = async { with!(lend(way) as n => n) } => with!(plain(log) => match n {
                        0 => Err("error")?,
                        1 => return Ok(1),
                        _ => break,
                    }),
                }
            }
            Ok(2)
        }
        let log = Log::new();
        let [a, b, c] = [0, 1, 2].map(|way| block_on(f(&log, way)));
        assert_eq!((a, b, c), (Err("error".to_string()), Ok(1), Ok(2)));
        let around = |outcome| ["enter", "Cancelled", "enter", outcome];
        assert_eq!(log.take(), [around("Failed(())"), around("Completed"), around("Completed")].concat());
    }

    #[test]
    fn with_in_a_try_join_that_fails() {
        let log = Log::new();
        let result: Result<((), ()), &str> = block_on(async {
            futures::try_join!(async { with!(plain(&log) => { yields(9).await; Ok(()) }) }, async {
                with!(lend(5) => { yields(2).await; Err("error") })
            })
        });
        assert_eq!(result, Err("error"));
        assert_eq!(log.take(), ["enter", "Cancelled"]);
    }

    #[test]
    fn with_in_the_polls_are_those_of_the_awaits() {
        let log = Log::new();
        let ((), polls) = block_on_counting(async { with!(plain(&log) => yields(3).await) });
        assert_eq!(polls, 1 + 3 + 1);
        assert_eq!(log.take(), ["enter", "Completed"]);
    }
}
