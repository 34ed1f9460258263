//! Types that are context managers: the trait `AsyncContextManager`.

#![forbid(unsafe_code)]
#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::fmt::{Debug, Display};

use async_context_manager::{AsyncContextManager, Catch, Manager, Outcome, Suppress, async_context_manager, with};
use tests::{Log, block_on, drop_after, panic_message, yields};

fn fails() -> Result<u8, String> {
    Err("error".to_string())
}

/// Logs its steps, and waits in each phase.
struct Plain {
    log: Log,
    name: &'static str,
}

impl Plain {
    fn new(log: &Log, name: &'static str) -> Self {
        Self { log: log.clone(), name }
    }
}

impl AsyncContextManager for Plain {
    type Value<'v> = &'v str;
    type Exit = ();

    async fn enter(&mut self) -> &str {
        self.log.add(format!("enter {}", self.name));
        yields(1).await;
        self.name
    }

    async fn exit(&mut self, outcome: Outcome) {
        yields(1).await;
        self.log.add(format!("exit {} {outcome:?}", self.name));
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.log.add(format!("drop {}", self.name));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    Never,
    Entering,
    Leaving,
}

/// Can fail, and lends a member by `&mut`.
struct Fallible {
    log: Log,
    fails: Fails,
    member: Vec<u8>,
}

impl Fallible {
    fn new(log: &Log, fails: Fails) -> Self {
        Self { log: log.clone(), fails, member: Vec::new() }
    }
}

impl AsyncContextManager for Fallible {
    type Value<'v> = &'v mut Vec<u8>;
    type Exit = Result<(), String>;

    async fn enter(&mut self) -> Result<&mut Vec<u8>, String> {
        self.log.add("enter");
        if self.fails == Fails::Entering {
            return Err("entering".to_string());
        }
        Ok(&mut self.member)
    }

    async fn exit(&mut self, outcome: Outcome) -> Result<(), String> {
        self.log.add(format!("exit {outcome:?} {:?}", self.member));
        yields(1).await;
        if self.fails == Fails::Leaving { Err("leaving".to_string()) } else { Ok(()) }
    }
}

/// Adds its name to an error.
struct Catching<'l> {
    log: &'l Log,
    name: &'l str,
}

impl AsyncContextManager for Catching<'_> {
    type Value<'v>
        = ()
    where
        Self: 'v;
    type Exit = Catch<String>;

    async fn enter(&mut self) -> Result<(), String> {
        Ok(())
    }

    async fn exit(&mut self, outcome: Outcome<String>) -> Result<(), String> {
        self.log.add(format!("{} {outcome:?}", self.name));
        outcome.into_result().map_err(|error| format!("{error} by {}", self.name))
    }
}

