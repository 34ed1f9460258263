//! `AsyncExitStack`: what its managers see and decide, in which order, and for how long their values are lent.

#![forbid(unsafe_code)]

use std::future::pending;
use std::panic::panic_any;
use std::rc::Rc;

use async_context_manager::{
    AsyncContextManager, AsyncExitStack, Catch, Outcome, Suppress, async_context_manager, with,
};
use tests::{Log, block_on, drop_after, in_child, panic_message, panic_of, yields};

type Stack<'env> = AsyncExitStack<'env, String, Suppress<Catch<String>>>;

/// Waits before and after its `yield!`, and may fail in both.
#[async_context_manager]
async fn named<'l>(log: &'l Log, name: &'static str, fails: &'static str) -> Result<&mut String, String> {
    log.add(format!("enter {name}"));
    yields(1).await;
    if fails == "entering" {
        return Err(format!("entering {name}"));
    }
    let mut local = name.to_string();
    let outcome = r#yield!(&mut local);
    log.add(format!("exit {local} {outcome:?}"));
    yields(1).await;
    if fails == "leaving" {
        return Err(format!("leaving {name}"));
    }
    if fails == "panicking" {
        panic_any(format!("panic {name}"));
    }
    log.add(format!("left {local}"));
    Ok(())
}

/// Can't fail.
#[async_context_manager]
async fn plain(log: &Log, name: &'static str) -> &mut String {
    let mut local = name.to_string();
    let outcome = r#yield!(&mut local);
    log.add(format!("exit {local} {outcome:?}"));
}

/// Sees the error, and makes what it is told of it.
#[async_context_manager(catch, suppress)]
async fn catching(log: &Log, name: &'static str, makes: Option<&'static str>) -> Result<(), String> {
    let outcome = r#yield!();
    log.add(format!("exit {name} {outcome:?}"));
    match (outcome, makes) {
        (Outcome::Failed(_), Some(error)) => Err(error.to_string()),
        (Outcome::Failed(error), None) if error == "pass" => Err(error),
        _ => Ok(()),
    }
}

/// A type, for [`AsyncContextManager`].
struct Counted {
    log: Log,
    count: u32,
}

impl AsyncContextManager for Counted {
    type Value<'v> = &'v mut u32;
    type Exit = ();

    async fn enter(&mut self) -> &mut u32 {
        &mut self.count
    }

    async fn exit(&mut self, outcome: Outcome) {
        self.log.add(format!("exit {} {outcome:?}", self.count));
    }
}

mod order {
    use super::*;

    #[test]
    fn last_manager_on_a_stack_is_left_first() {
        let log = Log::new();
        let value = block_on(async {
            with!(Stack::suppressing() as stack => {
                for name in ["a", "b", "c"] {
                    stack.enter(named(&log, name, "")).await?;
                }
                log.add("block");
                5
            })
        });
        assert_eq!(value, Ok::<_, String>(Some(5)));
        let entered = ["enter a", "enter b", "enter c", "block"];
        let left = ["exit c Completed", "left c", "exit b Completed", "left b", "exit a Completed", "left a"];
        assert_eq!(log.take(), [&entered[..], &left].concat());
    }

    #[test]
    fn managers_and_callbacks_and_exits_are_one_list() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.callback(async || log.add("callback"));
            stack.enter(Counted { log: log.clone(), count: 3 }.into_manager()).await;
            stack.push_catch(async |outcome| {
                log.add(format!("pushed {outcome:?}"));
                outcome.into_result()
            });
            assert_eq!(stack.len(), 4);
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["pushed Completed", "exit 3 Completed", "callback", "exit a Completed"]);
    }

    #[test]
    fn ten_thousand_managers_are_left_without_recursion() {
        let log = Log::new();
        let left = block_on(async {
            let mut stack = Stack::suppressing();
            for _ in 0..10_000 {
                stack.enter(plain(&log, "a")).await;
            }
            assert_eq!(stack.len(), 10_000);
            stack.close().await
        });
        assert_eq!(left, Ok(()));
        assert_eq!(log.take().len(), 10_000);
    }

    #[test]
    fn ten_thousand_managers_are_dropped_without_recursion() {
        let log = Log::new();
        block_on(async {
            let stack = Stack::suppressing();
            for _ in 0..10_000 {
                stack.enter(plain(&log, "a")).await;
            }
        });
        assert_eq!(log.take(), vec!["exit a Cancelled"; 10_000]);
    }
}

mod values {
    use super::*;

    #[async_context_manager]
    async fn owned(text: &str) -> String {
        r#yield!(text.to_string());
    }

    #[async_context_manager]
    async fn shared() -> &str {
        let local = String::from("local");
        r#yield!(&local);
    }

    #[async_context_manager]
    async fn unsized_slice() -> &mut [u32] {
        let mut local = vec![1, 2, 3];
        r#yield!(&mut local);
    }

    /// Lends what borrows from an argument, and from a local.
    #[async_context_manager]
    async fn words<'w>(word: &'w str, log: &'w Log) -> &mut Vec<&'w str> {
        let mut words = vec![word];
        r#yield!(&mut words);
        log.add(words.join(" "));
    }

    #[test]
    fn values_of_a_stack_can_be_used_while_it_is_open() {
        let log = Log::new();
        let word = String::from("word");
        block_on(async {
            let mut stack = Stack::suppressing();
            let owned = stack.enter(owned("a")).await;
            let shared = stack.enter(shared()).await;
            let slice = stack.enter(unsized_slice()).await;
            let first = stack.enter(words(&word, &log)).await;
            let second = stack.enter(words("first", &log)).await;
            let count = stack.enter(Counted { log: log.clone(), count: 3 }.into_manager()).await;
            slice[0] += u32::try_from(owned.len() + shared.len()).unwrap();
            first.push(&word);
            second.append(first);
            *count += slice[0];
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["exit 10 Completed", "first word word", ""]);
    }

    #[test]
    fn values_of_a_named_lifetime_outlive_the_stack() {
        #[async_context_manager]
        async fn passed<'a>(text: &'a str) -> &'a str {
            r#yield!(text);
        }
        let text = String::from("text");
        let passed = block_on(async {
            let mut stack = Stack::suppressing();
            let passed = stack.enter(passed(&text)).await;
            stack.close().await.unwrap();
            passed
        });
        assert_eq!(passed, "text");
    }

    #[test]
    fn values_of_a_stack_may_be_kept_in_a_vec() {
        let log = Log::new();
        let lengths = block_on(async {
            with!(Stack::suppressing() as stack => {
                let mut all = Vec::new();
                for name in ["a", "b"] {
                    all.push(stack.enter(named(&log, name, "")).await?);
                }
                for one in &mut all {
                    one.push('!');
                }
                all.iter().map(|one| one.len()).sum::<usize>()
            })
        });
        assert_eq!(lengths, Ok::<_, String>(Some(4)));
        assert_eq!(log.take()[2..], ["exit b! Completed", "left b!", "exit a! Completed", "left a!"]);
    }

    #[test]
    fn two_managers_may_be_entered_on_a_stack_at_once() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            let (a, b) = futures::join!(stack.enter(named(&log, "a", "")), stack.enter(named(&log, "b", "")));
            a.unwrap().push_str(b.unwrap());
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take()[2..], ["exit b Completed", "left b", "exit ab Completed", "left ab"]);
    }
}

mod errors {
    use super::*;

