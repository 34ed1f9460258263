//! What Python's own tests of `contextlib` say of managers and exit stacks, and what is to be seen here.
//!
//! Each test is named after the rows that it stands for: `a05` is the 5th test of `test_contextlib_async.py` (Python
//! 3.11), `s04` the 4th of `test_contextlib.py`, which are mostly the same for `with` without `async`. What is compared
//! is the trace that Python gives, but for these differences: the exit phase runs in every outcome (in Python, what
//! stands after a bare `yield` does not when the block has failed); and an error does not keep those that it replaced.
//!
//! These rows have no test here:
//!
//! | rows | why |
//! |---|---|
//! | a03, s02, s40, s41 | a type without `enter` or `exit` is refused by the compiler: `ui/contextlib/missing-method.rs` |
//! | a04, s03 | nothing is a manager by having methods of the right names |
//! | a18, a24, a28, s19, s24, s34, s44, s66, s72, s78 | values have no docstrings |
//! | a33, a53, s49 | what a stack can't enter is refused by the compiler: `ui/contextlib/no-manager-for-a-stack.rs` |
//! | a48, a56, s64 | values have no methods of their own |
//! | s14 | about `StopIteration`, which ends Python's generators |
//! | s22 | wrong arguments are refused by the compiler: `ui/contextlib/wrong-arguments.rs` |
//! | s30 | there is no reentrant lock for `async` |
//! | s71, s77, s88 | what is lent can't be entered again: `ui/contextlib/entered-while-entered.rs` |

#![forbid(unsafe_code)]

use std::fmt;

use async_context_manager::{
    AsyncContextManager, AsyncExitStack, Catch, Outcome, Suppress, async_context_manager, closing, nullcontext,
    suppress, with, within,
};
use tests::{Log, block_on, panic_message, yields};

/// An error is named as its class in Python is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Error(&'static str);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Error {}

type Stack<'env> = AsyncExitStack<'env, Error, Suppress<Catch<Error>>>;

/// What a manager does with what has ended its block.
#[derive(Clone, Copy)]
enum Then {
    Pass,
    Suppress,
    Raise(&'static str),
}

/// Runs a program, and compares what it logged, and its result.
fn check(expected: &str, program: impl AsyncFnOnce(&Log) -> Result<(), Error>) {
    let log = Log::new();
    match block_on(program(&log)) {
        Ok(()) => log.add("result:ok"),
        Err(error) => log.add(format!("result:err({error})")),
    }
    assert_eq!(log.take().join(", "), expected);
}

/// Logs that the block fails, and gives the error.
fn raise<T>(log: &Log, error: &'static str) -> Result<T, Error> {
    log.add(format!("raise:{error}"));
    Err(Error(error))
}

/// Logs what an exit sees.
fn log_exit(log: &Log, id: &str, outcome: &Outcome<Error>) {
    log.add(match outcome {
        Outcome::Completed => format!("exit:{id}:completed"),
        Outcome::Failed(error) => format!("exit:{id}:failed({error})"),
        Outcome::Panicked => format!("exit:{id}:panicked"),
        Outcome::Cancelled => format!("exit:{id}:cancelled"),
    });
}

/// What an exit does: logs what it sees, waits, and does what it is to do.
async fn leave(log: &Log, id: &str, then: Then, outcome: Outcome<Error>) -> Result<(), Error> {
    log_exit(log, id, &outcome);
    yields(1).await;
    match then {
        Then::Pass => outcome.into_result(),
        Then::Suppress => {
            if outcome.is_failed() {
                log.add(format!("suppress:{id}"));
            }
            Ok(())
        }
        Then::Raise(error) => {
            log.add(format!("raise:{id}:{error}"));
            Err(Error(error))
        }
    }
}

/// A manager function.
#[async_context_manager(catch, suppress)]
async fn cm<T>(log: &Log, id: &str, value: T, then: Then) -> Result<T, Error> {
    log.add(format!("enter:{id}"));
    yields(1).await;
    let outcome = r#yield!(value);
    leave(log, id, then, outcome).await
}

/// A manager that is a type.
struct Class<'a> {
    log: &'a Log,
    then: Then,
}

impl AsyncContextManager for Class<'_> {
    type Value<'v>
        = ()
    where
        Self: 'v;
    type Exit = Suppress<Catch<Error>>;

    async fn enter(&mut self) -> Result<(), Error> {
        self.log.add("enter:cm");
        yields(1).await;
        Ok(())
    }

    async fn exit(&mut self, outcome: Outcome<Error>) -> Result<(), Error> {
        leave(self.log, "cm", self.then, outcome).await
    }
}

/// Puts an exit on a stack.
fn push<'env>(stack: &Stack<'env>, log: &'env Log, id: &'env str, then: Then) {
    stack.push_catch(move |outcome| leave(log, id, then, outcome));
}

/// Puts a callback on a stack, which fails with an error if one is named.
fn callback<'env>(stack: &Stack<'env>, log: &'env Log, id: &'env str, error: Option<&'static str>) {
    stack.callback(async move || {
        log.add(format!("callback:{id}"));
        yields(1).await;
        error.map_or(Ok(()), |error| Err(Error(error)))
    });
}

/// Hides from the attribute that what is in it may be skipped, or run again.
macro_rules! repeat {
    ($times:expr, $($body:tt)*) => {
        for _ in 0..$times { $($body)* }
    };
}

/// Comes to its marker that often.
#[async_context_manager(catch, suppress)]
async fn yields_times(log: &Log, times: u8) -> Result<(), Error> {
    log.add("enter:cm");
    let _closed = log.on_drop("closed:cm");
    repeat!(times, {
        let outcome = r#yield!();
        leave(log, "cm", Then::Suppress, outcome).await?;
    });
    Ok(())
}

