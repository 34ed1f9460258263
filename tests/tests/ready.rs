//! The managers that the crate comes with, but for task groups.
//!
//! Numbers are those of Python's own tests of `asyncio.timeout` (3.11), `T01` the first. These have no test here:
//!
//! | tests | why |
//! |---|---|
//! | T07 | a deadline is an `Instant`, and no limit at all is a `timeout(Duration::MAX)` |
//! | T17, T28, T29, T30, T31 | nothing is lent that a limit could be moved by |
//! | T18, T19, T20, T21 | nothing is lent that has a `repr` |
//! | T25 | the drop of the block is no error, which could be the cause of another one |
//! | T26, T27 | a limit that is entered twice is refused by the compiler: `ui/ready/twice.rs` |

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::future::pending;
use std::io::{self, ErrorKind};
use std::time::Duration;

use async_context_manager::{
    async_context_manager, closing, move_on_after, nullcontext, suppress, timeout, timeout_at, with,
};
use tests::{Log, block_on, drop_after, panic_message, yields};
use tokio::time::{Instant, advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Tells how its block ended, without an `.await`.
#[async_context_manager]
async fn logged(log: &Log, name: &str) {
    log.add(format!("enter {name}"));
    let outcome = r#yield!();
    log.add(format!("exit {name} {outcome:?}"));
}

fn is_send<T: Send>(value: T) -> T {
    value
}

mod nullcontext {
    use super::*;

    #[test]
    fn lends_the_value_itself() {
        let value = block_on(async { with!(nullcontext(String::from("a")) as text => text + "b") });
        assert_eq!(value, "ab");
    }

    #[test]
    fn lends_a_reference_that_the_block_may_keep() {
        let text = String::from("ab");
        let kept: &str = block_on(async { with!(nullcontext(&text) as text => &text[1..]) });
        assert_eq!(kept, "b");
    }

    #[test]
    fn does_nothing_to_an_error_or_a_jump() {
        async fn f() -> Result<u8, &'static str> {
            let n = loop {
                with!(nullcontext(5) as n => { break n });
            };
            with!(nullcontext(n) as n => { Err("error")?; n });
            Ok(0)
        }
        assert_eq!(block_on(f()), Err("error"));
    }

    #[test]
    fn a_value_that_is_not_bound_lives_as_long_as_the_block() {
        let log = Log::new();
        block_on(async {
            with!(nullcontext(log.on_drop("value dropped")) => { log.add("block") });
            log.add("after");
        });
        assert_eq!(log.take(), ["block", "value dropped", "after"]);
    }
}

mod closing {
    use super::*;

    async fn close(log: Log) {
        yields(1).await;
        log.add("closed");
    }

    #[derive(Debug, PartialEq)]
    struct Broken;

    async fn close_badly(log: Log) -> Result<(), Broken> {
        close(log).await;
        Err(Broken)
    }

    #[test]
    fn lends_the_value_by_reference_and_closes_it() {
        let log = Log::new();
        let length = block_on(async {
            let closed = closing(vec![1], async |numbers: Vec<u8>| {
                yields(1).await;
                log.add(format!("{numbers:?}"));
            });
            with!(closed as numbers => {
                numbers.push(2);
                numbers.len()
            })
        });
        assert_eq!(length, 2);
        assert_eq!(log.take(), ["[1, 2]"]);
    }