    #[test]
    fn error_of_entering_fails_the_block_and_pushes_nothing() {
        let log = Log::new();
        let value = block_on(async {
            with!(Stack::suppressing() as stack => {
                stack.enter(named(&log, "a", "")).await?;
                stack.enter(named(&log, "b", "entering")).await?;
                log.add("not reached");
            })
        });
        assert_eq!(value, Err("entering b".to_string()));
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Failed(())", "left a"]);
    }

    #[test]
    fn error_of_entering_can_be_handled() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(named(&log, "a", "entering")).await.unwrap_err();
            assert!(stack.is_empty());
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["enter a"]);
    }

    #[test]
    fn error_of_the_block_is_seen_by_all_on_the_stack_and_goes_on() {
        async fn f(log: &Log) -> Result<Option<u32>, String> {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(log, "a")).await;
                stack.enter(catching(log, "b", None)).await?;
                Err("pass".to_string())?;
                5
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("pass".to_string()));
        assert_eq!(log.take(), ["exit b Failed(\"pass\")", "exit a Failed(())"]);
    }

    #[test]
    fn err_as_value_of_the_block_is_seen_by_all_on_the_stack() {
        let log = Log::new();
        let value = block_on(async {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                Err::<u32, _>("value".to_string())
            })
        });
        assert_eq!(value, Err("value".to_string()));
        assert_eq!(log.take(), ["exit a Failed(())"]);
    }

    #[test]
    fn error_of_leaving_replaces_what_is_under_way_for_the_older_managers() {
        async fn f(log: &Log) -> Result<Option<()>, String> {
            with!(Stack::suppressing() as stack => {
                stack.enter(catching(log, "a", Some("replaced again"))).await?;
                stack.enter(named(log, "b", "leaving")).await?;
                Err("first".to_string())?;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("replaced again".to_string()));
        assert_eq!(log.take()[1..], ["exit b Failed(())", "exit a Failed(\"leaving b\")"]);
    }

    #[test]
    fn error_that_is_suppressed_is_not_seen_by_the_older_managers() {
        async fn f(log: &Log) -> Result<Option<u32>, String> {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(log, "a")).await;
                stack.enter(catching(log, "b", None)).await?;
                stack.enter(plain(log, "c")).await;
                Err("suppress me".to_string())?;
                5
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(None));
        assert_eq!(log.take(), ["exit c Failed(())", "exit b Failed(\"suppress me\")", "exit a Completed"]);
    }

    #[test]
    fn errors_of_pushed_exits_and_callbacks_go_on() {
        async fn f(log: &Log) -> Result<Option<()>, String> {
            with!(Stack::suppressing() as stack => {
                stack.push_catch(async |outcome| {
                    log.add(format!("oldest {outcome:?}"));
                    Ok(())
                });
                stack.callback(async || Err("callback".to_string()));
                stack.push_catch(|outcome| async move {
                    log.add(format!("pushed {outcome:?}"));
                    outcome.into_result()
                });
                Err("first".to_string())?;
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(None));
        assert_eq!(log.take(), ["pushed Failed(\"first\")", "oldest Failed(\"callback\")"]);
    }

    #[test]
    fn stack_may_have_an_error_type_that_borrows() {
        /// Not `Clone`, not `'static`.
        #[derive(Debug, PartialEq)]
        struct Borrowing<'a>(&'a str);

        let text = String::from("text");
        let left = block_on(async {
            let mut stack = AsyncExitStack::new();
            stack.callback(async || Err(Borrowing(&text)));
            stack.close().await
        });
        assert_eq!(left, Err(Borrowing("text")));
    }
}

mod early_ends {
    use super::*;

    #[test]
    fn return_leaves_all_on_a_stack() {
        async fn f(log: &Log) -> Result<u32, String> {
            let _: Option<()> = with!(Stack::suppressing() as stack => {
                stack.enter(plain(log, "a")).await;
                return Ok(7);
            })?;
            Ok(5)
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(7));
        assert_eq!(log.take(), ["exit a Completed"]);
    }

    #[test]
    fn break_and_continue_leave_all_on_a_stack() {
        let log = Log::new();
        let result: Result<(), String> = block_on(async {
            for name in ["a", "b", "c"] {
                with!(Stack::suppressing() as stack => {
                    stack.enter(plain(&log, name)).await;
                    if name == "a" {
                        continue;
                    }
                    break;
                })?;
            }
            Ok(())
        });
        assert_eq!(result, Ok(()));
        assert_eq!(log.take(), ["exit a Completed", "exit b Completed"]);
    }
}

mod panics {
    use super::*;

    #[test]
    fn panic_of_the_block_of_a_stack_goes_on_with_its_payload() {
        let log = Log::new();
        let payload = panic_of(async {
            let _: Result<Option<()>, String> = with!(Stack::suppressing() as stack => {
                stack.enter(catching(&log, "a", None)).await.unwrap();
                stack.enter(plain(&log, "b")).await;
                panic_any(5_u8);
            });
        });
        assert_eq!(payload.downcast_ref(), Some(&5_u8));
        assert_eq!(log.take(), ["exit b Panicked", "exit a Panicked"]);
    }

    #[test]
    fn panic_of_leaving_is_seen_by_the_older_managers() {
        let log = Log::new();
        let message = panic_message(async {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.enter(catching(&log, "b", None)).await?;
                stack.enter(named(&log, "c", "panicking")).await?;
            })
        });
        assert_eq!(message, "panic c");
        assert_eq!(log.take()[1..], ["exit c Completed", "exit b Panicked", "exit a Panicked"]);
    }

    #[test]
    fn panic_of_leaving_a_stack_replaces_that_of_the_block() {
        let log = Log::new();
        let message = panic_message(async {
            let _: Result<Option<()>, String> = with!(Stack::suppressing() as stack => {
                stack.enter(named(&log, "a", "panicking")).await.unwrap();
                panic!("first");
            });
        });
        assert_eq!(message, "panic a");
    }

    #[test]
    fn panic_on_a_stack_is_not_replaced_by_an_error() {
        let log = Log::new();
        let message = panic_message(async {
            let _: Result<Option<()>, String> = with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.enter(named(&log, "b", "leaving")).await.unwrap();
                panic!("the panic");
            });
        });
        assert_eq!(message, "the panic");
        assert_eq!(log.take()[1..], ["exit b Panicked", "exit a Panicked"]);
    }

    #[test]
    fn panic_of_entering_pushes_nothing() {
        #[async_context_manager]
        async fn panics(when: bool) {
            yields(1).await;
            assert!(!when, "entering");
            r#yield!();
        }
        let log = Log::new();
        let message = panic_message(async {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.enter(panics(true)).await;
            })
        });
        assert_eq!(message, "entering");
        assert_eq!(log.take(), ["exit a Panicked"]);
    }

    #[test]
    fn panic_of_closing_a_stack_comes_when_all_are_left() {
        let log = Log::new();
        let message = panic_message(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(named(&log, "b", "panicking")).await.unwrap();
            stack.close().await
        });
        assert_eq!(message, "panic b");
        assert_eq!(log.take()[1..], ["exit b Completed", "exit a Panicked"]);
    }
}

mod closing {
    use super::*;