/// `TestAbstractAsyncContextManager`, `TestAbstractContextManager`
mod types {
    use super::*;

    #[test]
    fn a01_s01_enter_gives_what_it_says() {
        check("enter:cm, body, exit:cm:completed, result:ok", async |log| {
            with!(Class { log, then: Then::Pass } => log.add("body"))?;
            Ok(())
        });
    }

    /// Python throws `GeneratorExit`.
    #[test]
    fn a02_a_generator_that_is_closed_in_a_block_ends_quietly() {
        check("enter:ctx, item:11, drop, exit:ctx:cancelled, result:ok", async |log| {
            let mut generator = Box::pin(async {
                with!(cm(log, "ctx", 11, Then::Pass) as item => {
                    log.add(format!("item:{item}"));
                    std::future::pending::<()>().await;
                })
            });
            for _ in 0..2 {
                assert!(futures::poll!(&mut generator).is_pending());
            }
            log.add("drop");
            drop(generator);
            Ok(())
        });
    }
}

/// `AsyncContextManagerTestCase`, `ContextManagerTestCase`
mod functions {
    use super::*;

    #[test]
    fn a05_s04_before_the_block_the_block_with_the_value_and_after_the_block() {
        check("enter:cm, body:42, exit:cm:completed, result:ok", async |log| {
            with!(cm(log, "cm", 42, Then::Pass) as x => log.add(format!("body:{x}")))?;
            Ok(())
        });
    }

    #[test]
    fn a06_s05_on_an_error_the_exit_phase_runs_and_the_error_goes_on() {
        let expected = "enter:cm, body:42, raise:ZeroDivisionError, exit:cm:failed(ZeroDivisionError), \
                        result:err(ZeroDivisionError)";
        check(expected, async |log| {
            with!(cm(log, "cm", 42, Then::Pass) as x => {
                log.add(format!("body:{x}"));
                raise::<()>(log, "ZeroDivisionError")
            })?;
            Ok(())
        });
    }

    /// Python compares tracebacks too.
    #[test]
    fn a07_s06_the_error_that_leaves_is_the_very_same() {
        #[async_context_manager(catch)]
        async fn passes(log: &Log) -> Result<(), Box<Error>> {
            log.add("enter:cm");
            let outcome = r#yield!();
            if let Outcome::Failed(error) = &outcome {
                log.add(format!("exit:cm:failed({error})"));
            }
            outcome.into_result()
        }
        async fn fails(log: &Log, error: Box<Error>) -> Result<(), Box<Error>> {
            with!(passes(log) => {
                log.add(format!("raise:{error}"));
                Err(error)?;
            })
        }
        let expected = "enter:cm, raise:ZeroDivisionError, exit:cm:failed(ZeroDivisionError), err:ZeroDivisionError, \
                        enter:cm, raise:UniqueRuntimeError, exit:cm:failed(UniqueRuntimeError), \
                        err:UniqueRuntimeError, result:ok";
        check(expected, async |log| {
            for name in ["ZeroDivisionError", "UniqueRuntimeError"] {
                let error = Box::new(Error(name));
                let address = std::ptr::from_ref(error.as_ref());
                let error = fails(log, error).await.expect_err("it fails");
                assert!(std::ptr::eq(error.as_ref(), address));
                log.add(format!("err:{error}"));
            }
            Ok(())
        });
    }

    /// In Python the verdict is `False`, here the error itself.
    #[test]
    fn a08_s07_an_exit_that_is_called_by_hand_gives_back_the_error_that_it_lets_pass() {
        check("enter:cm, exit:cm:failed(TypeError), verdict:propagate, result:ok", async |log| {
            let mut class = Class { log, then: Then::Pass };
            class.enter().await?;
            let verdict = class.exit(Outcome::Failed(Error("TypeError"))).await;
            assert_eq!(verdict, Err(Error("TypeError")));
            log.add("verdict:propagate");
            Ok(())
        });
    }

    /// A second marker is refused by the compiler (`ui/yields/several.rs`) where a macro does not hide it.
    #[test]
    fn a09_s08_a_second_yield_after_an_error_panics_and_the_manager_is_dropped_there() {
        let log = Log::new();
        let message = panic_message(async {
            with!(yields_times(&log, 2) => raise::<()>(&log, "TypeError"))?;
            Ok::<_, Error>(())
        });
        assert_eq!(message, "`yields_times` reached its `yield!` a second time");
        let expected = ["enter:cm", "raise:TypeError", "exit:cm:failed(TypeError)", "suppress:cm", "closed:cm"];
        assert_eq!(log.take(), expected);
    }

    /// That there is none at all is refused by the compiler: `ui/yields/none.rs`.
    #[test]
    fn a10_s09_a_manager_that_ends_before_its_yield_panics_and_the_block_does_not_run() {
        let log = Log::new();
        let message = panic_message(async { with!(yields_times(&log, 0) => log.add("body")) });
        assert_eq!(message, "`yields_times` ended without reaching its `yield!`: return an `Err` to skip the block");
        assert_eq!(log.take(), ["enter:cm", "closed:cm"]);
    }

    #[test]
    fn a11_s10_a_second_yield_panics_and_the_manager_is_dropped_there() {
        let log = Log::new();
        let message = panic_message(async { with!(yields_times(&log, 2) => log.add("body")) });
        assert_eq!(message, "`yields_times` reached its `yield!` a second time");
        assert_eq!(log.take(), ["enter:cm", "body", "exit:cm:completed", "closed:cm"]);
    }