/// Python's `contextlib.suppress`, for errors that show as `self.0`.
struct Suppressing<E>(&'static str, std::marker::PhantomData<E>);

fn suppressing<E>(shown: &'static str) -> Suppressing<E> {
    Suppressing(shown, std::marker::PhantomData)
}

impl<E: Display> AsyncContextManager for Suppressing<E> {
    type Value<'v>
        = ()
    where
        Self: 'v;
    type Exit = Suppress<Catch<E>>;

    async fn enter(&mut self) -> Result<(), E> {
        Ok(())
    }

    async fn exit(&mut self, outcome: Outcome<E>) -> Result<(), E> {
        match outcome {
            Outcome::Failed(error) if error.to_string() == self.0 => Ok(()),
            other => other.into_result(),
        }
    }
}

mod exits {
    use super::*;

    #[test]
    fn exit_of_nothing_gives_the_value() {
        let log = Log::new();
        let value = block_on(async {
            let value = with!(Plain::new(&log, "it") as name => {
                log.add("block");
                name.len()
            });
            log.add("after");
            value
        });
        assert_eq!(value, 2);
        assert_eq!(log.take(), ["enter it", "block", "exit it Completed", "drop it", "after"]);
    }

    #[test]
    fn exit_of_a_result_wraps_the_value() {
        let log = Log::new();
        let run = async |fails| {
            with!(Fallible::new(&log, fails) as bytes => {
                bytes.push(5);
                bytes.len()
            })
        };
        assert_eq!(block_on(run(Fails::Never)), Ok(1));
        assert_eq!(log.take(), ["enter", "exit Completed [5]"]);
        assert_eq!(block_on(run(Fails::Entering)), Err("entering".to_string()));
        assert_eq!(log.take(), ["enter"]);
        assert_eq!(block_on(run(Fails::Leaving)), Err("leaving".to_string()));
        assert_eq!(log.take(), ["enter", "exit Completed [5]"]);
    }

    #[test]
    fn exit_of_an_err_replaces_what_was_under_way() {
        async fn replaced(log: &Log, way: u8) -> Result<u8, String> {
            loop {
                return with!(Fallible::new(log, Fails::Leaving) as _bytes => match way {
                    0 => fails()?,
                    1 => return Ok(1),
                    2 => break,
                    _ => 2,
                });
            }
            Ok(3)
        }
        for way in 0..4 {
            assert_eq!(block_on(replaced(&Log::new(), way)), Err("leaving".to_string()), "{way}");
        }
    }

    #[test]
    fn exit_is_told_of_each_way_out() {
        async fn leave(log: &Log, way: u8) -> Result<u8, String> {
            loop {
                let value = with!(Plain::new(log, "it") as _name => match way {
                    0 => fails()?,
                    1 => return fails(),
                    2 => return Ok(1),
                    3 => break,
                    _ => 2,
                });
                return Ok(value);
            }
            Ok(3)
        }
        let log = Log::new();
        for (way, outcome, value) in [
            (0, "Failed(())", fails()),
            (1, "Failed(())", fails()),
            (2, "Completed", Ok(1)),
            (3, "Completed", Ok(3)),
            (4, "Completed", Ok(2)),
        ] {
            assert_eq!(block_on(leave(&log, way)), value, "{way}");
            assert_eq!(log.take(), ["enter it", &format!("exit it {outcome}"), "drop it"], "{way}");
        }
    }

    #[test]
    fn exit_that_catches_gets_the_error() {
        async fn caught(log: &Log, by_value: bool) -> Result<u8, String> {
            let value = with!(Catching { log, name: "it" } => if by_value { fails() } else { Ok(fails()?) });
            log.add("after");
            value?
        }
        let log = Log::new();
        for by_value in [true, false] {
            assert_eq!(block_on(caught(&log, by_value)), Err("error by it".to_string()));
            assert_eq!(log.take(), ["it Failed(\"error\")", "after"]);
        }
        assert_eq!(block_on(async { with!(Catching { log: &log, name: "it" } => 5) }), Ok(5));
    }

    #[test]
    fn exit_that_catches_and_succeeds_is_a_panic_that_names_the_type() {
        struct Swallowing;
        impl AsyncContextManager for Swallowing {
            type Value<'v> = ();
            type Exit = Catch<String>;
            async fn enter(&mut self) -> Result<(), String> {
                Ok(())
            }
            async fn exit(&mut self, _outcome: Outcome<String>) -> Result<(), String> {
                Ok(())
            }
        }
        let said = panic_message(async { with!(Swallowing => fails()) });
        assert!(said.contains("Swallowing` caught the error of its block and succeeded"), "{said}");
    }

    #[test]
    fn exit_that_suppresses_gives_none() {
        async fn run(error: Option<&str>) -> Result<Option<u8>, String> {
            with!(suppressing("expected") => match error {
                Some(error) => Err(error)?,
                None => 5,
            })
        }
        assert_eq!(block_on(run(None)), Ok(Some(5)));
        assert_eq!(block_on(run(Some("expected"))), Ok(None));
        assert_eq!(block_on(run(Some("other"))), Err("other".to_string()));
    }

    #[test]
    fn exit_may_suppress_without_catching() {
        struct Maybe;
        impl AsyncContextManager for Maybe {
            type Value<'v> = u8;
            type Exit = Suppress<()>;
            async fn enter(&mut self) -> u8 {
                5
            }
            async fn exit(&mut self, _outcome: Outcome) {}
        }
        struct MaybeFails;
        impl AsyncContextManager for MaybeFails {
            type Value<'v> = u8;
            type Exit = Suppress<Result<(), String>>;
            async fn enter(&mut self) -> Result<u8, String> {
                Ok(5)
            }
            async fn exit(&mut self, outcome: Outcome) -> Result<(), String> {
                if outcome.is_failed() { Err("leaving".to_string()) } else { Ok(()) }
            }
        }
        assert_eq!(block_on(async { with!(Maybe as n => n + 1) }), Some(6));
        assert_eq!(block_on(async { with!(Maybe as _n => fails()) }), Some(fails()));
        assert_eq!(block_on(async { with!(MaybeFails as n => n + 1) }), Ok(Some(6)));
        assert_eq!(block_on(async { with!(MaybeFails as _n => fails()) }), Err("leaving".to_string()));
    }
}

mod values {
    use super::*;

    /// What is borrowed from elsewhere, and a type parameter.
    struct Guard<'p, T>(&'p mut T, &'p Log);

    impl<T: Debug> AsyncContextManager for Guard<'_, T> {
        type Value<'v>
            = &'v mut T
        where
            Self: 'v;
        type Exit = ();

        async fn enter(&mut self) -> &mut T {
            self.0
        }

        async fn exit(&mut self, outcome: Outcome) {
            self.1.add(format!("{outcome:?} {:?}", self.0));
        }
    }

    #[test]
    fn value_of_a_type_may_borrow_what_the_manager_borrows() {
        let log = Log::new();
        let mut numbers = vec![1];
        let length = block_on(async {
            with!(Guard(&mut numbers, &log) as numbers => {
                numbers.push(2);
                yields(1).await;
                numbers.len()
            })
        });
        assert_eq!(length, 2);
        assert_eq!(numbers, [1, 2]);
        assert_eq!(log.take(), ["Completed [1, 2]"]);
    }

    /// Lends a reference that is good for longer than the block.
    struct Longer<'p>(&'p str);

    impl<'p> AsyncContextManager for Longer<'p> {
        type Value<'v>
            = &'p str
        where
            Self: 'v;
        type Exit = ();

        async fn enter(&mut self) -> &'p str {
            self.0
        }

        async fn exit(&mut self, _outcome: Outcome) {}
    }

    #[test]
    fn value_of_a_type_may_outlive_the_manager() {
        let text = "text".to_string();
        let kept = block_on(async { with!(Longer(&text) as text => text) });
        assert_eq!(kept, "text");
    }

    struct Pair(Vec<u8>, String);

    impl AsyncContextManager for Pair {
        type Value<'v> = (&'v mut Vec<u8>, &'v str, Box<u8>);
        type Exit = ();

        async fn enter(&mut self) -> (&mut Vec<u8>, &str, Box<u8>) {
            (&mut self.0, &self.1, Box::new(5))
        }

        async fn exit(&mut self, _outcome: Outcome) {
            assert_eq!(self.0, [5, 4]);
        }
    }

    #[test]
    fn value_of_a_type_may_be_a_tuple() {
        let kept = block_on(async {
            with!(Pair(Vec::new(), "text".to_string()) as (bytes, text, number) => {
                bytes.extend([*number, u8::try_from(text.len()).unwrap()]);
                number
            })
        });
        assert_eq!(*kept, 5);
    }

    /// Owned, with a destructor, borrowing.
    struct Logged<'v>(&'v Log, tests::OnDrop);

    struct Lends(Log);

    impl AsyncContextManager for Lends {
        type Value<'v> = Logged<'v>;
        type Exit = ();

        async fn enter(&mut self) -> Logged<'_> {
            Logged(&self.0, self.0.on_drop("drop value"))
        }

        async fn exit(&mut self, _outcome: Outcome) {
            self.0.add("exit");
        }
    }

    #[test]
    fn value_of_a_type_is_dropped_before_the_exit_phase() {
        let log = Log::new();
        block_on(async {
            with!(Lends(log.clone()) as value => {
                value.0.add("block");
                drop(value.1);
                log.add("block ends");
            });
        });
        assert_eq!(log.take(), ["block", "drop value", "block ends", "exit"]);
        block_on(async { with!(Lends(log.clone()) => log.add("block")) });
        assert_eq!(log.take(), ["block", "drop value", "exit"]);
        block_on(async { with!(Lends(log.clone()) as _ => log.add("block")) });
        assert_eq!(log.take(), ["drop value", "block", "exit"]);
    }

    #[test]
    fn value_of_a_type_is_dropped_when_it_is_cancelled() {
        let log = Log::new();
        drop_after(1, async { with!(Lends(log.clone()) as _value => yields(1).await) });
        assert_eq!(log.take(), ["drop value", "exit"]);
    }
}