    #[test]
    fn closing_a_stack_gives_the_last_error() {
        let log = Log::new();
        let left = block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(named(&log, "a", "leaving")).await.unwrap();
            stack.enter(named(&log, "b", "leaving")).await.unwrap();
            stack.close().await
        });
        assert_eq!(left, Err("leaving a".to_string()));
    }

    #[test]
    fn closing_leaves_a_stack_that_can_be_used_again() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.close().await?;
            assert!(stack.is_empty());
            stack.enter(plain(&log, "b")).await;
            stack.close().await?;
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["exit a Completed", "exit b Completed"]);
    }

    #[test]
    fn stack_may_be_closed_in_the_block_of_its_own_with() {
        let log = Log::new();
        let value: Result<_, String> = block_on(async {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.close().await?;
                log.add("closed");
                stack.enter(plain(&log, "b")).await;
            })
        });
        assert_eq!(value, Ok(Some(())));
        assert_eq!(log.take(), ["exit a Completed", "closed", "exit b Completed"]);
    }

    #[test]
    fn closing_while_an_error_is_handled_completes_the_managers() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            if stack.enter(named(&log, "b", "entering")).await.is_err() {
                stack.close().await.unwrap();
            }
        });
        assert_eq!(log.take(), ["enter b", "exit a Completed"]);
    }
}

/// `exit`: a stack that is kept from the `enter` to the `exit` of a type.
mod exiting {
    use async_context_manager::{Catch, Suppress, move_on_after, timeout};

    use super::*;

    /// Sees whether it must roll back, and may fail.
    #[async_context_manager]
    async fn transaction(log: Log, name: &'static str, fails: &'static str) -> Result<(), String> {
        let outcome = r#yield!();
        log.add(format!("{} {name}", if outcome.is_completed() { "commit" } else { "roll back" }));
        yields(1).await;
        log.add(format!("done {name}"));
        match fails {
            "" => Ok(()),
            "panicking" => panic_any(format!("panic {name}")),
            _ => Err(format!("leaving {name}")),
        }
    }

    #[async_context_manager(catch, suppress)]
    async fn seeing(log: Log, name: &'static str, suppresses: bool) -> Result<(), String> {
        let outcome = r#yield!();
        log.add(format!("{name} sees {outcome:?}"));
        if suppresses { Ok(()) } else { outcome.into_result() }
    }

    /// Opens a stack in `enter`, and leaves it in `exit`. `X` is its exit type.
    struct Opens<X> {
        log: Log,
        fails: &'static str,
        open: Stack<'static>,
        exit: std::marker::PhantomData<fn() -> X>,
    }

    impl<X> Opens<X> {
        fn new(log: &Log, fails: &'static str) -> Self {
            Self { log: log.clone(), fails, open: Stack::suppressing(), exit: std::marker::PhantomData }
        }

        async fn open(&mut self) -> Result<(), String> {
            let opened = with!(Stack::suppressing() as stack => {
                stack.enter(transaction(self.log.clone(), "a", "")).await?;
                if self.fails == "suppress" {
                    stack.enter(seeing(self.log.clone(), "suppressor", true)).await?;
                }
                stack.enter(seeing(self.log.clone(), "seer", false)).await?;
                stack.enter(transaction(self.log.clone(), "b", self.fails)).await?;
                stack.pop_all()
            })?;
            self.open = opened.expect("nothing is suppressed");
            Ok(())
        }
    }

    macro_rules! opens {
        ($exit:ty, $caught:ty) => {
            impl AsyncContextManager for Opens<$exit> {
                type Value<'v> = ();
                type Exit = $exit;

                async fn enter(&mut self) -> Result<(), String> {
                    self.open().await
                }

                async fn exit(&mut self, outcome: Outcome<$caught>) -> Result<(), String> {
                    self.open.exit(outcome).await
                }
            }
        };
    }

    type Passing = Result<(), String>;

    opens!(Passing, ());
    opens!(Catch<String>, String);
    opens!(Suppress<Catch<String>>, String);