    /// Python's `__aexit__` also takes the type of an error for an error.
    #[test]
    fn a12_s11_an_error_may_be_replaced() {
        check("enter:cm, exit:cm:failed(RuntimeError), raise:cm:SyntaxError, result:err(SyntaxError)", async |log| {
            let mut class = Class { log, then: Then::Raise("SyntaxError") };
            class.enter().await?;
            class.exit(Outcome::Failed(Error("RuntimeError"))).await
        });
    }

    #[test]
    fn a13_s12_a_manager_that_catches_the_error_sees_what_it_carries_and_may_suppress_it() {
        let expected = "enter:cm, body:42, raise:ZeroDivisionError(999), exit:cm:failed(ZeroDivisionError(999)), \
                        suppress:cm, after, result:ok";
        check(expected, async |log| {
            with!(cm(log, "cm", 42, Then::Suppress) as x => {
                log.add(format!("body:{x}"));
                raise::<()>(log, "ZeroDivisionError(999)")
            })?;
            log.add("after");
            Ok(())
        });
    }

    #[test]
    fn a14_s13_no_error_is_special() {
        let expected = "enter:cm, raise:StopAsyncIteration, exit:cm:failed(StopAsyncIteration), \
                        result:err(StopAsyncIteration)";
        check(expected, async |log| {
            with!(cm(log, "cm", (), Then::Pass) => { raise::<()>(log, "StopAsyncIteration")?; })?;
            Ok(())
        });
    }

    /// Python unwraps a `StopAsyncIteration`.
    #[test]
    fn a15_s16_an_error_may_be_wrapped() {
        async fn wraps(log: &Log, error: &'static str) -> Result<(), Error> {
            with!(cm(log, "cm", (), Then::Raise("RuntimeError")) => { raise::<()>(log, error)?; })?;
            Ok(())
        }
        let expected = "enter:cm, raise:ZeroDivisionError, exit:cm:failed(ZeroDivisionError), raise:cm:RuntimeError, \
                        err:RuntimeError, enter:cm, raise:StopAsyncIteration, exit:cm:failed(StopAsyncIteration), \
                        raise:cm:RuntimeError, err:RuntimeError, result:ok";
        check(expected, async |log| {
            for name in ["ZeroDivisionError", "StopAsyncIteration"] {
                let error = wraps(log, name).await.expect_err("it fails");
                log.add(format!("err:{error}"));
            }
            Ok(())
        });
    }

    #[test]
    fn s15_an_error_that_wraps_another_one_keeps_it_as_its_source() {
        #[derive(Debug)]
        struct Wraps(Error);
        impl fmt::Display for Wraps {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("RuntimeError")
            }
        }
        impl std::error::Error for Wraps {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        type Boxed = Box<dyn std::error::Error>;