mod uses {
    use super::*;

    #[test]
    fn type_by_reference_can_be_entered_many_times() {
        let log = Log::new();
        let mut manager = Fallible::new(&log, Fails::Never);
        block_on(async {
            for n in 0..2 {
                with!(&mut manager as bytes => bytes.push(n)).unwrap();
            }
            let manager = &mut manager;
            with!(&mut *manager as bytes => bytes.push(2)).unwrap();
            with!(manager as bytes => bytes.push(3)).unwrap();
        });
        assert_eq!(manager.member, [0, 1, 2, 3]);
        assert_eq!(log.take()[6..], ["enter", "exit Completed [0, 1, 2, 3]"]);
    }

    #[test]
    fn type_may_stand_in_a_header_with_manager_functions() {
        #[async_context_manager]
        async fn function(log: &Log) -> &str {
            let outcome = r#yield!("function");
            log.add(format!("exit function {outcome:?}"));
        }
        let log = Log::new();
        let value = block_on(async {
            with!(
                Plain::new(&log, "first") as first,
                function(&log) as second,
                Fallible::new(&log, Fails::Never) as bytes,
                Plain::new(&log, "last") => {
                bytes.extend(first.bytes());
                second.len()
            })
        });
        assert_eq!(value, Ok(8));
        assert_eq!(
            log.take(),
            [
                "enter first",
                "enter",
                "enter last",
                "exit last Completed",
                "drop last",
                &format!("exit Completed {:?}", b"first"),
                "exit function Completed",
                "exit first Completed",
                "drop first"
            ]
        );
    }