    #[test]
    fn stack_of_a_type_commits_after_a_completed_block() {
        let log = Log::new();
        let value: Result<u8, String> = block_on(async { with!(Opens::<Passing>::new(&log, "") => 5) });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["commit b", "done b", "seer sees Completed", "commit a", "done a"]);
    }

    #[test]
    fn stack_of_a_type_rolls_back_after_a_failed_block() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(Opens::<Passing>::new(log, "") => { Err("block".to_string())?; })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("block".to_string()));
        // There is no error for a manager that catches.
        assert_eq!(log.take(), ["roll back b", "done b", "seer sees Cancelled", "roll back a", "done a"]);
    }

    #[test]
    fn error_bypasses_a_stack_although_a_manager_on_it_suppresses() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(Opens::<Passing>::new(log, "suppress") => { Err("block".to_string())?; })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("block".to_string()));
        let expected = ["seer sees Failed(\"leaving b\")", "suppressor sees Failed(\"leaving b\")"];
        let left = log.take();
        assert_eq!(left[2..4], expected);
        // The error of `b` is suppressed, and that of the block is not.
        assert_eq!(left[4..], ["roll back a", "done a"]);
    }

    #[test]
    fn error_of_leaving_replaces_one_that_bypasses_the_stack() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(Opens::<Passing>::new(log, "fails") => { Err("block".to_string())?; })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("leaving b".to_string()));
        let expected = ["roll back b", "done b", "seer sees Failed(\"leaving b\")", "roll back a", "done a"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn error_goes_through_the_stack_of_a_type_that_catches() {
        async fn f(log: &Log) -> Result<(), String> {
            with!(Opens::<Catch<String>>::new(log, "") => { Err("block".to_string())?; })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err("block".to_string()));
        let expected = ["roll back b", "done b", "seer sees Failed(\"block\")", "roll back a", "done a"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn error_that_a_manager_suppresses_is_suppressed_by_the_type() {
        #[async_context_manager]
        async fn nothing() {
            r#yield!();
        }
        let log = Log::new();
        let value: Result<Option<()>, String> = block_on(async {
            let mut opens = Opens::<Suppress<Catch<String>>>::new(&log, "");
            opens.open.enter(seeing(log.clone(), "suppressor", true)).await?;
            opens.open.enter(nothing()).await;
            // `enter` of the type is not called: its stack is open.
            let mut stack = opens.open.pop_all();
            let left = stack.exit(Outcome::Failed("block".to_string())).await;
            assert_eq!(left, Ok(()));
            with!(opens => { Err("block".to_string())?; })
        });
        assert_eq!(value, Err("block".to_string()));
        assert_eq!(log.take()[..2], ["suppressor sees Failed(\"block\")", "roll back b"]);
    }

    #[test]
    fn stack_of_a_type_rolls_back_after_a_panic_which_goes_on() {
        let log = Log::new();
        let payload = panic_of(async {
            let _: Result<(), String> = with!(Opens::<Passing>::new(&log, "fails") => panic_any(5_u8));
        });
        assert_eq!(payload.downcast_ref(), Some(&5_u8));
        assert_eq!(log.take(), ["roll back b", "done b", "seer sees Panicked", "roll back a", "done a"]);
    }

    #[test]
    fn panic_of_leaving_replaces_the_panic_of_the_block() {
        let log = Log::new();
        let message = panic_message(async {
            let _: Result<(), String> = with!(Opens::<Passing>::new(&log, "panicking") => panic!("block"));
        });
        assert_eq!(message, "panic b");
        assert_eq!(log.take()[2..], ["seer sees Panicked", "roll back a", "done a"]);
    }

    #[test]
    fn stack_of_a_type_that_is_dropped_rolls_back_to_the_first_await() {
        let log = Log::new();
        drop_after(1, async { with!(Opens::<Passing>::new(&log, "") => pending::<()>().await) });
        assert_eq!(log.take(), ["roll back b", "seer sees Cancelled", "roll back a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn stack_of_a_type_that_is_stopped_rolls_back_to_the_end() {
        let log = Log::new();
        let stopped = with!(move_on_after(std::time::Duration::from_secs(1)) => {
            with!(Opens::<Passing>::new(&log, "") => pending::<()>().await)
        });
        assert_eq!(stopped, None);
        assert_eq!(log.take(), ["roll back b", "done b", "seer sees Cancelled", "roll back a", "done a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn error_of_a_stack_in_a_stop_goes_on() {
        let log = Log::new();
        let stopped = with!(timeout(std::time::Duration::from_secs(1)) => {
            with!(Opens::<Passing>::new(&log, "fails") => pending::<()>().await)
        });
        assert_eq!(stopped.unwrap(), Err("leaving b".to_string()));
        assert_eq!(log.take()[2..], ["seer sees Failed(\"leaving b\")", "roll back a", "done a"]);
    }

    #[tokio::test]
    async fn stack_of_a_shielded_type_rolls_back_in_the_background() {
        let log = Log::new();
        drop_after(1, async {
            with!(Opens::<Passing>::new(&log, "").into_manager().shielded() => pending::<()>().await)
        });
        while log.len() < 5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.take(), ["roll back b", "done b", "seer sees Cancelled", "roll back a", "done a"]);
    }

    #[test]
    fn cancelled_by_hand_returns_the_error() {
        let log = Log::new();
        let left = block_on(async {
            let mut opens = Opens::<Passing>::new(&log, "fails");
            opens.enter().await?;
            opens.open.exit(Outcome::<()>::Cancelled).await
        });
        assert_eq!(left, Err("leaving b".to_string()));
        assert_eq!(log.take()[2..], ["seer sees Failed(\"leaving b\")", "roll back a", "done a"]);
    }

    #[test]
    fn exit_of_an_empty_stack_returns_the_error_that_it_was_given() {
        block_on(async {
            assert_eq!(Stack::suppressing().exit(Outcome::Failed("block".to_string())).await, Err("block".to_string()));
            assert_eq!(Stack::suppressing().exit(Outcome::Failed(())).await, Ok(()));
            assert_eq!(Stack::suppressing().exit(Outcome::<()>::Panicked).await, Ok(()));
            assert_eq!(Stack::suppressing().exit(Outcome::<String>::Cancelled).await, Ok(()));
            assert_eq!(Stack::suppressing().exit(Outcome::<()>::Completed).await, Ok(()));
        });
    }

    #[test]
    fn exit_leaves_a_stack_that_can_be_used_again() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.exit(Outcome::Failed(())).await.unwrap();
            assert!(stack.is_empty());
            stack.enter(plain(&log, "b")).await;
            stack.exit(Outcome::<()>::Completed).await.unwrap();
        });
        assert_eq!(log.take(), ["exit a Failed(())", "exit b Completed"]);
    }

    #[test]
    fn exit_that_is_dropped_can_be_done_again() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(named(&log, "b", "")).await.unwrap();
            drop_after(1, stack.exit(Outcome::Failed(())));
            assert_eq!(stack.len(), 2);
            stack.close().await.unwrap();
        });
        assert_eq!(log.take()[1..], ["exit b Failed(())", "left b", "exit a Failed(())"]);
    }

    #[test]
    fn outcome_of_a_second_exit_is_seen_by_the_managers_that_are_left() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(named(&log, "b", "")).await.unwrap();
            drop_after(1, stack.close());
            let left = stack.exit(Outcome::Failed("block".to_string())).await;
            assert_eq!(left, Err("block".to_string()));
        });
        assert_eq!(log.take()[1..], ["exit b Completed", "left b", "exit a Failed(())"]);
    }

    #[test]
    fn a_manager_that_drops_its_block_does_not_hide_an_error_that_bypasses_the_stack() {
        #[async_context_manager(suppress)]
        async fn dropping() {
            let ended = futures::future::select(Box::pin(async { r#yield!() }), Box::pin(yields(1))).await;
            drop(ended);
        }
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(dropping()).await;
            stack.exit(Outcome::Failed(())).await.unwrap();
        });
        assert_eq!(log.take(), ["exit a Failed(())"]);
    }

    #[tokio::test]
    async fn exit_may_be_awaited_in_a_task() {
        let log = Log::new();
        let task = tokio::spawn(async move {
            let mut opens = Opens::<Passing>::new(&log, "");
            opens.enter().await?;
            opens.open.exit(Outcome::Failed("block".to_string())).await
        });
        assert_eq!(task.await.unwrap(), Err("block".to_string()));
    }

    #[test]
    fn stack_that_cannot_fail_is_left_by_a_type_that_cannot_fail() {
        struct Infallible(AsyncExitStack<'static, std::convert::Infallible>);

        impl AsyncContextManager for Infallible {
            type Value<'v> = ();
            type Exit = ();

            async fn enter(&mut self) {}

            async fn exit(&mut self, outcome: Outcome) {
                let Ok(()) = self.0.exit(outcome).await;
            }
        }

        let log = Log::new();
        block_on(async {
            let counted = Counted { log: log.clone(), count: 3 };
            let stack = AsyncExitStack::new();
            stack.enter(counted.into_manager()).await;
            let _: Result<(), u8> = with!(Infallible(stack) => Err(5));
        });
        assert_eq!(log.take(), ["exit 3 Failed(())"]);
    }
}

mod popping {
    use super::*;

    #[test]
    fn pop_all_moves_all_to_another_stack() {
        let log = Log::new();
        block_on(async {
            let mut kept = with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.enter(named(&log, "b", "")).await?;
                stack.pop_all()
            })?
            .expect("nothing is suppressed");
            log.add("kept");
            assert_eq!(kept.len(), 2);
            kept.close().await
        })
        .unwrap();
        assert_eq!(log.take()[1..], ["kept", "exit b Completed", "left b", "exit a Completed"]);
    }

    #[test]
    fn pop_all_keeps_owned_values() {
        #[async_context_manager]
        async fn owned() -> String {
            r#yield!("owned".to_string());
        }
        block_on(async {
            let mut stack = Stack::suppressing();
            let owned = stack.enter(owned()).await;
            let mut kept = stack.pop_all();
            assert_eq!(owned, "owned");
            kept.close().await
        })
        .unwrap();
    }

    #[test]
    fn stack_of_pop_all_is_used_in_a_with_of_its_own() {
        let log = Log::new();
        let value = block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(catching(&log, "a", None)).await?;
            with!(stack.pop_all() => {
                Err("suppress me".to_string())?;
            })
        });
        assert_eq!(value, Ok::<_, String>(None));
        assert_eq!(log.take(), ["exit a Failed(\"suppress me\")"]);
    }
}

mod nesting {
    use super::*;