        #[async_context_manager(catch)]
        async fn wraps(log: &Log) -> Result<(), Boxed> {
            log.add("enter:cm");
            r#yield!().into_result().map_err(|error| {
                log.add(format!("exit:cm:failed({error})"));
                log.add("raise:cm:RuntimeError");
                Box::new(Wraps(*error.downcast().expect("there is no other"))).into()
            })
        }
        async fn fails(log: &Log) -> Result<(), Boxed> {
            with!(wraps(log) => { raise::<()>(log, "ZeroDivisionError")?; })
        }
        let expected = "enter:cm, raise:ZeroDivisionError, exit:cm:failed(ZeroDivisionError), raise:cm:RuntimeError, \
                        chain:RuntimeError<-ZeroDivisionError, result:ok";
        check(expected, async |log| {
            let error = fails(log).await.expect_err("it fails");
            log.add(format!("chain:{error}<-{}", error.source().expect("it wraps one")));
            Ok(())
        });
    }

    #[test]
    fn a16_a17_s17_s18_name_documentation_and_other_attributes_are_kept() {
        mod inner {
            use super::*;

            /// Whoops.
            #[cfg(test)]
            #[allow(clippy::unused_async)]
            #[must_use = "it is an attribute that can be seen here"]
            #[async_context_manager]
            pub(super) async fn woohoo(_log: &Log) {
                r#yield!();
            }
        }
        let log = Log::new();
        let manager = inner::woohoo(&log);
        assert_eq!(format!("{manager:?}"), r#"Manager { function: "woohoo", .. }"#);
    }

    #[test]
    fn a19_s20_parameters_may_have_any_name() {
        struct Woohoo(u8);
        impl Woohoo {
            #[async_context_manager]
            async fn woohoo(&self, log: &Log, func: u8, args: u8, kwds: u8) -> String {
                log.add("enter:cm");
                let outcome = r#yield!(format!("{},{func},{args},{kwds}", self.0));
                assert!(outcome.is_completed());
                log.add("exit:cm:completed");
            }
        }
        check("enter:cm, body:11,22,33,44, exit:cm:completed, result:ok", async |log| {
            let this = Woohoo(11);
            with!(this.woohoo(log, 22, 33, 44) as values => log.add(format!("body:{values}")));
            Ok(())
        });
    }

    #[test]
    fn a20_s23_a_function_may_use_itself() {
        async fn nested(log: &Log, depth: usize) -> Result<(), Error> {
            with!(cm(log, &depth.to_string(), (), Then::Pass) => {
                if depth < 10 {
                    Box::pin(nested(log, depth + 1)).await?;
                }
            })?;
            Ok(())
        }
        let entered = (1..=10).map(|depth| format!("enter:{depth}"));
        let left = (1..=10).rev().map(|depth| format!("exit:{depth}:completed"));
        let expected: Vec<_> = entered.chain(left).chain(["result:ok".to_string()]).collect();
        check(&expected.join(", "), async |log| nested(log, 1).await);
    }

    #[test]
    fn s21_arguments_are_not_kept_when_the_manager_has_let_them_go() {
        #[async_context_manager]
        async fn woohoo<T>(log: &Log, a: T, b: T) {
            log.add("enter:cm");
            drop((a, b));
            log.add("yield:cm");
            assert!(r#yield!().is_completed());
            log.add("exit:cm:completed");
        }
        check("enter:cm, drop:a, drop:b, yield:cm, body, exit:cm:completed, result:ok", async |log| {
            with!(woohoo(log, log.on_drop("drop:a"), log.on_drop("drop:b")) => log.add("body"));
            Ok(())
        });
    }

    /// Python's locks, conditions and semaphores are managers themselves.
    #[test]
    fn s29_s31_s32_s33_a_lock_is_held_in_the_block_and_free_after_it() {
        use futures::lock::Mutex;

        #[async_context_manager]
        async fn locked(lock: &Mutex<()>) {
            let guard = lock.lock().await;
            r#yield!();
            drop(guard);
        }
        async fn fails(log: &Log, lock: &Mutex<()>) -> Result<(), Error> {
            with!(locked(lock) => {
                log.add(format!("body:locked:{}", lock.try_lock().is_none()));
                raise(log, "ZeroDivisionError")
            })
        }
        let expected = "locked:false, body:locked:true, locked:false, body:locked:true, raise:ZeroDivisionError, \
                        err:ZeroDivisionError, locked:false, result:ok";
        check(expected, async |log| {
            let lock = Mutex::new(());
            log.add(format!("locked:{}", lock.try_lock().is_none()));
            with!(locked(&lock) => log.add(format!("body:locked:{}", lock.try_lock().is_none())));
            log.add(format!("locked:{}", lock.try_lock().is_none()));
            log.add(format!("err:{}", fails(log, &lock).await.expect_err("it fails")));
            log.add(format!("locked:{}", lock.try_lock().is_none()));
            Ok(())
        });
    }
}

/// `TestContextDecorator`, as far as there is no function in it
mod classes {
    use super::*;

    #[test]
    fn s35_an_exit_sees_that_its_block_came_to_the_end() {
        check("enter:cm, body, exit:cm:completed, result:ok", async |log| {
            with!(Class { log, then: Then::Pass } => log.add("body"))?;
            Ok(())
        });
    }

    #[test]
    fn s36_an_exit_sees_the_error_which_goes_on_or_is_suppressed() {
        async fn fails(log: &Log, then: Then) -> Result<Option<()>, Error> {
            with!(Class { log, then } => { raise(log, "NameError")? })
        }
        let expected = "enter:cm, raise:NameError, exit:cm:failed(NameError), err:NameError, enter:cm, \
                        raise:NameError, exit:cm:failed(NameError), suppress:cm, after, result:ok";
        check(expected, async |log| {
            log.add(format!("err:{}", fails(log, Then::Pass).await.expect_err("it fails")));
            assert_eq!(fails(log, Then::Suppress).await, Ok(None));
            log.add("after");
            Ok(())
        });
    }
}

/// `AsyncContextManagerTestCase`, `ContextManagerTestCase`, `TestContextDecorator`: managers on functions
mod decorators {
    use super::*;

    #[test]
    fn a21_a_manager_function_surrounds_every_call() {
        #[within(cm(log, "cm", (), Then::Pass))]
        async fn function(log: &Log) -> Result<(), Error> {
            log.add("body");
            Ok(())
        }
        check("decorated, enter:cm, body, exit:cm:completed, result:ok", async |log| {
            let call = function(log);
            log.add("decorated");
            call.await
        });
    }

    const ERROR_THAT_GOES_ON: &str =
        "enter:cm, body, raise:NameError, exit:cm:failed(NameError), result:err(NameError)";

    #[test]
    fn a22_a_manager_function_sees_the_error_which_goes_on() {
        #[within(cm(log, "cm", (), Then::Pass))]
        async fn function(log: &Log) -> Result<(), Error> {
            log.add("body");
            raise(log, "NameError")
        }
        check(ERROR_THAT_GOES_ON, async |log| function(log).await);
    }

    /// Python compares keyword and default arguments too.
    #[test]
    fn a23_s39_a_method_gets_its_arguments() {
        struct Test<'a> {
            log: &'a Log,
            sum: u32,
        }
        impl Test<'_> {
            #[within(cm(self.log, "cm", (), Then::Pass))]
            async fn method(&mut self, a: u32, b: u32) -> Result<(), Error> {
                self.log.add(format!("body:{a},{b}"));
                self.sum += a + b;
                Ok(())
            }
        }
        check("enter:cm, body:1,2, exit:cm:completed, enter:cm, body:3,4, exit:cm:completed, result:ok", async |log| {
            let mut test = Test { log, sum: 0 };
            test.method(1, 2).await?;
            test.method(3, 4).await?;
            assert_eq!(test.sum, 10);
            Ok(())
        });
    }

    /// Nothing is mixed into the type for this.
    #[test]
    fn s37_s42_a_manager_that_is_a_type_surrounds_a_function() {
        #[within(Class { log, then: Then::Pass })]
        async fn function(log: &Log) -> Result<(), Error> {
            log.add("body");
            Ok(())
        }
        check("enter:cm, body, exit:cm:completed, result:ok", async |log| function(log).await);
    }

    #[test]
    fn s38_a_manager_that_is_a_type_sees_the_error_which_goes_on() {
        #[within(Class { log, then: Then::Pass })]
        async fn function(log: &Log) -> Result<(), Error> {
            log.add("body");
            raise(log, "NameError")
        }
        check(ERROR_THAT_GOES_ON, async |log| function(log).await);
    }

    #[test]
    fn s43_each_call_makes_a_manager() {
        #[async_context_manager]
        async fn numbered(log: &Log, number: u32) {
            log.add(format!("enter:cm:{number}"));
            assert!(r#yield!().is_completed());
            log.add("exit:cm:completed");
        }
        #[within(numbered(log, 1))]
        async fn function(log: &Log, what: &str) {
            log.add(format!("body:{what}"));
        }
        let expected = "enter:cm:1, body:something, exit:cm:completed, enter:cm:1, body:something else, \
                        exit:cm:completed, result:ok";
        check(expected, async |log| {
            function(log, "something").await;
            function(log, "something else").await;
            Ok(())
        });
    }
}