    #[test]
    fn type_may_stand_in_the_block_of_another_with() {
        async fn nested(log: &Log) -> Result<u8, String> {
            with!(Plain::new(log, "out") => {
                with!(Catching { log, name: "mid" } => {
                    with!(Plain::new(log, "in") as _name => fails()?)
                })?
            })
            .into_ok()
        }
        trait IntoOk: Sized {
            fn into_ok(self) -> Result<Self, String> {
                Ok(self)
            }
        }
        impl IntoOk for u8 {}
        let log = Log::new();
        assert_eq!(block_on(nested(&log)), Err("error by mid".to_string()));
        assert_eq!(
            log.take(),
            [
                "enter out",
                "enter in",
                "exit in Failed(())",
                "drop in",
                "mid Failed(\"error\")",
                "exit out Failed(())",
                "drop out"
            ]
        );
    }

    #[async_context_manager]
    async fn composed(log: &Log) -> Result<(&mut Vec<u8>, &str), String> {
        with!(Fallible::new(log, Fails::Never) as bytes, Plain::new(log, "in") as name => {
            let outcome = r#yield!((bytes, name));
            log.add(format!("{outcome:?}"));
        })
    }

    #[test]
    fn type_in_a_manager_function_sees_the_outcome_of_the_marker() {
        async fn run(log: &Log, fail: bool) -> Result<u8, String> {
            with!(composed(log) as (bytes, name) => {
                bytes.extend(name.bytes());
                if fail { fails()? } else { 5 }
            })
        }
        let log = Log::new();
        assert_eq!(block_on(run(&log, false)), Ok(5));
        assert_eq!(
            log.take(),
            ["enter", "enter in", "Completed", "exit in Completed", "drop in", "exit Completed [105, 110]"]
        );
        assert_eq!(block_on(run(&log, true)), fails());
        assert_eq!(
            log.take(),
            ["enter", "enter in", "Failed(())", "exit in Failed(())", "drop in", "exit Failed(()) [105, 110]"]
        );
    }

    #[test]
    fn type_may_be_entered_in_a_generic_function() {
        async fn length<M>(manager: M) -> usize
        where
            M: for<'v> AsyncContextManager<Value<'v> = &'v str, Exit = ()> + 'static,
        {
            with!(manager as name => name.len())
        }
        async fn any<M: AsyncContextManager<Exit = ()>>(manager: M) -> u8 {
            with!(manager as _value => 5)
        }
        let log = Log::new();
        assert_eq!(block_on(length(Plain::new(&log, "it"))), 2);
        assert_eq!(block_on(any(Plain::new(&log, "it"))), 5);
        assert_eq!(block_on(any(&mut Plain::new(&log, "it"))), 5);
    }