    #[test]
    fn takes_functions_and_closures_of_every_kind() {
        let log = Log::new();
        block_on(async {
            with!(closing(log.clone(), close) => {});
            with!(closing(log.clone(), close as fn(Log) -> _) => {});
            with!(closing(log.clone(), async |log| log.add("async closure")) => {});
            with!(closing(log.clone(), async move |log| log.add("async move closure")) => {});
            with!(closing(log.clone(), |log| async move { log.add("async block") }) => {});
            with!(closing(log.clone(), |log| Box::pin(close(log))) => {});
        });
        let expected = ["closed", "closed", "async closure", "async move closure", "async block", "closed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn borrows_from_around_it() {
        let mut kept = Vec::new();
        block_on(async {
            with!(closing(1, async |n| kept.push(n)) as n => *n += 1);
        });
        assert_eq!(kept, [2]);
    }

    #[test]
    fn an_error_of_close_reaches_the_caller() {
        let log = Log::new();
        let value = block_on(async { with!(closing(log.clone(), close_badly) => 5) });
        assert_eq!(value, Err(Broken));
        assert_eq!(log.take(), ["closed"]);
    }

    #[test]
    fn a_close_that_can_fail_and_does_not_gives_the_value() {
        let value: Result<u8, Broken> = block_on(async { with!(closing(5, async |_| Ok(())) as n => *n) });
        assert_eq!(value, Ok(5));
    }

    #[test]
    fn an_error_of_close_replaces_that_of_the_block() {
        async fn f(log: &Log) -> Result<(), Broken> {
            with!(closing(log.clone(), async |log| {
                log.add("closed");
                Err(Broken)
            }) => {
                Err("the block's").or(Err(Broken))?;
                log.add("not reached");
            })
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Err(Broken));
        assert_eq!(log.take(), ["closed"]);
    }

    #[test]
    fn closes_on_every_way_out() {
        async fn returns(log: Log) -> u8 {
            with!(closing(log, close) => { return 5 })
        }
        async fn fails(log: Log) -> Result<(), Broken> {
            with!(closing(log, close) => { Err(Broken)?; });
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(returns(log.clone())), 5);
        assert_eq!(block_on(fails(log.clone())), Err(Broken));
        block_on(async {
            for _ in 0..2 {
                with!(closing(log.clone(), close) => { continue });
            }
        });
        assert_eq!(panic_message(async { with!(closing(log.clone(), close) => panic!("block")) }), "block");
        assert_eq!(log.take(), ["closed"; 5]);
    }

    #[test]
    fn starts_to_close_when_it_is_dropped_in_the_block() {
        let log = Log::new();
        drop_after(1, async {
            let close = async |log: Log| {
                log.add("begun");
                yields(1).await;
                log.add("not reached");
            };
            with!(closing(log.clone(), close) => { pending::<()>().await });
        });
        assert_eq!(log.take(), ["begun"]);
    }

    #[test]
    fn closes_nothing_that_was_not_entered() {
        let log = Log::new();
        drop(closing(log.on_drop("dropped"), async |_| log.add("not reached")));
        assert_eq!(log.take(), ["dropped"]);
    }

    /// A client that is closed by reference.
    #[derive(Debug, PartialEq)]
    struct Client(Vec<&'static str>);

    impl Client {
        async fn request(&mut self) -> Result<u8, Broken> {
            yields(1).await;
            self.0.push("request");
            Err(Broken)
        }

        async fn close(&mut self) {
            yields(1).await;
            self.0.push("close");
        }

        async fn close_badly(&mut self) -> Result<(), Broken> {
            self.close().await;
            Err(Broken)
        }

        async fn shared(&self) {
            yields(1).await;
        }
    }

    #[tokio::test]
    async fn what_is_borrowed_can_be_closed_in_a_task() {
        async fn by_name() -> (Result<u8, Broken>, Client) {
            let mut client = Client(Vec::new());
            let value = with!(closing(&mut client, Client::close) as client => client.request().await);
            (value, client)
        }
        async fn by_async_closure() -> (Result<u8, Broken>, Client) {
            let mut client = Client(Vec::new());
            let value = with!(closing(&mut client, async |client: &mut Client| client.close().await) as client => {
                client.request().await
            });
            (value, client)
        }
        async fn with_an_error() -> (Result<(), Broken>, Client) {
            let mut client = Client(Vec::new());
            let value = with!(closing(&mut client, Client::close_badly) as client => {
                let _ = client.request().await;
            });
            (value, client)
        }
        async fn by_an_argument(client: &mut Client) -> Result<u8, Broken> {
            with!(closing(client, Client::close) as client => client.request().await)
        }
        let expected = Client(vec!["request", "close"]);
        assert_eq!(tokio::spawn(by_name()).await.unwrap(), (Err(Broken), expected));
        assert_eq!(tokio::spawn(by_async_closure()).await.unwrap().0, Err(Broken));
        assert_eq!(tokio::spawn(with_an_error()).await.unwrap().0, Err(Broken));
        let shared = tokio::spawn(async {
            let client = Client(Vec::new());
            with!(closing(&client, Client::shared) as client => client.0.len())
        });
        assert_eq!(shared.await.unwrap(), 0);
        let argument = tokio::spawn(async {
            let mut client = Client(Vec::new());
            let _ = by_an_argument(&mut client).await;
            client
        });
        assert_eq!(argument.await.unwrap().0, ["request", "close"]);
    }

    #[tokio::test]
    async fn what_is_borrowed_is_closed_beside_other_managers_in_a_task() {
        let task = tokio::spawn(async {
            let (mut a, mut b) = (Client(Vec::new()), Client(Vec::new()));
            with!(closing(&mut a, Client::close) as a, closing(&mut b, Client::close) as b => {
                yields(1).await;
                a.0.append(&mut b.0);
            });
            (a, b)
        });
        assert_eq!(task.await.unwrap(), (Client(vec!["close"]), Client(vec!["close"])));
    }

    #[test]
    fn is_entered_on_a_stack() {
        let log = Log::new();
        let left = block_on(async {
            let mut stack = async_context_manager::AsyncExitStack::<Broken>::new();
            let number = stack.enter(closing(5, async |number| log.add(format!("close {number}")))).await;
            *number += 1;
            let client = stack.enter(closing(log.clone(), close_badly)).await?;
            client.add("block");
            stack.close().await
        });
        assert_eq!(left, Err(Broken));
        assert_eq!(log.take(), ["block", "closed", "close 6"]);
    }

    #[tokio::test]
    async fn can_be_spawned() {
        async fn work(log: Log) -> Result<usize, Broken> {
            with!(closing(log, close_badly) as log => {
                log.add("block");
                yields(1).await;
                1
            })
        }
        let log = Log::new();
        let spawned = tokio::spawn(work(log.clone()));
        assert_eq!(spawned.await.unwrap(), Err(Broken));
        let closure = tokio::spawn(is_send(async move {
            with!(closing(log, async |log: Log| { yields(1).await; log.add("closed") }) as log => {
                yields(1).await;
                log.take()
            })
        }));
        assert_eq!(closure.await.unwrap(), ["block", "closed"]);
    }

    #[test]
    fn shares_a_header_with_others() {
        let log = Log::new();
        let value: Result<u8, Broken> = block_on(async {
            with!(closing(log.clone(), async |_| Ok(())) as outer, closing(outer.clone(), close) as inner => {
                inner.add("block");
                5
            })
        });
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["block", "closed"]);
    }

    #[test]
    fn works_without_the_macro() {
        let log = Log::new();
        let seen = log.clone();
        let close = async move |numbers: Vec<u8>| seen.add(format!("{numbers:?}"));
        let length = block_on(closing(vec![1, 2], close).scope(async |numbers: &mut Vec<u8>| numbers.len()));
        assert_eq!(length, 2);
        assert_eq!(log.take(), ["[1, 2]"]);
    }
}

mod defer {
    use async_context_manager::{AsyncExitStack, defer, within};

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Broken;