/// `AclosingTestCase`, `ClosingTestCase`, `FileContextTestCase`, `TestAsyncNullcontext`, `NullcontextTestCase`
mod values {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[test]
    fn a25_s25_the_block_gets_the_value_itself_which_is_closed_after_it() {
        check("body:same:true, close:x, result:ok", async |log| {
            let value = Box::new("x");
            let address = std::ptr::from_ref(value.as_ref());
            with!(closing(value, async |value| log.add(format!("close:{value}"))) as value => {
                log.add(format!("body:same:{}", std::ptr::eq(value.as_ref(), address)));
            });
            Ok(())
        });
    }

    /// s28 is about files, which `Drop` closes.
    #[test]
    fn a26_s26_s28_a_value_is_closed_on_an_error_which_goes_on() {
        check("body, raise:ZeroDivisionError, close:x, result:err(ZeroDivisionError)", async |log| {
            with!(closing("x", async |value| log.add(format!("close:{value}"))) => {
                log.add("body");
                raise(log, "ZeroDivisionError")
            })
        });
    }

    /// A generator of Python is closed by an exception at its `yield`, a future by being dropped.
    #[test]
    fn a27_a_generator_is_closed_half_way_before_the_error_goes_on() {
        let expected = "body, enter:res, item:-1, raise:ZeroDivisionError, exit:res:cancelled, \
                        result:err(ZeroDivisionError)";
        check(expected, async |log| {
            let item = Cell::new(None);
            let generator = Box::pin(async {
                with!(cm(log, "res", (), Then::Pass) => {
                    for n in [-1, -2] {
                        item.set(Some(n));
                        yields(1).await;
                    }
                })
            });
            with!(closing(generator, async |generator| drop(generator)) as generator => {
                log.add("body");
                let next = poll_fn(|cx| {
                    assert!(generator.as_mut().poll(cx).is_pending());
                    item.take().map_or(Poll::Pending, Poll::Ready)
                });
                log.add(format!("item:{}", next.await));
                raise(log, "ZeroDivisionError")
            })
        });
    }

    #[test]
    fn a57_s27_nullcontext_gives_the_block_its_value_and_does_nothing_else() {
        check("body:c, result:ok", async |log| {
            with!(nullcontext("c") as c => log.add(format!("body:{c}")));
            Ok(())
        });
    }
}

/// `TestSuppress`
mod suppressing {
    use super::*;

    /// `suppress` for these errors, with a log.
    #[async_context_manager(catch, suppress)]
    async fn suppressing(log: &Log, errors: &[&'static str]) -> Result<(), Error> {
        log.add("enter:suppress");
        let value = with!(suppress(|error: &Error| errors.contains(&error.0)) => {
            let outcome = r#yield!();
            log_exit(log, "suppress", &outcome);
            outcome.into_result()?;
        })?;
        if value.is_none() {
            log.add("suppress:suppress");
        }
        Ok(())
    }

    #[test]
    fn s79_nothing_is_lent() {
        check("enter:suppress, body:none, exit:suppress:completed, result:ok", async |log| {
            with!(suppressing(log, &["ValueError"]) as () => log.add("body:none"))?;
            Ok(())
        });
    }

    #[test]
    fn s80_a_block_that_does_not_fail_is_untouched() {
        check("enter:suppress, body, exit:suppress:completed, after, result:ok", async |log| {
            let value = with!(suppressing(log, &["ValueError"]) => { log.add("body"); 5 });
            assert_eq!(value, Ok(Some(5)));
            log.add("after");
            Ok(())
        });
    }

    #[test]
    fn s81_the_error_is_suppressed() {
        let expected = "enter:suppress, raise:TypeError, exit:suppress:failed(TypeError), suppress:suppress, after, \
                        result:ok";
        check(expected, async |log| {
            with!(suppressing(log, &["TypeError"]) => raise::<()>(log, "TypeError"))?;
            log.add("after");
            Ok(())
        });
    }

    /// Python suppresses a class with those that inherit from it; a predicate knows them by name.
    #[test]
    fn s82_a_kind_of_errors_is_suppressed() {
        const LOOKUP_ERRORS: [&str; 3] = ["LookupError", "IndexError", "KeyError"];
        let expected = "enter:suppress, raise:IndexError, exit:suppress:failed(IndexError), suppress:suppress, after, \
                        result:ok";
        check(expected, async |log| {
            with!(suppressing(log, &LOOKUP_ERRORS) => raise::<()>(log, "IndexError"))?;
            log.add("after");
            Ok(())
        });
    }

    const ERROR_THAT_GOES_ON: &str = "enter:suppress, raise:ZeroDivisionError, \
                                      exit:suppress:failed(ZeroDivisionError), result:err(ZeroDivisionError)";

    #[test]
    fn s83_another_error_goes_on() {
        check(ERROR_THAT_GOES_ON, async |log| {
            with!(suppressing(log, &["TypeError"]) => { raise::<()>(log, "ZeroDivisionError")?; })?;
            log.add("not reached");
            Ok(())
        });
    }

    #[test]
    fn s84_with_no_errors_named_each_goes_on() {
        check(ERROR_THAT_GOES_ON, async |log| {
            with!(suppressing(log, &[]) => { raise::<()>(log, "ZeroDivisionError")?; })?;
            log.add("not reached");
            Ok(())
        });
    }

    #[test]
    fn s85_each_of_several_errors_is_suppressed() {
        let expected = "enter:suppress, raise:ZeroDivisionError, exit:suppress:failed(ZeroDivisionError), \
                        suppress:suppress, enter:suppress, raise:TypeError, exit:suppress:failed(TypeError), \
                        suppress:suppress, after, result:ok";
        check(expected, async |log| {
            for error in ["ZeroDivisionError", "TypeError"] {
                with!(suppressing(log, &["ZeroDivisionError", "TypeError"]) => raise::<()>(log, error))?;
            }
            log.add("after");
            Ok(())
        });
    }

    /// Python enters one object again and again; here each is made anew.
    #[test]
    fn s86_one_may_stand_in_another_whose_block_goes_on() {
        let expected = "enter:suppress, exit:suppress:completed, enter:suppress, raise:TypeError, \
                        exit:suppress:failed(TypeError), suppress:suppress, enter:suppress, enter:suppress, \
                        raise:TypeError, exit:suppress:failed(TypeError), suppress:suppress, outer-continued, \
                        raise:ZeroDivisionError, exit:suppress:failed(ZeroDivisionError), suppress:suppress, \
                        result:ok";
        check(expected, async |log| {
            let ignoring = || suppressing(log, &["TypeError", "ZeroDivisionError"]);
            with!(ignoring() => {})?;
            with!(ignoring() => raise::<()>(log, "TypeError"))?;
            with!(ignoring() => {
                with!(ignoring() => raise::<()>(log, "TypeError"))?;
                log.add("outer-continued");
                raise::<()>(log, "ZeroDivisionError")
            })?;
            Ok(())
        });
    }
}

/// `TestRedirectStdout`, `TestRedirectStderr`, `TestChdir`: state that is put back after the block
mod state {
    use std::cell::Cell;