    #[test]
    fn type_can_be_made_a_manager() {
        fn takes<B, L>(manager: Manager<B, L>) -> Manager<B, L> {
            manager
        }
        let log = Log::new();
        let manager = Plain::new(&log, "it").into_manager();
        let shown = format!("{manager:?}");
        assert!(shown.starts_with("Manager { type: \"protocol::Plain\""), "{shown}");
        assert!(log.take().is_empty());
        assert_eq!(block_on(async { with!(manager as name => name.len()) }), 2);
        let manager = takes(Fallible::new(&log, Fails::Never).into_manager());
        assert_eq!(block_on(async { with!(manager as bytes => bytes.len()) }), Ok(0));
    }

    #[test]
    fn type_may_wrap_another_type_as_manager() {
        /// Wraps another one, and counts.
        struct Counted<M>(M, u32);
        impl<M: AsyncContextManager> AsyncContextManager for Counted<M> {
            type Value<'v>
                = M::Value<'v>
            where
                Self: 'v;
            type Exit = M::Exit;

            fn enter(
                &mut self,
            ) -> impl Future<
                Output = <<M::Exit as async_context_manager::Exit>::Output as async_context_manager::__private::BodyOutput>::Value<
                    M::Value<'_>,
                >,
            >{
                self.1 += 1;
                self.0.enter()
            }

            fn exit(
                &mut self,
                outcome: Outcome<<M::Exit as async_context_manager::Exit>::Caught>,
            ) -> impl Future<Output = <M::Exit as async_context_manager::Exit>::Output> {
                self.0.exit(outcome)
            }
        }
        let log = Log::new();
        let mut counted = Counted(Plain::new(&log, "it"), 0);
        for _ in 0..3 {
            assert_eq!(block_on(async { with!(&mut counted as name => name.len()) }), 2);
        }
        assert_eq!(counted.1, 3);
    }
}

mod panics {
    use super::*;

    struct Panicking(&'static str, Log);

    impl AsyncContextManager for Panicking {
        type Value<'v> = &'v str;
        type Exit = ();

        async fn enter(&mut self) -> &str {
            assert!(self.0 != "entering", "entering");
            self.0
        }

        async fn exit(&mut self, outcome: Outcome) {
            self.1.add(format!("{outcome:?}"));
            assert!(self.0 != "leaving", "leaving");
        }
    }

    impl Drop for Panicking {
        fn drop(&mut self) {
            self.1.add("drop");
        }
    }

    async fn run(log: &Log, when: &'static str, in_block: bool) {
        with!(Panicking(when, log.clone()) as _when => {
            yields(1).await;
            assert!(!in_block, "in the block");
        });
    }

    #[test]
    fn panic_of_enter_goes_on() {
        let log = Log::new();
        assert_eq!(panic_message(run(&log, "entering", true)), "entering");
        assert_eq!(log.take(), ["drop"]);
    }

    #[test]
    fn panic_of_the_block_is_seen_by_exit() {
        let log = Log::new();
        assert_eq!(panic_message(run(&log, "never", true)), "in the block");
        assert_eq!(log.take(), ["Panicked", "drop"]);
    }

    #[test]
    fn panic_of_exit_replaces_what_was_under_way() {
        let log = Log::new();
        assert_eq!(panic_message(run(&log, "leaving", true)), "leaving");
        assert_eq!(log.take(), ["Panicked", "drop"]);
        assert_eq!(panic_message(run(&log, "leaving", false)), "leaving");
        assert_eq!(log.take(), ["Completed", "drop"]);
    }

    #[test]
    fn panic_of_the_block_is_not_replaced_by_an_err_of_exit() {
        let log = Log::new();
        let run = async {
            with!(Fallible::new(&log, Fails::Leaving) as bytes => {
                bytes.push(1);
                assert!(bytes.is_empty(), "in the block");
            })
        };
        assert_eq!(panic_message(run), "in the block");
        assert_eq!(log.take(), ["enter", "exit Panicked [1]"]);
    }
}

mod cancellation {
    use super::*;