    #[test]
    fn stack_may_be_on_a_stack() {
        let log = Log::new();
        let value = block_on(async {
            with!(Stack::suppressing() as outer => {
                outer.enter(plain(&log, "a")).await;
                let inner = outer.enter(Stack::suppressing().into_manager()).await?;
                inner.enter(plain(&log, "b")).await;
                outer.enter(plain(&log, "c")).await;
            })
        });
        assert_eq!(value, Ok::<_, String>(Some(())));
        assert_eq!(log.take(), ["exit c Completed", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn stack_may_stand_in_a_header_with_others() {
        let log = Log::new();
        let value = block_on(async {
            with!(plain(&log, "a"), Stack::suppressing() as stack, catching(&log, "c", None) => {
                stack.enter(plain(&log, "b")).await;
                Err("suppress me".to_string())?;
            })
        });
        assert_eq!(value, Ok::<_, String>(None));
        assert_eq!(log.take(), ["exit c Failed(\"suppress me\")", "exit b Completed", "exit a Completed"]);
    }

    #[test]
    fn stack_may_stand_in_a_manager_function() {
        #[async_context_manager]
        async fn all<'l>(log: &'l Log, names: &[&'static str]) -> Result<Vec<&mut String>, String> {
            let mut stack = Stack::suppressing();
            let mut values = Vec::new();
            for name in names {
                values.push(stack.enter(named(log, name, "")).await?);
            }
            r#yield!(values);
            stack.close().await
        }
        let log = Log::new();
        let lengths = block_on(async {
            with!(all(&log, &["a", "bc"]) as values => values.iter().map(|value| value.len()).collect::<Vec<_>>())
        });
        assert_eq!(lengths, Ok(vec![1, 2]));
        assert_eq!(log.take()[2..], ["exit bc Completed", "left bc", "exit a Completed", "left a"]);
    }

    #[test]
    fn stack_may_be_entered_by_scope() {
        let log = Log::new();
        let value = block_on(Stack::suppressing().into_manager().scope(async |stack| {
            stack.enter(catching(&log, "a", None)).await?;
            Err::<(), _>("suppress me".to_string())
        }));
        assert_eq!(value, Ok(None));
        assert_eq!(log.take(), ["exit a Failed(\"suppress me\")"]);
    }
}

mod cancellation {
    use super::*;

    #[test]
    fn stack_that_is_dropped_in_its_block_cancels_its_managers() {
        let log = Log::new();
        drop_after(3, async {
            with!(Stack::suppressing() as stack => {
                stack.enter(named(&log, "a", "")).await?;
                stack.callback(async || {
                    log.add("callback");
                    yields(1).await;
                    log.add("not reached");
                });
                stack.push_catch(async |outcome| {
                    log.add(format!("pushed {outcome:?}"));
                    Ok(())
                });
                stack.enter(named(&log, "b", "")).await?;
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            })
        });
        let entered = ["enter a", "enter b"];
        let left = ["block dropped", "exit b Cancelled", "pushed Cancelled", "callback", "exit a Cancelled"];
        assert_eq!(log.take(), [&entered[..], &left].concat());
    }

    #[test]
    fn stack_that_is_dropped_while_it_enters_cancels_the_older_managers() {
        let log = Log::new();
        drop_after(2, async {
            let stack = Stack::suppressing();
            stack.enter(named(&log, "a", "")).await.unwrap();
            stack.enter(named(&log, "b", "")).await.unwrap();
        });
        assert_eq!(log.take(), ["enter a", "enter b", "exit a Cancelled"]);
    }

    #[test]
    fn stack_that_is_dropped_while_it_is_left_cancels_the_older_managers() {
        let log = Log::new();
        drop_after(4, async {
            with!(Stack::suppressing() as stack => {
                for name in ["a", "b", "c"] {
                    stack.enter(named(&log, name, "")).await?;
                }
            })
        });
        assert_eq!(log.take()[3..], ["exit c Completed", "exit b Cancelled", "exit a Cancelled"]);
    }

    #[test]
    fn closing_that_is_dropped_can_be_done_again() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(named(&log, "b", "leaving")).await.unwrap();
            drop_after(1, stack.close());
            assert_eq!(stack.len(), 2);
            assert_eq!(stack.close().await, Err("leaving b".to_string()));
        });
        assert_eq!(log.take()[1..], ["exit b Completed", "exit a Failed(())"]);
    }

    #[test]
    fn closing_and_then_the_stack_may_be_dropped() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(named(&log, "b", "")).await.unwrap();
            drop_after(1, stack.close());
        });
        assert_eq!(log.take()[1..], ["exit b Completed", "exit a Cancelled"]);
    }

    #[test]
    fn a_panic_in_it_is_contained_and_the_others_are_left() {
        #[async_context_manager]
        async fn panics() {
            r#yield!();
            panic!("leaving");
        }
        let log = Log::new();
        block_on(async {
            let stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(panics()).await;
            stack.enter(plain(&log, "b")).await;
        });
        assert_eq!(log.take(), ["exit b Cancelled", "exit a Cancelled"]);
    }
}

/// What is leaked on purpose: run without a search for leaks.
mod leaks {
    use super::*;

    #[test]
    fn a_stack_that_is_forgotten_runs_nothing() {
        let log = Log::new();
        block_on(async {
            let stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            std::mem::forget(stack);
        });
        assert!(log.take().is_empty());
    }
}

/// What other code does at a bad moment.
mod hostile {
    use super::*;

    #[test]
    fn exit_that_is_leaked_can_be_done_again() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(named(&log, "b", "")).await.unwrap();
            {
                let mut leaked = Box::pin(stack.exit(Outcome::Failed("lost".to_string())));
                futures::future::select(leaked.as_mut(), Box::pin(yields(0))).await;
                std::mem::forget(leaked);
            }
            assert_eq!(stack.close().await, Err("lost".to_string()));
        });
        assert_eq!(log.take()[1..], ["exit b Failed(())", "left b", "exit a Failed(())"]);
    }

    #[test]
    fn exit_that_was_never_polled_leaves_nothing() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            drop(stack.exit(Outcome::Failed(())));
            assert_eq!(stack.len(), 1);
            stack.close().await.unwrap();
        });
        assert_eq!(log.take(), ["exit a Completed"]);
    }

    /// An error whose destructor panics.
    #[derive(Debug)]
    struct Bomb(bool);

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "destructor of an error");
        }
    }

    #[test]
    fn error_that_panics_when_it_is_replaced_leaves_the_other_managers() {
        let log = Log::new();
        let left = block_on(async {
            let mut stack = AsyncExitStack::<Bomb>::new();
            stack.enter(plain(&log, "a")).await;
            stack.callback(async || Err(Bomb(false)));
            stack.exit(Outcome::Failed(Bomb(true))).await
        });
        assert!(matches!(left, Err(Bomb(false))));
        assert_eq!(log.take(), ["exit a Failed(())"]);
    }

    /// Puts its marker aside, and waits for something else.
    #[async_context_manager]
    async fn puts_aside() {
        let mut marker = std::pin::pin!(async { r#yield!() });
        futures::future::select(marker.as_mut(), yields(0)).await;
        pending::<()>().await;
    }

    #[test]
    fn error_that_no_manager_has_received_may_panic_when_the_stack_is_dropped() {
        let log = Log::new();
        block_on(async {
            let mut stack = AsyncExitStack::<Bomb>::new();
            stack.enter(plain(&log, "a")).await;
            stack.enter(plain(&log, "b")).await;
            stack.enter(puts_aside()).await;
            futures::future::select(Box::pin(stack.exit(Outcome::Failed(Bomb(true)))), yields(0)).await;
        });
        assert_eq!(log.take(), ["exit b Cancelled", "exit a Cancelled"]);
    }

    #[test]
    fn exit_in_the_block_of_its_own_with_is_seen_once() {
        let log = Log::new();
        let value: Result<_, String> = block_on(async {
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.exit(Outcome::Failed(())).await?;
            })
        });
        assert_eq!(value, Ok(Some(())));
        assert_eq!(log.take(), ["exit a Failed(())"]);
    }

    #[tokio::test]
    async fn a_group_on_a_stack_is_left_and_dropped_on_another_thread() {
        use async_context_manager::{TaskGroupError, task_group};

        for closes in [true, false] {
            let mut stack = AsyncExitStack::<'static, TaskGroupError<String>>::new();
            let group = stack.enter(task_group()).await.unwrap();
            assert_eq!(group.spawn(async { Ok::<_, String>(5) }).await, 5);
            let left = std::thread::spawn(move || closes.then(|| block_on(stack.close())));
            assert!(left.join().unwrap().is_none_or(|left| left.is_ok()));
        }
    }

    #[tokio::test]
    async fn a_group_on_a_stack_that_is_forgotten_stays() {
        use async_context_manager::{TaskGroupError, task_group};

        let stack = std::mem::ManuallyDrop::new(AsyncExitStack::<'static, TaskGroupError<String>>::new());
        let group = stack.enter(task_group()).await.unwrap().clone();
        assert_eq!(group.spawn(async { Ok::<_, String>(5) }).await, 5);
    }
}