    async fn clean_up(log: &Log) {
        log.add("begun");
        yields(1).await;
        log.add("done");
    }

    #[test]
    fn cleanup_runs_on_every_way_out() {
        async fn returns(log: &Log) -> u8 {
            with!(defer(|| clean_up(log)) => { return 5 })
        }
        async fn fails(log: &Log) -> Result<(), Broken> {
            with!(defer(async || clean_up(log).await) => { Err(Broken)?; });
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(defer(|| clean_up(&log)) => 7) }), 7);
        assert_eq!(block_on(returns(&log)), 5);
        assert_eq!(block_on(fails(&log)), Err(Broken));
        assert_eq!(panic_message(async { with!(defer(|| clean_up(&log)) => panic!("block")) }), "block");
        assert_eq!(log.take(), ["begun", "done"].repeat(4));
    }

    #[test]
    fn error_of_the_cleanup_reaches_the_caller() {
        async fn both_fail(log: &Log) -> Result<(), Broken> {
            with!(defer(async || { log.add("cleanup"); Err(Broken) }) => { Err(Broken)?; })
        }
        let log = Log::new();
        let value = block_on(async { with!(defer(async || Err(Broken)) => 5) });
        assert_eq!(value, Err(Broken));
        let value: Result<u8, Broken> = block_on(async { with!(defer(async || Ok(())) => 5) });
        assert_eq!(value, Ok(5));
        assert_eq!(block_on(both_fail(&log)), Err(Broken));
        assert_eq!(log.take(), ["cleanup"]);
    }

    #[test]
    fn panic_of_the_cleanup_reaches_the_caller() {
        let log = Log::new();
        let message =
            panic_message(async { with!(defer(async || assert!(log.is_empty(), "cleanup")) => log.add("block")) });
        assert_eq!(message, "cleanup");
    }

    #[test]
    fn cleanup_that_is_dropped_with_its_block_runs_to_its_first_await() {
        let log = Log::new();
        drop_after(1, async { with!(defer(|| clean_up(&log)) => pending::<()>().await) });
        assert_eq!(log.take(), ["begun"]);
    }

    #[test]
    fn cleanup_that_was_not_entered_does_not_run() {
        let log = Log::new();
        drop(defer(|| clean_up(&log)));
        assert!(log.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn cleanup_is_awaited_in_a_stop() {
        let log = Log::new();
        let stopped = with!(move_on_after(Duration::from_secs(1)) => {
            with!(defer(|| clean_up(&log)) => pending::<()>().await);
        });
        assert_eq!(stopped, None);
        assert_eq!(log.take(), ["begun", "done"]);
    }

    #[tokio::test]
    async fn cleanup_that_borrows_can_be_spawned() {
        async fn work() -> (Result<usize, Broken>, Log) {
            let log = Log::new();
            let value = with!(defer(|| clean_up(&log)), defer(async || log.add("second")) => {
                yields(1).await;
                log.add("block");
                if log.len() > 9 { Err(Broken) } else { Ok(log.len()) }
            });
            (value, log)
        }
        let (value, log) = tokio::spawn(work()).await.unwrap();
        assert_eq!(value, Ok(1));
        assert_eq!(log.take(), ["block", "second", "begun", "done"]);
    }

    #[test]
    fn cleanup_may_be_around_a_function_and_on_a_stack() {
        #[within(defer(|| clean_up(log)))]
        async fn number(log: &Log) -> u8 {
            log.add("body");
            5
        }
        let log = Log::new();
        assert_eq!(block_on(number(&log)), 5);
        block_on(async {
            let mut stack = AsyncExitStack::<Broken>::new();
            stack.enter(defer(|| clean_up(&log))).await;
            stack.close().await
        })
        .unwrap();
        assert_eq!(log.take(), ["body", "begun", "done", "begun", "done"]);
    }

    #[tokio::test]
    async fn cleanup_may_be_shielded() {
        let log = Log::new();
        let cleaned = log.clone();
        drop_after(1, async {
            with!(defer(async move || clean_up(&cleaned).await).shielded() => pending::<()>().await);
        });
        async_context_manager::rescue::drain().await;
        assert_eq!(log.take(), ["begun", "done"]);
    }
}

mod suppress {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Error {
        Minor,
        Major,
    }

    async fn run(error: Option<Error>) -> Result<Option<u8>, Error> {
        with!(suppress(|error| matches!(error, Error::Minor)) => {
            yields(1).await;
            error.map_or(Ok(()), Err)?;
            5
        })
    }

    #[test]
    fn a_value_is_there() {
        assert_eq!(block_on(run(None)), Ok(Some(5)));
    }

    #[test]
    fn an_error_for_which_the_predicate_holds_ends_the_block() {
        assert_eq!(block_on(run(Some(Error::Minor))), Ok(None));
    }

    #[test]
    fn any_other_goes_on() {
        assert_eq!(block_on(run(Some(Error::Major))), Err(Error::Major));
    }

    #[test]
    fn code_after_it_runs_when_an_error_was_suppressed() {
        async fn f(log: &Log) -> Result<(), Error> {
            with!(suppress(|_: &Error| true) => {
                log.add("block");
                Err(Error::Major)?;
                log.add("not reached");
            })?;
            log.add("after");
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(()));
        assert_eq!(log.take(), ["block", "after"]);
    }

    #[test]
    fn an_err_as_value_and_a_return_are_suppressed_too() {
        async fn returns() -> Result<&'static str, Error> {
            with!(suppress(|error: &Error| *error == Error::Minor) => { return Err(Error::Minor) })?;
            Ok("after")
        }
        assert_eq!(block_on(returns()), Ok("after"));
        let value: Result<Option<Result<u8, Error>>, Error> =
            block_on(async { with!(suppress(|_: &Error| true) => Err(Error::Minor)) });
        assert_eq!(value, Ok(None));
    }

    #[test]
    fn an_error_is_that_of_the_function_around() {
        async fn f() -> io::Result<bool> {
            let found = with!(suppress(|error: &io::Error| error.kind() == ErrorKind::InvalidData) => {
                String::from_utf8(vec![0xff]).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?
            })?;
            Ok(found.is_none())
        }
        assert!(block_on(f()).unwrap());
    }

    #[test]
    fn a_panic_is_not_suppressed() {
        async fn f() -> Result<Option<u8>, Error> {
            with!(suppress(|_| true) => { panic!("block") })
        }
        assert_eq!(panic_message(f()), "block");
    }

    #[test]
    fn managers_in_the_block_see_the_error_and_those_around_it_do_not() {
        async fn f(log: &Log) -> Result<(), Error> {
            with!(logged(log, "outer") => {
                with!(suppress(|_: &Error| true) => {
                    with!(logged(log, "inner") => { Err(Error::Minor)? })
                })?;
            });
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(f(&log)), Ok(()));
        assert_eq!(log.take(), ["enter outer", "enter inner", "exit inner Failed(())", "exit outer Completed"]);
    }
}