    /// Awaits once in each phase.
    async fn run(log: &Log) {
        with!(Plain::new(log, "it") as _name => {
            let _end = log.on_drop("block ends");
            yields(1).await;
        });
    }

    #[test]
    fn drop_before_the_first_poll_runs_neither_enter_nor_exit() {
        let log = Log::new();
        drop_after(0, run(&log));
        assert!(log.take().is_empty());
    }

    #[test]
    fn drop_in_enter_drops_it_there() {
        let log = Log::new();
        drop_after(1, run(&log));
        assert_eq!(log.take(), ["enter it", "drop it"]);
    }

    #[test]
    fn drop_in_the_block_polls_exit_once() {
        let log = Log::new();
        drop_after(2, run(&log));
        assert_eq!(log.take(), ["enter it", "block ends", "drop it"]);
        drop_after(1, async { with!(Fallible::new(&log, Fails::Never) as _bytes => yields(1).await) });
        assert_eq!(log.take(), ["enter", "exit Cancelled []"]);
    }

    #[test]
    fn drop_in_exit_drops_it_there() {
        let log = Log::new();
        drop_after(3, run(&log));
        assert_eq!(log.take(), ["enter it", "block ends", "drop it"]);
    }

    #[test]
    fn drop_of_a_with_by_reference_leaves_the_manager_as_it_is() {
        let log = Log::new();
        let mut manager = Fallible::new(&log, Fails::Never);
        drop_after(1, async {
            with!(&mut manager as bytes => {
                bytes.push(1);
                yields(1).await;
            })
        });
        assert_eq!(manager.member, [1]);
    }
}

mod threads {
    use super::*;

    /// Of a borrowed value.
    struct Borrowing<'p>(&'p mut Vec<u8>);

    impl AsyncContextManager for Borrowing<'_> {
        type Value<'v>
            = &'v mut Vec<u8>
        where
            Self: 'v;
        type Exit = ();

        async fn enter(&mut self) -> &mut Vec<u8> {
            tokio::task::yield_now().await;
            self.0
        }

        async fn exit(&mut self, _outcome: Outcome) {
            tokio::task::yield_now().await;
            self.0.push(0);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_of_a_type_may_move_between_threads() {
        let log = Log::new();
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                with!(Plain::new(&log, "it") as name => {
                    tokio::task::yield_now().await;
                    name.len()
                })
            }
        });
        assert_eq!(task.await.unwrap(), 2);
        assert_eq!(log.take(), ["enter it", "exit it Completed", "drop it"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_of_a_type_that_borrows_may_move_between_threads() {
        let task = tokio::spawn(async {
            let mut bytes = Vec::new();
            with!(Borrowing(&mut bytes) as bytes => {
                tokio::task::yield_now().await;
                bytes.push(1);
            });
            with!(&mut Borrowing(&mut bytes) as bytes => {
                tokio::task::yield_now().await;
                bytes.push(2);
            });
            bytes
        });
        assert_eq!(task.await.unwrap(), [1, 0, 2, 0]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn function_that_borrows_a_type_may_move_between_threads() {
        async fn inner(bytes: &mut Vec<u8>) -> usize {
            with!(Borrowing(bytes) as bytes => {
                tokio::task::yield_now().await;
                bytes.push(1);
                bytes.len()
            })
        }
        let task = tokio::spawn(async {
            let mut bytes = Vec::new();
            (inner(&mut bytes).await, bytes)
        });
        assert_eq!(task.await.unwrap(), (1, vec![1, 0]));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn generic_function_with_a_type_may_move_between_threads() {
        async fn any<M: AsyncContextManager<Exit = ()>>(manager: M) -> u8 {
            with!(manager => {
                tokio::task::yield_now().await;
                5
            })
        }
        let task = tokio::spawn(any(Plain::new(&Log::new(), "it")));
        assert_eq!(task.await.unwrap(), 5);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_of_a_type_that_catches_may_move_between_threads() {
        let task = tokio::spawn(async {
            let log = Log::new();
            let value: Result<Option<Result<u8, String>>, String> = with!(suppressing("error by it"), Catching { log: &log, name: "it" } => {
                tokio::task::yield_now().await;
                fails()
            });
            value
        });
        assert_eq!(task.await.unwrap(), Ok(None));
    }
}