/// Managers that lend several references.
mod several_references {
    use super::*;

    #[async_context_manager]
    async fn pair(log: &Log) -> Result<(&mut Vec<u32>, &str), String> {
        let mut numbers = vec![1];
        let name = "pair".to_string();
        r#yield!((&mut numbers, &name[..]));
        log.add(format!("{name} {numbers:?}"));
        Ok(())
    }

    #[async_context_manager]
    async fn two() -> (&mut u32, &mut String) {
        r#yield!((&mut 5, &mut String::new()));
    }

    #[async_context_manager]
    async fn three(log: &Log) -> (&u32, &mut u32, &mut u32) {
        let (mut a, mut b, c) = (1, 2, 3);
        r#yield!((&c, &mut a, &mut b));
        log.add(format!("{a} {b} {c}"));
    }

    #[async_context_manager]
    async fn with_an_owned_one() -> (&mut u32, Rc<u32>) {
        r#yield!((&mut 5, Rc::new(6)));
    }

    #[async_context_manager]
    async fn named_and_sent() -> (String, &u32) {
        r#yield!(("five".to_string(), &5));
    }

    #[test]
    fn are_returned_by_a_stack() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            let (number, text) = stack.enter(two()).await;
            let (three, one, two) = stack.enter(three(&log)).await;
            let (name, five) = stack.enter(named_and_sent()).await;
            let (numbers, pair) = stack.enter(pair(&log)).await?;
            numbers.push(u32::try_from(pair.len()).unwrap());
            *one += *number;
            *two += *three + *five;
            text.push_str(&name);
            assert_eq!(text, "five");
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["pair [1, 4]", "6 10 3"]);
        // What is not `Send` can't be on a stack, but in a box.
        block_on(async { with!(with_an_owned_one().boxed_local() as (a, b) => assert_eq!((*a, *b), (5, 6))) });
    }

    #[test]
    fn are_lent_by_a_boxed_manager() {
        use async_context_manager::{AnyManager, BoxManager, lent};

        type Pair<'env> = BoxManager<'env, (lent::Mut<Vec<u32>>, lent::Mut<String>), Result<(), String>>;

        #[async_context_manager]
        async fn vector(log: &Log, number: u32) -> Result<(&mut Vec<u32>, &mut String), String> {
            let (mut numbers, mut name) = (vec![number], String::new());
            r#yield!((&mut numbers, &mut name));
            log.add(format!("{name} {numbers:?}"));
            Ok(())
        }

        async fn push<M>(manager: M) -> Result<(), String>
        where
            M: AnyManager<(lent::Mut<Vec<u32>>, lent::Mut<String>), Exit = Result<(), String>>,
        {
            with!(manager as (numbers, name) => {
                numbers.push(9);
                name.push('n');
            })
        }

        let log = Log::new();
        let all: Vec<Pair<'_>> = [1, 2].map(|number| vector(&log, number).boxed()).into();
        for manager in all {
            block_on(push(manager)).unwrap();
        }
        block_on(push(vector(&log, 3))).unwrap();
        assert_eq!(log.take(), ["n [1, 9]", "n [2, 9]", "n [3, 9]"]);
    }
}

/// A stack that accepts no managers that suppress.
mod without_suppressing {
    use super::*;

    type Plain<'env> = AsyncExitStack<'env, String>;

    #[test]
    fn value_of_the_with_is_a_result() {
        let log = Log::new();
        let value: Result<u32, String> = block_on(async {
            with!(Plain::new() as stack => {
                stack.enter(named(&log, "a", "")).await?;
                stack.enter(plain(&log, "b")).await;
                5
            })
        });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter a", "exit b Completed", "exit a Completed", "left a"]);
    }

    /// Catches, but does not suppress.
    #[async_context_manager(catch)]
    async fn renaming(log: &Log) -> Result<(), String> {
        let outcome = r#yield!();
        log.add(format!("renames {outcome:?}"));
        outcome.into_result().map_err(|error| format!("{error}, renamed"))
    }

    #[test]
    fn error_passes_through_managers_that_catch() {
        let log = Log::new();
        let value: Result<(), String> = block_on(async {
            with!(Plain::new() as stack => {
                stack.enter(plain(&log, "a")).await;
                stack.enter(renaming(&log)).await?;
                Err("block".to_string())?;
            })
        });
        assert_eq!(value, Err("block, renamed".to_string()));
        assert_eq!(log.take(), ["renames Failed(\"block\")", "exit a Failed(())"]);
    }

    #[test]
    fn pushed_exit_sees_the_outcome_and_lets_the_error_pass() {
        let log = Log::new();
        let value: Result<(), String> = block_on(async {
            with!(Plain::new() as stack => {
                stack.push(async |outcome| log.add(format!("pushed {outcome:?}")));
                stack.push(async |outcome| {
                    log.add(format!("fails {outcome:?}"));
                    if outcome.is_completed() { Ok(()) } else { Err("exit".to_string()) }
                });
                Err("block".to_string())?;
            })
        });
        assert_eq!(value, Err("exit".to_string()));
        assert_eq!(log.take(), ["fails Failed(())", "pushed Failed(())"]);
    }

    #[test]
    fn stack_goes_on_a_stack_and_its_error_with_it() {
        let log = Log::new();
        let value: Result<(), String> = block_on(async {
            with!(Plain::new() as outer => {
                outer.enter(plain(&log, "a")).await;
                let inner = outer.enter(Plain::new().into_manager()).await?;
                inner.enter(plain(&log, "b")).await;
                Err("block".to_string())?;
            })
        });
        assert_eq!(value, Err("block".to_string()));
        assert_eq!(log.take(), ["exit b Failed(())", "exit a Failed(())"]);
    }
}

/// A stack in a manager function that does not catch: an error of the block bypasses both.
mod in_a_manager {
    use super::*;

    #[async_context_manager]
    async fn composed(log: &Log) -> Result<(), String> {
        with!(Stack::suppressing() as stack => {
            stack.enter(plain(log, "a")).await;
            stack.enter(catching(log, "b", None)).await?;
            stack.enter(named(log, "c", "")).await?;
            r#yield!();
        })?;
        log.add("composed goes on");
        Ok(())
    }

    async fn fails(log: &Log) -> Result<(), String> {
        with!(composed(log) => { Err("block".to_string())?; })
    }

    #[test]
    fn error_that_bypasses_the_stack_is_not_taken_for_a_cancellation() {
        let log = Log::new();
        assert_eq!(block_on(fails(&log)), Err("block".to_string()));
        let left = ["exit c Failed(())", "left c", "exit b Cancelled", "exit a Failed(())", "composed goes on"];
        assert_eq!(log.take()[1..], left);
    }

    #[async_context_manager]
    async fn failing(log: &Log) -> Result<(), String> {
        with!(Stack::suppressing() as stack => {
            stack.enter(plain(log, "a")).await;
            stack.enter(catching(log, "b", None)).await?;
            stack.enter(named(log, "c", "leaving")).await?;
            r#yield!();
        })?;
        Ok(())
    }