mod timeout {
    use super::*;

    /// T05
    #[tokio::test(start_paused = true)]
    async fn a_block_that_ends_in_time_is_untouched() {
        let log = Log::new();
        let value = with!(timeout(SECOND) => {
            with!(logged(&log, "in") => { sleep(SECOND / 2).await });
            5
        });
        assert_eq!(value.unwrap(), 5);
        assert_eq!(log.take(), ["enter in", "exit in Completed"]);
    }

    /// T01, T04
    #[tokio::test(start_paused = true)]
    async fn a_late_block_is_stopped_at_the_deadline() {
        let log = Log::new();
        let begun = Instant::now();
        let value = with!(timeout(SECOND) => {
            let _waits = log.on_drop("dropped");
            with!(logged(&log, "in") => { pending::<()>().await });
        });
        assert!(value.is_err());
        assert_eq!(begun.elapsed().as_secs(), 1);
        assert_eq!(log.take(), ["enter in", "exit in Cancelled", "dropped"]);
    }

    /// T02
    #[tokio::test(start_paused = true)]
    async fn the_deadline_may_be_absolute() {
        let log = Log::new();
        let deadline = Instant::now() + SECOND;
        let value = with!(timeout_at(deadline) => {
            with!(logged(&log, "in") => { pending::<()>().await });
        });
        assert!(value.is_err());
        assert_eq!((Instant::now() - deadline).as_millis() / 10, 0);
        assert_eq!(log.take(), ["enter in", "exit in Cancelled"]);
    }