    use super::*;

    /// Where the state is, what it becomes in the block, and what it is after the block.
    struct Redirect<'a> {
        log: &'a Log,
        state: &'a Cell<&'static str>,
        target: &'static str,
        before: Option<&'static str>,
    }

    impl<'a> Redirect<'a> {
        fn new(log: &'a Log, state: &'a Cell<&'static str>, target: &'static str) -> Self {
            Self { log, state, target, before: None }
        }
    }

    impl AsyncContextManager for Redirect<'_> {
        type Value<'v>
            = &'static str
        where
            Self: 'v;
        type Exit = Catch<Error>;

        async fn enter(&mut self) -> Result<&'static str, Error> {
            self.log.add(format!("enter:cm:{}", self.target));
            self.before = Some(self.state.replace(self.target));
            Ok(self.target)
        }

        async fn exit(&mut self, outcome: Outcome<Error>) -> Result<(), Error> {
            self.state.set(self.before.take().expect("it was entered"));
            leave(self.log, "cm", Then::Pass, outcome).await
        }
    }

    #[test]
    fn s67_s73_making_a_manager_has_no_effect() {
        check("made, enter:cm, body, exit:cm:completed, result:ok", async |log| {
            let manager = cm(log, "cm", (), Then::Pass);
            log.add("made");
            with!(manager => log.add("body"))?;
            Ok(())
        });
    }

    #[test]
    fn s68_s74_s87_state_is_changed_in_the_block_and_put_back_after_it() {
        check("enter:cm:f, body:f, exit:cm:completed, after:orig, result:ok", async |log| {
            let state = Cell::new("orig");
            with!(Redirect::new(log, &state, "f") => log.add(format!("body:{}", state.get())))?;
            log.add(format!("after:{}", state.get()));
            Ok(())
        });
    }

    #[test]
    fn s69_s75_the_value_is_the_target() {
        check("enter:cm:f, body:f, exit:cm:completed, result:ok", async |log| {
            let state = Cell::new("orig");
            with!(Redirect::new(log, &state, "f") as target => log.add(format!("body:{target}")))?;
            Ok(())
        });
    }

    #[test]
    fn s70_s76_a_manager_that_is_lent_may_be_entered_again() {
        let expected = "enter:cm:f, body, exit:cm:completed, enter:cm:f, body, exit:cm:completed, after:orig, \
                        result:ok";
        check(expected, async |log| {
            let state = Cell::new("orig");
            let mut redirect = Redirect::new(log, &state, "f");
            with!(&mut redirect => log.add("body"))?;
            with!(&mut redirect => log.add("body"))?;
            log.add(format!("after:{}", state.get()));
            Ok(())
        });
    }

    #[test]
    fn s89_state_is_put_back_after_an_error_too() {
        let expected = "enter:cm:target, body:target, raise:RuntimeError, exit:cm:failed(RuntimeError), after:orig, \
                        result:err(RuntimeError)";
        check(expected, async |log| {
            let state = Cell::new("orig");
            let result = with!(Redirect::new(log, &state, "target") => {
                log.add(format!("body:{}", state.get()));
                raise::<()>(log, "RuntimeError")
            });
            log.add(format!("after:{}", state.get()));
            result?
        });
    }
}

/// `TestAsyncExitStack`, `TestExitStack`
mod stacks {
    use super::*;