    /// The error of `c` is suppressed by `b`, but the block has failed nevertheless.
    #[test]
    fn error_that_bypasses_the_stack_outlives_one_that_is_suppressed() {
        let log = Log::new();
        let value = block_on(async { with!(failing(&log) => { Err("block".to_string())?; }) });
        assert_eq!(value, Err::<(), _>("block".to_string()));
        let left = ["exit c Failed(())", "exit b Failed(\"leaving c\")", "exit a Failed(())"];
        assert_eq!(log.take()[1..], left);
    }

    #[test]
    fn panic_and_cancellation_are_seen_as_such() {
        let log = Log::new();
        panic_message(async { with!(composed(&log) => panic!("block")).map(|()| ()) });
        assert_eq!(log.take()[1], "exit c Panicked");
        drop_after(2, async { with!(composed(&log) => pending::<()>().await) });
        assert_eq!(log.take()[1..], ["exit c Cancelled", "exit b Cancelled", "exit a Cancelled", "composed goes on"]);
    }
}

mod racing {
    use super::*;

    /// Races its block; while a stack is open nobody polls it.
    #[async_context_manager]
    async fn raced(log: &Log) -> Result<(), String> {
        let ended = futures::future::select(
            Box::pin(yields(1)),
            Box::pin(async {
                let outcome = r#yield!(());
                log.add(format!("exit {outcome:?}"));
            }),
        );
        match ended.await {
            futures::future::Either::Left(_) => Err("raced away".to_string()),
            futures::future::Either::Right(_) => Ok(()),
        }
    }