    /// T03
    #[tokio::test(start_paused = true)]
    async fn of_two_with_one_deadline_only_the_outer_one_elapses() {
        let log = Log::new();
        let deadline = Instant::now() + SECOND;
        let value = with!(timeout_at(deadline) => {
            let inner = with!(timeout_at(deadline) => {
                with!(logged(&log, "in") => { pending::<()>().await });
            });
            log.add(format!("not reached: {inner:?}"));
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter in", "exit in Cancelled"]);
    }

    /// T06
    #[tokio::test(start_paused = true)]
    async fn the_longest_duration_is_no_limit() {
        let value = with!(timeout(Duration::MAX) => { sleep(1000 * SECOND).await });
        assert!(value.is_ok());
        assert_eq!(with!(move_on_after(Duration::MAX) => { sleep(1000 * SECOND).await }), Some(()));
    }

    /// T08
    #[tokio::test(start_paused = true)]
    async fn with_no_time_at_all_the_block_begins() {
        let log = Log::new();
        let value = with!(timeout(Duration::ZERO) => {
            log.add("begun");
            with!(logged(&log, "in") => { pending::<()>().await });
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["begun", "enter in", "exit in Cancelled"]);
    }

    /// T09
    #[tokio::test(start_paused = true)]
    async fn with_no_time_at_all_the_block_does_not_go_on() {
        let log = Log::new();
        let value = with!(timeout(Duration::ZERO) => {
            log.add("begun");
            with!(logged(&log, "in") => { yields(1).await });
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["begun", "enter in", "exit in Cancelled"]);
    }

    /// T10
    #[tokio::test(start_paused = true)]
    async fn a_deadline_in_the_past_is_no_time_at_all() {
        let log = Log::new();
        let deadline = Instant::now();
        advance(SECOND).await;
        let value = with!(timeout_at(deadline) => {
            log.add("begun");
            with!(logged(&log, "in") => { yields(1).await });
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["begun", "enter in", "exit in Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_never_pends_is_always_in_time() {
        assert_eq!(with!(timeout(Duration::ZERO) => 5).unwrap(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_could_go_on_at_the_deadline_does_not() {
        let log = Log::new();
        let value = with!(timeout(SECOND) => {
            sleep(SECOND).await;
            log.add("not reached");
        });
        assert!(value.is_err());
        assert!(log.take().is_empty());
    }

    /// T11
    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_block_is_its_own() {
        async fn f() -> Result<u8, Box<dyn std::error::Error>> {
            let value = with!(timeout(SECOND) => {
                yields(1).await;
                Err("key error")?
            })?;
            Ok(value)
        }
        assert_eq!(f().await.unwrap_err().to_string(), "key error");
    }

    /// T12
    #[tokio::test(start_paused = true)]
    async fn error_of_a_cleanup_at_the_deadline_replaces_the_elapsed() {
        #[async_context_manager]
        async fn fails(log: &Log) -> Result<(), &'static str> {
            let outcome = r#yield!();
            log.add(format!("{outcome:?}"));
            Err("cleanup")
        }
        let log = Log::new();
        let value = with!(timeout(SECOND) => {
            with!(fails(&log) => { pending::<()>().await })
        });
        assert_eq!(value.expect("the error is the value of the block"), Err("cleanup"));
        assert_eq!(log.take(), ["Cancelled"]);
    }

    /// T13
    #[tokio::test(start_paused = true)]
    async fn a_cancellation_from_elsewhere_is_one() {
        let log = Log::new();
        drop_after(2, async {
            with!(logged(&log, "around"), timeout(SECOND) => {
                with!(logged(&log, "in") => { pending::<()>().await });
            })
        });
        assert_eq!(log.take(), ["enter around", "enter in", "exit in Cancelled", "exit around Cancelled"]);
    }

    /// T14
    #[tokio::test(start_paused = true)]
    async fn the_task_goes_on() {
        let value = with!(timeout(SECOND) => { pending::<()>().await });
        assert!(value.is_err());
        assert!(with!(timeout(SECOND) => { sleep(SECOND / 2).await }).is_ok());
    }

    /// T15
    #[tokio::test(start_paused = true)]
    async fn a_shorter_one_around_a_longer_one_elapses_alone() {
        let log = Log::new();
        let value = with!(timeout(SECOND) => {
            let inner = with!(timeout(2 * SECOND) => {
                with!(logged(&log, "in") => {
                    advance(3 * SECOND).await;
                    yields(1).await;
                });
            });
            log.add(format!("not reached: {inner:?}"));
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter in", "exit in Cancelled"]);
    }

    /// T16
    #[tokio::test(start_paused = true)]
    async fn of_two_that_are_both_due_the_outer_one_elapses() {
        let log = Log::new();
        let value = with!(timeout(2 * SECOND) => {
            let inner = with!(timeout(SECOND) => {
                with!(logged(&log, "in") => {
                    advance(3 * SECOND).await;
                    yields(1).await;
                });
            });
            log.add(format!("not reached: {inner:?}"));
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter in", "exit in Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_one_in_a_longer_one_fails_in_its_block() {
        let log = Log::new();
        let value = with!(timeout(2 * SECOND) => {
            with!(logged(&log, "around") => {
                with!(timeout(SECOND) => { pending::<()>().await })
            })
        });
        assert!(value.unwrap().is_err());
        assert_eq!(log.take(), ["enter around", "exit around Failed(())"]);
    }

    /// T22, as far as a cleanup that is not waited for can go.
    #[tokio::test(start_paused = true)]
    async fn a_cleanup_may_have_a_limit_of_its_own() {
        #[async_context_manager]
        async fn cleans_up(log: &Log) {
            let _ended = r#yield!();
            let cleaned = with!(timeout(SECOND) => { pending::<()>().await });
            log.add(format!("in time: {}", cleaned.is_ok()));
        }
        let log = Log::new();
        with!(cleans_up(&log) => {});
        assert_eq!(log.take(), ["in time: false"]);
    }

    /// T22, T23, T24: no cancellation can be swallowed, nor is there one of what is dropped already.
    #[tokio::test(start_paused = true)]
    async fn time_limit_in_the_exit_phase_of_a_stopped_block_elapses() {
        #[async_context_manager]
        async fn cleans_up(log: &Log) {
            log.add(format!("{:?}", r#yield!()));
            let cleaned = with!(timeout(SECOND) => {
                let _waits = log.on_drop("cleanup dropped");
                pending::<()>().await;
            });
            log.add(format!("in time: {}", cleaned.is_ok()));
        }
        let log = Log::new();
        let value = with!(timeout(SECOND) => {
            with!(cleans_up(&log) => { pending::<()>().await });
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["Cancelled", "cleanup dropped", "in time: false"]);
        drop_after(1, async { with!(cleans_up(&log) => { pending::<()>().await }) });
        assert_eq!(log.take(), ["Cancelled", "cleanup dropped"]);
    }

    /// T32. Python asks for a task.
    #[test]
    fn outside_a_runtime_it_panics_before_its_block() {
        let log = Log::new();
        let said = panic_message(async { with!(timeout(SECOND) => log.add("not reached")) });
        assert!(said.contains("no reactor running"), "{said}");
        assert!(log.take().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn its_time_begins_when_it_is_entered() {
        let limit = timeout(SECOND);
        sleep(2 * SECOND).await;
        assert!(with!(limit => { sleep(SECOND / 2).await }).is_ok());
    }

    #[tokio::test]
    async fn can_be_spawned() {
        let value = tokio::spawn(async { with!(timeout(SECOND * 60) => { yields(2).await; 5 }) });
        assert_eq!(value.await.unwrap().unwrap(), 5);
    }

    #[test]
    fn a_panic_of_the_block_goes_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        assert_eq!(panic_message(async { with!(timeout(SECOND) => { panic!("block") }) }), "block");
    }
}

mod move_on_after {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_block_in_time_gives_its_value() {
        assert_eq!(with!(move_on_after(SECOND) => { sleep(SECOND / 2).await; 5 }), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_one_gives_none() {
        let log = Log::new();
        let value = with!(move_on_after(SECOND) => {
            with!(logged(&log, "in") => { pending::<()>().await });
            5
        });
        assert_eq!(value, None);
        assert_eq!(log.take(), ["enter in", "exit in Cancelled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_manager_around_it_sees_no_failure() {
        let log = Log::new();
        with!(logged(&log, "around"), move_on_after(SECOND) => { pending::<()>().await });
        assert_eq!(log.take(), ["enter around", "exit around Completed"]);
    }

    #[tokio::test(start_paused = true)]
    async fn errors_and_jumps_leave_it() {
        async fn f() -> Result<u8, &'static str> {
            let n = loop {
                with!(move_on_after(SECOND) => { yields(1).await; break 5 });
            };
            with!(move_on_after(SECOND) => { yields(1).await; Err("error")?; });
            Ok(n)
        }
        assert_eq!(f().await, Err("error"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_shares_a_header_with_a_limit_that_fails() {
        let value = with!(timeout(2 * SECOND), move_on_after(SECOND) => { pending::<()>().await });
        assert_eq!(value.unwrap(), None);
        let value = with!(timeout(SECOND), move_on_after(2 * SECOND) => { pending::<()>().await });
        assert!(value.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_at_all_is_enough_for_one_poll() {
        assert_eq!(with!(move_on_after(Duration::ZERO) => 5), Some(5));
        assert_eq!(with!(move_on_after(Duration::ZERO) => { yields(1).await; 5 }), None);
    }
}