    #[test]
    fn a29_s45_nothing_on_it() {
        check("body, result:ok", async |log| {
            with!(Stack::suppressing() => log.add("body"))?;
            Ok(())
        });
    }

    #[test]
    fn a30_s46_a50_callbacks_run_with_what_they_hold_the_last_one_first() {
        let expected = "body, callback:0, callback:1, callback:2, callback:3, callback:4, callback:5, callback:6, \
                        result:ok";
        check(expected, async |log| {
            with!(Stack::suppressing() as stack => {
                for i in (0..7).rev() {
                    stack.callback(async move || {
                        yields(i).await;
                        log.add(format!("callback:{i}"));
                    });
                }
                log.add("body");
            })?;
            Ok(())
        });
    }

    #[test]
    fn a31_s47_a51_exits_see_the_error_until_one_suppresses_it() {
        let expected = "raise:ZeroDivisionError, exit:e5:failed(ZeroDivisionError), exit:e4:failed(ZeroDivisionError), \
                        exit:e3:failed(ZeroDivisionError), suppress:e3, exit:e2:completed, exit:e1:completed, after, \
                        result:ok";
        check(expected, async |log| {
            with!(Stack::suppressing() as stack => {
                push(stack, log, "e1", Then::Pass);
                push(stack, log, "e2", Then::Pass);
                push(stack, log, "e3", Then::Suppress);
                push(stack, log, "e4", Then::Pass);
                push(stack, log, "e5", Then::Pass);
                assert_eq!(stack.len(), 5);
                raise::<()>(log, "ZeroDivisionError")
            })?;
            log.add("after");
            Ok(())
        });
    }