    #[test]
    fn a_manager_can_race_its_block_away_when_it_is_left() {
        let log = Log::new();
        let left = block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(plain(&log, "a")).await;
            stack.enter(raced(&log)).await?;
            stack.close().await
        });
        assert_eq!(left, Err("raced away".to_string()));
        assert_eq!(log.take(), ["exit a Failed(())"]);
    }

    /// Races its block away in the poll in which it has lent, and goes on without what it lent.
    #[async_context_manager]
    async fn raced_at_once() -> Result<&mut String, String> {
        let mut local = String::from("local");
        let ended = futures::future::select(Box::pin(async { r#yield!(&mut local) }), Box::pin(yields(0))).await;
        let raced = matches!(ended, futures::future::Either::Right(_));
        drop(ended);
        drop(local);
        yields(1).await;
        if raced { Err("raced away".to_string()) } else { Ok(()) }
    }

    #[test]
    fn what_is_raced_away_at_once_is_not_given_out() {
        let entered = block_on(async {
            let stack = Stack::suppressing();
            let entered = stack.enter(raced_at_once()).await.cloned();
            assert!(stack.is_empty());
            entered
        });
        assert_eq!(entered, Err("raced away".to_string()));
    }

    /// Leaks its marker in the poll in which it has lent.
    #[async_context_manager]
    async fn leaking() -> &mut String {
        let mut local = String::from("local");
        let mut marker = Box::pin(async { r#yield!(&mut local) });
        futures::future::select(marker.as_mut(), Box::pin(yields(0))).await;
        std::mem::forget(marker);
        drop(local);
        pending::<()>().await;
    }

    /// Nobody can tell whether it leaks it.
    #[async_context_manager]
    async fn in_an_async_block() -> &mut String {
        let mut local = String::from("local");
        async { r#yield!(&mut local) }.await;
    }

    #[test]
    fn a_reference_from_an_async_block_is_not_given_out() {
        let message = panic_message(async { Stack::suppressing().enter(in_an_async_block()).await.clone() });
        let expected = "an exit stack can't return the reference that `in_an_async_block` lends: its `yield!`, or \
                        that of a manager around it, is in an `async` block or in another macro; move that `yield!` out";
        assert_eq!(message, expected);
    }

    /// Passes on what it was lent by that.
    #[async_context_manager]
    async fn around_an_async_block() -> &mut String {
        with!(in_an_async_block() as local => {
            r#yield!(&mut *local);
        });
    }

    #[test]
    fn nor_is_one_that_another_manager_passes_on() {
        let message = panic_message(async { Stack::suppressing().enter(around_an_async_block()).await.clone() });
        assert!(message.contains("the reference that `around_an_async_block` lends"), "{message}");
    }

    /// What it is made of has its marker in itself.
    #[async_context_manager]
    async fn around(log: &Log) -> &mut String {
        with!(plain(log, "inner") as local => {
            r#yield!(&mut *local);
        });
    }

    #[test]
    fn one_that_another_manager_passes_on_is_given_out() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(around(&log)).await.push('!');
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["exit inner! Completed"]);
    }

    #[test]
    fn a_reference_from_a_leaked_marker_ends_the_process() {
        let child = in_child("racing::a_reference_from_a_leaked_marker_ends_the_process", || {
            block_on(async { Stack::suppressing().enter(leaking()).await.push('!') });
        });
        assert!(!child.status.success());
        assert!(String::from_utf8_lossy(&child.stderr).contains("`leaking` leaked the future of its `yield!`"));
    }

    #[async_context_manager(suppress)]
    async fn suppressed_at_once() {
        futures::future::select(Box::pin(async { r#yield!(()) }), Box::pin(yields(0))).await;
    }

    #[test]
    fn entering_a_manager_that_then_succeeds_is_a_panic_that_names_it() {
        let message = panic_message(async {
            let stack = Stack::suppressing();
            stack.enter(suppressed_at_once()).await;
        });
        assert_eq!(
            message,
            "`suppressed_at_once` dropped its block on entry and succeeded, so it has no value: return an `Err`"
        );
    }

    /// Polls its marker only when that was woken.
    #[async_context_manager]
    async fn in_an_unordered_set(log: &Log) {
        use futures::StreamExt as _;
        let mut set = futures::stream::FuturesUnordered::new();
        set.push(async { r#yield!(()) });
        let outcome = set.next().await;
        log.add(format!("{outcome:?}"));
    }

    #[test]
    fn a_marker_that_is_polled_only_when_it_was_woken() {
        let log = Log::new();
        block_on(async {
            let mut stack = Stack::suppressing();
            stack.enter(in_an_unordered_set(&log)).await;
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["Some(Completed)"]);
    }
}

/// The managers of this crate on a stack.
mod ready {
    use std::time::Duration;

    use async_context_manager::{
        TaskGroupError, cancel_scope, closing, defer, move_on_after, nullcontext, stop_when, suppress, task_group,
        timeout,
    };

    use super::*;

    type Group<'env> = AsyncExitStack<'env, TaskGroupError<String>>;

    #[tokio::test]
    async fn task_group_on_a_stack_waits_for_its_tasks() {
        let log = Log::new();
        let in_task = log.clone();
        let left = async {
            let mut stack = Group::new();
            let group = stack.enter(task_group::<String>()).await?;
            let _task = group.spawn(async move {
                yields(3).await;
                in_task.add("task");
                Ok(())
            });
            yields(1).await;
            let left = stack.close().await;
            log.add("left");
            left
        };
        left.await.unwrap();
        assert_eq!(log.take(), ["task", "left"]);
    }

    #[tokio::test]
    async fn error_of_a_task_is_the_error_of_the_stack() {
        let left = async {
            let mut stack = Group::new();
            let group = stack.enter(task_group::<String>()).await?;
            let _failing = group.spawn(async { Err::<(), _>("task".to_string()) });
            let _endless = group.spawn(pending::<Result<(), String>>());
            stack.close().await
        };
        assert_eq!(left.await.unwrap_err().first(), "task");
    }

    #[tokio::test]
    async fn task_group_on_a_stack_stops_its_tasks_when_the_stack_is_dropped() {
        let log = Log::new();
        {
            let stack = Group::new();
            let group = stack.enter(task_group::<String>()).await.unwrap();
            let dropped = log.on_drop("task dropped");
            let _task = group.spawn(async move {
                let _dropped = dropped;
                pending::<Result<(), String>>().await
            });
            tokio::task::yield_now().await;
        }
        async_context_manager::rescue::drain().await;
        assert_eq!(log.take(), ["task dropped"]);
    }

    #[tokio::test]
    async fn task_group_on_a_stack_stops_its_tasks_when_the_block_fails() {
        async fn run(log: &Log) -> Result<(), TaskGroupError<String>> {
            with!(Group::new() as stack => {
                let group = stack.enter(task_group()).await?;
                let dropped = log.on_drop("task dropped");
                let _task = group.spawn(async move {
                    let _dropped = dropped;
                    pending::<Result<(), String>>().await
                });
                tokio::task::yield_now().await;
                with!(task_group() as group => { let _failing = group.spawn(async { Err::<(), _>("block".to_string()) }); })?;
            })
        }
        let log = Log::new();
        assert_eq!(run(&log).await.unwrap_err().first(), "block");
        assert_eq!(log.take(), ["task dropped"]);
    }

    #[tokio::test]
    async fn task_group_on_a_stack_may_be_used_in_a_task() {
        let task = tokio::spawn(async {
            with!(Group::new() as stack => {
                let group = stack.enter(task_group()).await?;
                group.spawn(async { Ok::<_, String>(5) }).await
            })
        });
        assert_eq!(task.await.unwrap().unwrap(), 5);
    }

    /// Lends its own data in the block of a scope.
    macro_rules! in_scopes {
        ($($name:ident: $scope:expr;)*) => {$(
            #[async_context_manager(suppress)]
            async fn $name() -> &mut Vec<u32> {
                let mut numbers = vec![1];
                let _ended = with!($scope => { r#yield!(&mut numbers); });
            }
        )*};
    }

    in_scopes! {
        in_group: task_group::<String>();
        in_timeout: timeout(Duration::from_secs(1));
        in_move_on: move_on_after(Duration::from_secs(1));
        in_cancel_scope: cancel_scope();
        in_stop_when: stop_when(pending::<()>());
        in_closing: closing(5, async |_| ());
        in_defer: defer(async || ());
    }

    #[tokio::test]
    async fn a_stack_returns_what_a_manager_lends_in_the_block_of_a_scope() {
        let mut stack = Stack::suppressing();
        let mut all = Vec::new();
        all.push(stack.enter(in_group()).await);
        all.push(stack.enter(in_timeout()).await);
        all.push(stack.enter(in_move_on()).await);
        all.push(stack.enter(in_cancel_scope()).await);
        all.push(stack.enter(in_stop_when()).await);
        all.push(stack.enter(in_closing()).await);
        all.push(stack.enter(in_defer()).await);
        for numbers in &mut all {
            numbers.push(2);
        }
        assert!(all.iter().all(|numbers| **numbers == [1, 2]));
        stack.close().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stack_returns_what_a_manager_lends_until_it_is_left_although_its_time_is_over() {
        let mut stack = Stack::suppressing();
        let numbers = stack.enter(in_move_on()).await;
        let others = stack.enter(in_timeout()).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        numbers.append(others);
        assert_eq!(*numbers, [1, 1]);
        stack.close().await.unwrap();
        let _kept = stack.enter(in_group()).await;
    }

    #[tokio::test]
    async fn other_managers_of_the_crate_are_entered_on_a_stack() {
        let mut stack = AsyncExitStack::<tokio::time::error::Elapsed, _>::suppressing();
        assert_eq!(stack.enter(nullcontext(5)).await, 5);
        stack.enter(timeout(Duration::from_secs(9))).await.unwrap();
        stack.enter(move_on_after(Duration::from_secs(9))).await;
        stack.enter(stop_when(pending::<()>())).await;
        let scope = stack.enter(cancel_scope()).await;
        stack.enter(suppress(|_: &_| true)).await.unwrap();
        assert!(!scope.is_cancelled());
        scope.cancel();
        assert_eq!(stack.len(), 6);
        stack.close().await.unwrap();
    }
}

mod auto_traits {
    use super::*;

    const fn is_send_and_sync<T: Send + Sync>() {}
    fn is_send<T: Send>(value: T) -> T {
        value
    }

    #[test]
    fn a_stack_is_send_and_sync() {
        is_send_and_sync::<AsyncExitStack<'_, String>>();
        is_send_and_sync::<AsyncExitStack<'_, std::cell::Cell<u8>>>();
    }

    #[test]
    fn futures_with_one_are_send() {
        async fn f(log: &Log) -> Result<Option<usize>, String> {
            let local = String::from("local");
            with!(Stack::suppressing() as stack => {
                let a = stack.enter(named(log, "a", "")).await?;
                let b = stack.enter(plain(log, "b")).await;
                let c = stack.enter(Counted { log: log.clone(), count: 3 }.into_manager()).await;
                stack.callback(async || log.add(&local));
                stack.push_catch(async |outcome| {
                    yields(1).await;
                    log.add(&local);
                    outcome.into_result()
                });
                yields(1).await;
                a.push_str(b);
                a.len() + usize::try_from(*c).unwrap()
            })
        }
        let log = Log::new();
        assert_eq!(block_on(is_send(f(&log))), Ok(Some(5)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn stack_may_be_used_in_a_task() {
        let log = Log::new();
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                with!(Stack::suppressing() as stack => {
                    let a = stack.enter(named(&log, "a", "")).await?;
                    tokio::task::yield_now().await;
                    a.push('!');
                })
            }
        });
        assert_eq!(task.await.unwrap(), Ok::<_, String>(Some(())));
        assert_eq!(log.take()[1..], ["exit a! Completed", "left a!"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn managers_are_entered_at_the_same_time_in_a_task() {
        async fn both(log: &Log) -> Result<usize, String> {
            with!(AsyncExitStack::new() as stack => {
                let (a, b) = tokio::try_join!(stack.enter(named(log, "a", "")), stack.enter(named(log, "b", "")))?;
                a.push_str(b);
                let names = ["c", "d"].map(|name| stack.enter(named(log, name, "")));
                let all = futures::future::try_join_all(names).await?;
                a.len() + all.len()
            })
        }
        let log = Log::new();
        let in_task = log.clone();
        let task = tokio::spawn(async move { both(&in_task).await });
        assert_eq!(task.await.unwrap(), Ok(4));
        assert_eq!(log.take()[..4], ["enter a", "enter b", "enter c", "enter d"]);
    }

    /// It is not on the stack, so it need not be `Send`.
    #[test]
    fn the_block_may_hold_what_is_not() {
        let log = Log::new();
        let value: Result<_, String> = block_on(async {
            let rc = Rc::new(5);
            with!(Stack::suppressing() as stack => {
                stack.enter(plain(&log, "a")).await;
                *rc
            })
        });
        assert_eq!(value, Ok(Some(5)));
    }
}

#[test]
fn debug_shows_how_many_there_are() {
    let log = Log::new();
    block_on(async {
        let stack = Stack::default();
        stack.enter(plain(&log, "a")).await;
        assert_eq!(format!("{stack:?}"), "AsyncExitStack { len: 1 }");
    });
}