    #[test]
    fn a32_s48_a52_a_manager_is_entered_at_once_and_left_before_what_was_there_before() {
        check("enter:cm, body, exit:cm:completed, callback:first, result:ok", async |log| {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "first", None);
                assert_eq!(stack.enter(cm(log, "cm", 42, Then::Pass)).await, Ok(42));
                log.add("body");
            })?;
            Ok(())
        });
    }

    #[test]
    fn a34_s50_closing_leaves_all_at_once_and_once() {
        check("callback:c, body-after-close, result:ok", async |log| {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "c", None);
                stack.close().await?;
                log.add("body-after-close");
            })?;
            Ok(())
        });
    }

    #[test]
    fn a35_s51_pop_all_moves_everything_to_another_stack() {
        check("body-after-pop_all, after, callback:c, result:ok", async |log| {
            let kept = with!(Stack::suppressing() as stack => {
                callback(stack, log, "c", None);
                let kept = stack.pop_all();
                log.add("body-after-pop_all");
                kept
            })?;
            log.add("after");
            kept.expect("nothing is suppressed").close().await
        });
    }

    #[test]
    fn a36_s52_an_exit_may_let_the_error_pass() {
        check(
            "raise:ZeroDivisionError, exit:e:failed(ZeroDivisionError), result:err(ZeroDivisionError)",
            async |log| {
                with!(Stack::suppressing() as stack => {
                    push(stack, log, "e", Then::Pass);
                    raise::<()>(log, "ZeroDivisionError")
                })?;
                log.add("not reached");
                Ok(())
            },
        );
    }

    #[test]
    fn a37_s53_a45_s61_an_exit_may_suppress_the_error() {
        check("raise:ZeroDivisionError, exit:e:failed(ZeroDivisionError), suppress:e, after, result:ok", async |log| {
            with!(Stack::suppressing() as stack => {
                push(stack, log, "e", Then::Suppress);
                raise::<()>(log, "ZeroDivisionError")
            })?;
            log.add("after");
            Ok(())
        });
    }

    #[test]
    fn a38_s54_the_error_of_a_callback_replaces_that_of_the_block() {
        check("raise:ZeroDivisionError, callback:c, result:err(ValueError)", async |log| {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "c", Some("ValueError"));
                raise::<()>(log, "ZeroDivisionError")
            })?;
            Ok(())
        });
    }

    /// What a stack of the same is to do, written as statements.
    #[test]
    fn a39_s55_in_nested_statements_errors_replace_each_other_or_are_suppressed() {
        async fn nested(log: &Log) -> Result<(), Error> {
            with!(
                cm(log, "d", (), Then::Raise("IndexError")),
                cm(log, "c", (), Then::Raise("KeyError")),
                cm(log, "b", (), Then::Raise("AttributeError")),
                cm(log, "suppressor", (), Then::Suppress),
                cm(log, "a", (), Then::Raise("ValueError")) => {
                    raise::<()>(log, "ZeroDivisionError")?;
                }
            )?;
            Ok(())
        }
        let expected = "enter:d, enter:c, enter:b, enter:suppressor, enter:a, raise:ZeroDivisionError, \
                        exit:a:failed(ZeroDivisionError), raise:a:ValueError, exit:suppressor:failed(ValueError), \
                        suppress:suppressor, exit:b:completed, raise:b:AttributeError, exit:c:failed(AttributeError), \
                        raise:c:KeyError, exit:d:failed(KeyError), raise:d:IndexError, result:ok";
        check(expected, async |log| {
            assert_eq!(nested(log).await, Err(Error("IndexError")));
            Ok(())
        });
    }

    #[test]
    fn a40_s56_a54_errors_replace_each_other_or_are_suppressed() {
        async fn stacked(log: &Log) -> Result<(), Error> {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "c1", Some("IndexError"));
                callback(stack, log, "c2", Some("KeyError"));
                callback(stack, log, "c3", Some("AttributeError"));
                push(stack, log, "suppressor", Then::Suppress);
                callback(stack, log, "c4", Some("ValueError"));
                raise::<()>(log, "ZeroDivisionError")?;
            })?;
            Ok(())
        }
        let expected = "raise:ZeroDivisionError, callback:c4, exit:suppressor:failed(ValueError), suppress:suppressor, \
                        callback:c3, callback:c2, callback:c1, result:ok";
        check(expected, async |log| {
            assert_eq!(stacked(log).await, Err(Error("IndexError")));
            Ok(())
        });
    }

    #[test]
    fn a41_s57_a55_a_manager_on_a_stack_may_replace_the_error() {
        let expected = "enter:cm, raise:IndexError, exit:cm:failed(IndexError), raise:cm:MyException, \
                        result:err(MyException)";
        check(expected, async |log| {
            with!(Stack::suppressing() as stack => {
                stack.enter(cm(log, "cm", (), Then::Raise("MyException"))).await?;
                raise::<()>(log, "IndexError")?;
            })?;
            Ok(())
        });
    }

    #[test]
    fn a42_s58_the_error_of_a_callback_goes_out_unless_it_is_suppressed() {
        async fn goes_out(log: &Log) -> Result<(), Error> {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "none", None);
                callback(stack, log, "c", Some("IndexError"));
            })?;
            Ok(())
        }
        async fn is_suppressed(log: &Log) -> Result<(), Error> {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "c1", Some("KeyError"));
                push(stack, log, "suppressor", Then::Suppress);
                callback(stack, log, "c2", Some("IndexError"));
            })?;
            Ok(())
        }
        let expected = "callback:c, callback:none, err:IndexError, callback:c2, exit:suppressor:failed(IndexError), \
                        suppress:suppressor, callback:c1, err:KeyError, result:ok";
        check(expected, async |log| {
            log.add(format!("err:{}", goes_out(log).await.expect_err("it fails")));
            log.add(format!("err:{}", is_suppressed(log).await.expect_err("it fails")));
            Ok(())
        });
    }

    #[test]
    fn a43_s59_managers_may_replace_the_error_one_after_the_other() {
        async fn stacked(log: &Log) -> Result<(), Error> {
            with!(Stack::suppressing() as stack => {
                stack.enter(cm(log, "m4", (), Then::Raise("Exception(4)"))).await?;
                stack.enter(cm(log, "m3", (), Then::Raise("Exception(3)"))).await?;
                stack.enter(cm(log, "m2", (), Then::Raise("Exception(2)"))).await?;
                raise::<()>(log, "Exception(1)")?;
            })?;
            Ok(())
        }
        let expected = "enter:m4, enter:m3, enter:m2, raise:Exception(1), exit:m2:failed(Exception(1)), \
                        raise:m2:Exception(2), exit:m3:failed(Exception(2)), raise:m3:Exception(3), \
                        exit:m4:failed(Exception(3)), raise:m4:Exception(4), result:ok";
        check(expected, async |log| {
            assert_eq!(stacked(log).await, Err(Error("Exception(4)")));
            Ok(())
        });
    }

    /// In Python each of the callbacks fails twice, its second error on top of its first.
    #[test]
    fn a44_s60_callbacks_may_replace_the_error_one_after_the_other() {
        async fn stacked(log: &Log) -> Result<(), Error> {
            with!(Stack::suppressing() as stack => {
                callback(stack, log, "b", Some("Exception(5)"));
                callback(stack, log, "a", Some("Exception(3)"));
                raise::<()>(log, "Exception(1)")?;
            })?;
            Ok(())
        }
        check("raise:Exception(1), callback:a, callback:b, result:ok", async |log| {
            assert_eq!(stacked(log).await, Err(Error("Exception(5)")));
            Ok(())
        });
    }

    #[test]
    fn a46_s62_errors_of_exits_are_suppressed_by_an_older_one() {
        let expected = "exit:e3:completed, raise:e3:KeyError, exit:e2:failed(KeyError), raise:e2:ZeroDivisionError, \
                        exit:e1:failed(ZeroDivisionError), suppress:e1, after, result:ok";
        check(expected, async |log| {
            with!(Stack::suppressing() as stack => {
                push(stack, log, "e1", Then::Suppress);
                push(stack, log, "e2", Then::Raise("ZeroDivisionError"));
                push(stack, log, "e3", Then::Raise("KeyError"));
            })?;
            log.add("after");
            Ok(())
        });
    }

    #[test]
    fn a47_s63_ten_thousand_callbacks() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        check("callbacks:10000, result:ok", async |log| {
            let count = AtomicUsize::new(0);
            with!(Stack::suppressing() as stack => {
                for _ in 0..10_000 {
                    stack.callback(async || { count.fetch_add(1, Ordering::Relaxed); });
                }
            })?;
            log.add(format!("callbacks:{}", count.load(Ordering::Relaxed)));
            Ok(())
        });
    }

    #[test]
    fn a49_s65_an_error_that_is_passed_on_may_be_replaced() {
        async fn stacked(log: &Log) -> Result<(), Error> {
            with!(Stack::suppressing() as stack => {
                stack.enter(cm(log, "second", (), Then::Raise("UniqueException"))).await?;
                stack.enter(cm(log, "first", (), Then::Pass)).await?;
                raise::<()>(log, "UniqueRuntimeError")?;
            })?;
            Ok(())
        }
        let expected = "enter:second, enter:first, raise:UniqueRuntimeError, exit:first:failed(UniqueRuntimeError), \
                        exit:second:failed(UniqueRuntimeError), raise:second:UniqueException, result:ok";
        check(expected, async |log| {
            assert_eq!(stacked(log).await, Err(Error("UniqueException")));
            Ok(())
        });
    }
}
