//! `#[within]`: the whole body of a function is the block.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::future::pending;
use std::sync::Arc;

use async_context_manager::{Outcome, async_context_manager, with, within};
use tests::managers::{lends_name as named, plain};
use tests::{Log, block_on, drop_after, panic_message, yields};

#[derive(Debug, PartialEq)]
struct DbError(&'static str);

impl Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for DbError {}

#[derive(Debug, PartialEq)]
enum AppError {
    Db(DbError),
    Parse,
}

impl From<DbError> for AppError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    Never,
    Entering,
    Leaving,
}

#[async_context_manager]
async fn fallible(log: &Log, fails: Fails) -> Result<&mut u32, DbError> {
    if fails == Fails::Entering {
        return Err(DbError("entering"));
    }
    let mut local = 5;
    let outcome = r#yield!(&mut local);
    yields(1).await;
    log.add(format!("{local} {outcome:?}"));
    if fails == Fails::Leaving { Err(DbError("leaving")) } else { Ok(()) }
}

/// Names what passes it.
#[async_context_manager(catch)]
async fn renames(log: &Log) -> Result<(), String> {
    let outcome = r#yield!();
    yields(1).await;
    log.add(format!("{outcome:?}"));
    outcome.into_result().map_err(|error| format!("renamed {error}"))
}

/// Swallows what passes it.
#[async_context_manager(catch, suppress)]
async fn swallows<E>(log: &Log) -> Result<(), E> {
    let outcome = r#yield!();
    yields(1).await;
    log.add(if outcome.is_failed() { "swallowed" } else { "nothing to swallow" });
    Ok(())
}

/// Ends the block when it is pending for that often.
#[async_context_manager(suppress)]
async fn patience(log: &Log, polls: usize) {
    tokio::select! {
        biased;
        _ = async { r#yield!() } => log.add("in time"),
        () = yields(polls) => log.add("too late"),
    }
}

mod ways {
    use super::*;

    #[test]
    fn function_that_reaches_its_end_completes() {
        #[within(plain(log))]
        async fn add(log: &Log, a: u32, b: u32) -> u32 {
            log.add("body");
            yields(1).await;
            a + b
        }
        let log = Log::new();
        assert_eq!(block_on(add(&log, 2, 3)), 5);
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
    }

    #[test]
    fn function_that_returns_nothing_completes() {
        #[within(plain(log))]
        async fn work(log: &Log, leaves: bool) {
            if leaves {
                return;
            }
            log.add("body");
        }
        let log = Log::new();
        block_on(work(&log, false));
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
        block_on(work(&log, true));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[within(plain(log))]
    async fn parse(log: &Log, text: &str) -> Result<u8, String> {
        if text.is_empty() {
            return Err("empty".to_string());
        }
        if text == "seven" {
            return Ok(7);
        }
        let number: u8 = text.parse().map_err(|error| format!("{error}"))?;
        if number == 9 { Err("nine".into()) } else { Ok(number) }
    }

    #[test]
    fn function_fails_if_its_value_a_return_or_a_question_mark_is_an_err() {
        let log = Log::new();
        for (text, result, outcome) in [
            ("5", Ok(5), "Completed"),
            ("seven", Ok(7), "Completed"),
            ("9", Err("nine"), "Failed(())"),
            ("", Err("empty"), "Failed(())"),
            ("five", Err("invalid digit found in string"), "Failed(())"),
        ] {
            assert_eq!(block_on(parse(&log, text)), result.map_err(str::to_string));
            assert_eq!(log.take(), ["enter", outcome, "exit"]);
        }
    }

    #[test]
    fn question_mark_on_none_completes() {
        #[within(plain(log))]
        async fn first(log: &Log, text: &str) -> Option<char> {
            let first = text.chars().next()?;
            Some(first.to_ascii_uppercase())
        }
        let log = Log::new();
        assert_eq!(block_on(first(&log, "a")), Some('A'));
        assert_eq!(block_on(first(&log, "")), None);
        assert_eq!(log.take(), ["enter", "Completed", "exit"].repeat(2));
    }

    #[test]
    fn return_of_an_err_hidden_in_a_macro_fails() {
        macro_rules! bail {
            ($error:expr) => {
                return Err($error.into())
            };
        }
        #[within(plain(log))]
        async fn work(log: &Log) -> Result<(), Box<dyn std::error::Error>> {
            bail!("hidden")
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log)).unwrap_err().to_string(), "hidden");
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn jumps_in_the_body_of_a_function_stay_in_it() {
        #[within(plain(log))]
        async fn sum(log: &Log) -> u32 {
            let mut sum = 0;
            'numbers: for number in 0_u32.. {
                with!(plain(log) => {
                    match number {
                        0 => continue,
                        4 => break 'numbers,
                        _ => sum += number,
                    }
                });
            }
            sum
        }
        let log = Log::new();
        assert_eq!(block_on(sum(&log)), 6);
        assert_eq!(log.take().len(), 18);
    }

    #[test]
    fn panic_of_a_function_is_seen_and_goes_on() {
        #[within(plain(log))]
        async fn work(log: &Log) -> u32 {
            yields(1).await;
            panic!("in the body")
        }
        let log = Log::new();
        assert_eq!(panic_message(work(&log)), "in the body");
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }

    #[test]
    fn function_that_is_dropped_is_cancelled() {
        #[within(plain(log))]
        async fn work(log: &Log) {
            let _guard = log.on_drop("local dropped");
            pending::<()>().await;
        }
        let log = Log::new();
        drop_after(2, work(&log));
        assert_eq!(log.take(), ["enter", "local dropped", "Cancelled"]);
    }

    #[test]
    fn calling_a_function_runs_nothing_before_it_is_awaited() {
        #[within(plain(log))]
        async fn work(log: &Log) {}
        let log = Log::new();
        drop(work(&log));
        assert_eq!(log.take(), [""; 0]);
    }

    #[test]
    fn function_that_never_returns_can_be_cancelled() {
        #[within(plain(log))]
        async fn work(log: &Log) -> ! {
            loop {
                yields(1).await;
            }
        }
        let log = Log::new();
        let work = async {
            work(&log).await;
        };
        drop_after(5, work);
        assert_eq!(log.take(), ["enter", "Cancelled"]);
    }
}

mod errors_of_managers {
    use super::*;

    #[within(fallible(log, fails) as number)]
    async fn parse(log: &Log, fails: Fails, text: &str) -> Result<u32, AppError> {
        *number += text.parse::<u32>().map_err(|_| AppError::Parse)?;
        Ok(*number)
    }

    #[test]
    fn function_completes_when_its_manager_does_not_fail() {
        let log = Log::new();
        assert_eq!(block_on(parse(&log, Fails::Never, "2")), Ok(7));
        assert_eq!(log.take(), ["7 Completed"]);
    }

    #[test]
    fn error_of_the_body_is_the_functions() {
        let log = Log::new();
        assert_eq!(block_on(parse(&log, Fails::Never, "two")), Err(AppError::Parse));
        assert_eq!(log.take(), ["5 Failed(())"]);
    }

    #[test]
    fn error_of_entering_becomes_the_functions() {
        let log = Log::new();
        assert_eq!(block_on(parse(&log, Fails::Entering, "2")), Err(AppError::Db(DbError("entering"))));
        assert_eq!(log.take(), [""; 0]);
    }

    #[test]
    fn error_of_leaving_replaces_what_the_body_gave() {
        let log = Log::new();
        assert_eq!(block_on(parse(&log, Fails::Leaving, "2")), Err(AppError::Db(DbError("leaving"))));
        assert_eq!(block_on(parse(&log, Fails::Leaving, "two")), Err(AppError::Db(DbError("leaving"))));
        assert_eq!(log.take(), ["7 Completed", "5 Failed(())"]);
    }

    #[test]
    fn error_of_a_manager_becomes_a_boxed_error() {
        #[within(fails_with_a_parse_error())]
        async fn work() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            Ok(())
        }
        #[async_context_manager]
        async fn fails_with_a_parse_error() -> Result<(), std::num::ParseIntError> {
            "five".parse::<u8>()?;
            r#yield!();
            Ok(())
        }
        assert_eq!(block_on(work()).unwrap_err().to_string(), "invalid digit found in string");
    }
}

mod catching {
    use super::*;

    #[within(renames(log))]
    async fn parse(log: &Log, text: &str) -> Result<u8, String> {
        if text.is_empty() {
            return Err("empty".to_string());
        }
        let number = text.parse().map_err(|_| "no number".to_string())?;
        if number == 9 { Err("nine".to_string()) } else { Ok(number) }
    }

    #[test]
    fn caller_gets_what_a_catching_manager_returns() {
        let log = Log::new();
        for (text, error) in [("", "empty"), ("five", "no number"), ("9", "nine")] {
            assert_eq!(block_on(parse(&log, text)), Err(format!("renamed {error}")));
            assert_eq!(log.take(), [format!("Failed({error:?})")]);
        }
        assert_eq!(block_on(parse(&log, "5")), Ok(5));
        assert_eq!(log.take(), ["Completed"]);
    }

    #[test]
    fn generic_manager_catches_an_error_of_any_type() {
        #[async_context_manager(catch)]
        async fn logged<E: Display>(log: &Log) -> Result<(), E> {
            let outcome = r#yield!();
            if let Outcome::Failed(error) = &outcome {
                log.add(error.to_string());
            }
            outcome.into_result()
        }
        #[within(logged(log))]
        async fn parse(log: &Log, text: &str) -> Result<u8, std::num::ParseIntError> {
            Ok(text.parse::<u8>()? + 1)
        }
        let log = Log::new();
        assert_eq!(block_on(parse(&log, "5")), Ok(6));
        assert!(block_on(parse(&log, "five")).is_err());
        assert_eq!(log.take(), ["invalid digit found in string"]);
    }
}

mod suppressing {
    use super::*;

    #[test]
    fn suppressed_function_that_returns_nothing_returns() {
        #[within(patience(log, 3))]
        async fn work(log: &Log, polls: usize) {
            yields(polls).await;
            log.add("done");
        }
        let log = Log::new();
        block_on(work(&log, 1));
        assert_eq!(log.take(), ["done", "in time"]);
        block_on(work(&log, 9));
        assert_eq!(log.take(), ["too late"]);
    }

    #[test]
    fn suppressed_function_that_returns_an_option_gives_none() {
        #[within(patience(log, 3))]
        async fn work(log: &Log, polls: usize) -> Option<usize> {
            yields(polls).await;
            Some(polls)
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, 1)), Some(1));
        assert_eq!(block_on(work(&log, 9)), None);
        assert_eq!(log.take(), ["in time", "too late"]);
    }

    #[test]
    fn suppressed_function_that_returns_a_result_of_nothing_gives_ok() {
        #[within(swallows(log))]
        async fn work(log: &Log, text: &str) -> Result<(), std::num::ParseIntError> {
            let number = text.parse::<u8>()?;
            log.add(number.to_string());
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, "5")), Ok(()));
        assert_eq!(block_on(work(&log, "five")), Ok(()));
        assert_eq!(log.take(), ["5", "nothing to swallow", "swallowed"]);
    }

    #[test]
    fn suppressed_function_that_returns_a_result_of_an_option_gives_ok_none() {
        #[within(swallows(log))]
        async fn work(log: &Log, text: &str) -> Result<Option<u8>, std::num::ParseIntError> {
            Ok(Some(text.parse()?))
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, "5")), Ok(Some(5)));
        assert_eq!(block_on(work(&log, "five")), Ok(None));
        assert_eq!(log.take(), ["nothing to swallow", "swallowed"]);
    }

    #[test]
    fn panic_of_a_function_is_not_suppressed() {
        #[within(swallows(log))]
        async fn work(log: &Log) -> Result<(), String> {
            panic!("in the body")
        }
        let log = Log::new();
        assert_eq!(panic_message(work(&log)), "in the body");
    }
}

mod headers {
    use super::*;

    #[test]
    fn several_managers_stand_around_a_function() {
        #[within(named(log, "a") as first, named(log, first) as second, plain(log))]
        async fn work(log: &Log) -> usize {
            second.push('!');
            log.add("body");
            second.len()
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log)), 2);
        let expected =
            ["enter a", "enter a", "enter", "body", "Completed", "exit", "exit a! Completed", "exit a Completed"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn managers_of_several_kinds_stand_around_a_function() {
        #[within(plain(log), fallible(log, fails) as number, patience(log, 2),)]
        async fn work(log: &Log, fails: Fails, polls: usize) -> Result<Option<u32>, AppError> {
            yields(polls).await;
            Ok(Some(*number))
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, Fails::Never, 0)), Ok(Some(5)));
        assert_eq!(log.take(), ["enter", "in time", "5 Completed", "Completed", "exit"]);
        assert_eq!(block_on(work(&log, Fails::Never, 9)), Ok(None));
        assert_eq!(log.take(), ["enter", "too late", "5 Completed", "Completed", "exit"]);
        assert_eq!(block_on(work(&log, Fails::Entering, 0)), Err(AppError::Db(DbError("entering"))));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[test]
    fn lent_values_of_a_function_are_bound_to_patterns() {
        #[async_context_manager]
        async fn pair() -> (u32, String) {
            r#yield!((5, "five".to_string()))
        }
        #[within(pair() as (mut number, ref name))]
        async fn work() -> String {
            number += 1;
            format!("{name} {number}")
        }
        assert_eq!(block_on(work()), "five 6");
    }

    #[test]
    fn attribute_above_another_is_around_it() {
        #[within(named(log, "outer") as outer)]
        #[within(fallible(log, Fails::Leaving) as number)]
        #[within(named(log, &format!("{outer} {number}")) as inner)]
        async fn work(log: &Log) -> Result<(), AppError> {
            outer.push('!');
            inner.push('?');
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log)), Err(AppError::Db(DbError("leaving"))));
        let expected =
            ["enter outer", "enter outer 5", "exit outer 5? Completed", "5 Completed", "exit outer! Failed(())"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn attributes_may_have_errors_of_different_types() {
        #[async_context_manager]
        async fn parses(text: &str) -> Result<u32, std::num::ParseIntError> {
            r#yield!(text.parse()?);
            Ok(())
        }
        #[within(fallible(log, fails) as number)]
        #[within(parses(text) as parsed)]
        async fn work(log: &Log, fails: Fails, text: &str) -> Result<u32, Box<dyn std::error::Error>> {
            Ok(*number + parsed)
        }
        let log = Log::new();
        let run = |fails, text| block_on(work(&log, fails, text)).map_err(|error| error.to_string());
        assert_eq!(run(Fails::Never, "2"), Ok(7));
        assert_eq!(run(Fails::Entering, "2"), Err("entering".to_string()));
        assert_eq!(run(Fails::Never, "two"), Err("invalid digit found in string".to_string()));
        assert_eq!(log.take(), ["5 Completed", "5 Failed(())"]);
    }

    #[test]
    fn manager_expression_of_a_function_may_await() {
        async fn prepare(log: &Log) -> &Log {
            yields(1).await;
            log
        }
        #[within(plain(prepare(log).await))]
        async fn work(log: &Log) {
            log.add("body");
        }
        let log = Log::new();
        block_on(work(&log));
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
    }

    #[test]
    fn question_mark_in_a_manager_expression_leaves_the_function() {
        fn check(log: &Log, fails: bool) -> Result<&Log, DbError> {
            if fails { Err(DbError("checking")) } else { Ok(log) }
        }
        #[within(plain(check(log, fails)?))]
        async fn work(log: &Log, fails: bool) -> Result<(), AppError> {
            log.add("body");
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, true)), Err(AppError::Db(DbError("checking"))));
        assert_eq!(log.take(), [""; 0]);
        assert_eq!(block_on(work(&log, false)), Ok(()));
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
    }

    #[test]
    fn attribute_finds_the_crate_by_another_path() {
        mod framework {
            pub(crate) use async_context_manager as managers;
        }
        #[framework::managers::within(crate = framework::managers, plain(log))]
        async fn work(log: &Log) {
            log.add("body");
        }
        let log = Log::new();
        block_on(work(&log));
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
    }
}

mod functions {
    use super::*;

    #[derive(Debug)]
    struct Own {
        log: Log,
        count: u32,
    }

    impl Own {
        fn new() -> Self {
            Self { log: Log::new(), count: 0 }
        }

        #[within(plain(&self.log))]
        async fn by_reference(&self) -> u32 {
            self.log.add("body");
            self.count
        }

        #[within(plain(log))]
        async fn by_mutable_reference(&mut self, log: &Log) -> &mut u32 {
            self.count += 1;
            &mut self.count
        }

        #[within(plain(&self.log.clone()))]
        async fn by_value(mut self) -> Self {
            self.count += 1;
            self
        }

        #[within(plain(&self.log))]
        async fn by_arc(self: Arc<Self>) -> u32 {
            self.count
        }

        #[within(named(&self.log, name) as local)]
        pub(crate) async fn named(&self, name: &str) -> String {
            local.push('!');
            local.clone()
        }
    }

    #[test]
    fn methods_may_stand_within_managers() {
        let mut own = Own::new();
        let log = own.log.clone();
        assert_eq!(block_on(own.by_reference()), 0);
        *block_on(own.by_mutable_reference(&log)) += 1;
        let own = block_on(own.by_value());
        assert_eq!(log.take().len(), 10);
        assert_eq!(block_on(own.named("name")), "name!");
        assert_eq!(block_on(Arc::new(own).by_arc()), 3);
        assert_eq!(log.take(), ["enter name", "exit name! Completed", "enter", "Completed", "exit"]);
    }

    trait Service {
        type Error;

        async fn call(&self, text: &str) -> Result<u32, Self::Error>;

        #[within(plain(log))]
        async fn by_default(&self, log: &Log) -> Result<u32, Self::Error> {
            self.call("2").await
        }
    }

    impl Service for Own {
        type Error = AppError;

        #[within(fallible(&self.log, Fails::Never) as number)]
        async fn call(&self, text: &str) -> Result<u32, Self::Error> {
            *number += text.parse::<u32>().map_err(|_| AppError::Parse)?;
            Ok(*number + self.count)
        }
    }

    #[test]
    fn methods_of_traits_may_stand_within_managers() {
        let own = Own::new();
        assert_eq!(block_on(own.call("one")), Err(AppError::Parse));
        assert_eq!(own.log.take(), ["5 Failed(())"]);
        assert_eq!(block_on(own.by_default(&own.log)), Ok(7));
        assert_eq!(own.log.take(), ["enter", "7 Completed", "Completed", "exit"]);
    }

    #[test]
    fn generic_functions_may_stand_within_managers() {
        #[within(named(log, &items[0].to_string()) as first)]
        async fn generic<'l, T, const N: usize>(log: &'l Log, items: [T; N], more: impl Display) -> (&'l Log, String)
        where
            T: Display,
        {
            for item in &items {
                first.push_str(&item.to_string());
            }
            (log, format!("{first}{more}"))
        }
        let log = Log::new();
        assert_eq!(block_on(generic(&log, [1, 2], 'x')).1, "112x");
        assert_eq!(log.take(), ["enter 1", "exit 112 Completed"]);
    }

    #[test]
    fn arguments_may_be_patterns_and_mut() {
        #[within(named(log, name) as local)]
        async fn work(log: &Log, (name, mut count): (&str, u32), mut text: String, _: u8) -> String {
            count += 1;
            text.push_str(local);
            format!("{text} {count}")
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, ("b", 1), "a".to_string(), 0)), "ab 2");
    }

    #[test]
    fn body_may_give_an_argument_away() {
        #[within(plain(log))]
        async fn work(log: &Log, text: String) -> String {
            drop(log.on_drop("moved"));
            text
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, "text".to_string())), "text");
        assert_eq!(log.take(), ["enter", "moved", "Completed", "exit"]);
    }

    #[test]
    fn result_of_a_function_may_be_an_impl_trait() {
        #[within(plain(log))]
        async fn numbers(log: &Log, count: u32) -> impl Iterator<Item = u32> {
            log.add("body");
            (0..count).map(|number| number * 2)
        }
        #[within(fallible(log, Fails::Never) as number)]
        async fn display(log: &Log) -> Result<impl Display + use<>, DbError> {
            if *number == 0 {
                return Ok(0_u32);
            }
            Ok(*number)
        }
        let log = Log::new();
        assert_eq!(block_on(numbers(&log, 3)).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(block_on(display(&log)).unwrap().to_string(), "5");
    }

    #[test]
    fn result_of_a_function_is_coerced_to_its_return_type() {
        #[within(plain(log))]
        async fn boxed(log: &Log, text: bool) -> Box<dyn Display> {
            if text {
                return Box::new("text");
            }
            Box::new(5)
        }
        #[within(plain(log))]
        async fn slice<'a>(log: &Log, array: &'a [u8; 3]) -> &'a [u8] {
            array
        }
        #[within(fallible(log, Fails::Never))]
        async fn fails(log: &Log) -> Result<Box<dyn Display>, Box<dyn std::error::Error>> {
            Err(Box::new(std::fmt::Error))
        }
        #[within(plain(log))]
        async fn borrows<'l>(log: &'l Log, text: &'l str) -> Box<dyn Fn() -> &'l str + 'l> {
            log.add("body");
            Box::new(move || text)
        }
        #[within(plain(log))]
        async fn object(log: &Log) -> &dyn std::fmt::Debug {
            log
        }
        let log = Log::new();
        assert_eq!(block_on(borrows(&log, "text"))(), "text");
        assert_eq!(format!("{:?}", block_on(object(&log))), format!("{log:?}"));
        assert_eq!(block_on(boxed(&log, true)).to_string(), "text");
        assert_eq!(block_on(boxed(&log, false)).to_string(), "5");
        assert_eq!(block_on(slice(&log, &[1, 2, 3])), [1, 2, 3]);
        assert!(block_on(fails(&log)).is_err());
    }

    #[test]
    fn types_in_a_body_are_inferred_from_the_return_type() {
        #[within(plain(log))]
        async fn parse(log: &Log, text: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
            log.add("body");
            text.split(' ').map(str::parse).collect()
        }
        let log = Log::new();
        assert_eq!(block_on(parse(&log, "1 2")), Ok(vec![1, 2]));
    }

    #[test]
    fn function_may_call_itself() {
        #[within(named(log, &n.to_string()))]
        async fn factorial(log: &Log, n: u32) -> u32 {
            if n == 0 { 1 } else { n * Box::pin(factorial(log, n - 1)).await }
        }
        let log = Log::new();
        assert_eq!(block_on(factorial(&log, 3)), 6);
        assert_eq!(log.take().len(), 8);
    }

    #[test]
    fn function_may_be_defined_by_a_macro() {
        macro_rules! define {
            ($name:ident($log:ident) -> $output:ty, $manager:expr, $pattern:pat => $body:block) => {
                #[async_context_manager::within($manager as $pattern)]
                async fn $name($log: &Log) -> $output $body
            };
        }
        define!(made(log) -> usize, named(log, "made"), local => {
            local.push('!');
            local.len()
        });
        let log = Log::new();
        assert_eq!(block_on(made(&log)), 5);
        assert_eq!(log.take(), ["enter made", "exit made! Completed"]);
    }

    #[test]
    fn body_may_have_functions_and_closures_of_its_own() {
        #[within(plain(log))]
        async fn work(log: &Log) -> usize {
            fn inner(number: usize) -> Option<usize> {
                if number == 0 {
                    return None;
                }
                Some(number - 1)
            }
            let closure = |number| {
                if number == 5 {
                    return inner(number);
                }
                None
            };
            let block = async { Some(closure(5)? + 1) };
            log.add("body");
            block.await.unwrap_or_default()
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log)), 5);
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
    }

    #[test]
    fn body_may_have_a_manager_function_of_its_own() {
        #[within(plain(log))]
        async fn work(log: &Log) -> u32 {
            #[async_context_manager]
            async fn inner() -> u32 {
                r#yield!(5)
            }
            #[within(inner() as number)]
            async fn nested() -> u32 {
                number
            }
            log.add("body");
            with!(inner() as number => number) + nested().await
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log)), 10);
        assert_eq!(log.take(), ["enter", "body", "Completed", "exit"]);
    }

    #[test]
    fn names_of_the_generated_code_do_not_clash_with_the_users() {
        #[within(named(handoff0, manager) as value)]
        async fn work(handoff0: &Log, manager: &str, block: u32, end: u32, output: u32) -> String {
            value.push_str(manager);
            format!("{value} {block} {end} {output}")
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, "a", 1, 2, 3)), "aa 1 2 3");
        assert_eq!(log.take(), ["enter a", "exit aa Completed"]);
    }

    #[test]
    fn attributes_of_a_function_are_kept() {
        #[within(plain(log))]
        #[deny(unused_variables)]
        #[cfg(not(test))]
        async fn work(log: &Log) -> u32 {
            compile_error!("not compiled")
        }
        #[within(plain(log))]
        #[cfg(test)]
        async fn work(log: &Log) -> u32 {
            #![allow(unused_variables, reason = "they stay with the function")]
            let unused = log;
            5
        }
        assert_eq!(block_on(work(&Log::new())), 5);
    }
}

/// In a module that has its own ideas of the names that generated code uses.
mod shadowed {
    #![allow(dead_code, unused_macros, reason = "the names are what is tested")]

    use super::{Fails, Log, block_on, fallible, plain, swallows, within};

    mod core {}
    mod std {}
    struct Option;
    struct Some;
    struct None;
    enum Result {}
    struct Ok;
    struct Err;
    struct Infallible;
    trait From {}
    trait Into {}
    macro_rules! unreachable {
        ($($any:tt)*) => {
            compile_error!("not this one")
        };
    }
    fn run() {}
    fn open() {}

    #[within(plain(log), fallible(log, Fails::Never) as number)]
    async fn fails(log: &Log) -> ::std::result::Result<u32, super::AppError> {
        ::std::result::Result::Ok(*number)
    }

    #[within(swallows(log))]
    async fn swallowed(log: &Log) -> ::std::result::Result<::std::option::Option<u32>, super::DbError> {
        ::std::result::Result::Err(super::DbError("error"))
    }

    #[test]
    fn attribute_works_where_names_of_the_standard_library_are_shadowed() {
        let log = Log::new();
        assert_eq!(block_on(fails(&log)), ::std::result::Result::Ok(5));
        assert_eq!(block_on(swallowed(&log)), ::std::result::Result::Ok(::std::option::Option::None));
    }
}

/// A manager that is a type of one's own.
mod types {
    use super::*;
    use async_context_manager::AsyncContextManager;

    struct Count(u32);

    impl AsyncContextManager for Count {
        type Value<'v> = &'v mut u32;
        type Exit = Result<(), String>;

        async fn enter(&mut self) -> Result<&mut u32, String> {
            self.0 += 1;
            Ok(&mut self.0)
        }

        async fn exit(&mut self, outcome: Outcome) -> Result<(), String> {
            yields(1).await;
            if self.0 == 7 && outcome.is_completed() { Err("seven".to_string()) } else { Ok(()) }
        }
    }

    #[within(Count(start) as count)]
    async fn add(start: u32, more: u32) -> Result<u32, String> {
        *count += more;
        Ok(*count)
    }

    #[test]
    fn type_as_manager_stands_around_a_function() {
        assert_eq!(block_on(add(4, 1)), Ok(6));
        assert_eq!(block_on(add(4, 2)), Err("seven".to_string()));
    }
}

mod drops {
    use super::*;

    #[test]
    fn locals_are_dropped_before_the_managers_and_arguments_after_them() {
        #[within(plain(log))]
        async fn work(log: &Log, _first: tests::OnDrop, _: tests::OnDrop) {
            let _local = log.on_drop("local");
        }
        let log = Log::new();
        block_on(work(&log, log.on_drop("first"), log.on_drop("second")));
        assert_eq!(log.take(), ["enter", "local", "Completed", "exit", "second", "first"]);
    }

    #[test]
    fn argument_that_the_body_moves_is_dropped_with_the_body() {
        #[within(plain(log))]
        async fn work(log: &Log, argument: tests::OnDrop, moves: bool) {
            if moves {
                drop(argument);
            }
        }
        let log = Log::new();
        block_on(work(&log, log.on_drop("argument"), false));
        assert_eq!(log.take(), ["enter", "argument", "Completed", "exit"]);
    }

    #[test]
    fn temporaries_of_the_last_expression_are_dropped_with_the_body() {
        #[within(plain(log))]
        async fn work(log: &Log) -> usize {
            format!("{:?}", log.on_drop("temporary")).len()
        }
        let log = Log::new();
        assert_ne!(block_on(work(&log)), 0);
        assert_eq!(log.take(), ["enter", "temporary", "Completed", "exit"]);
    }
}

mod cancellation {
    use super::*;

    #[async_context_manager]
    async fn slow(log: &Log) {
        log.add("enter");
        yields(1).await;
        let outcome = r#yield!();
        log.add(format!("{outcome:?}"));
        yields(1).await;
        log.add("exit");
    }

    #[within(slow(log))]
    async fn work(log: &Log) {
        log.add("body");
        yields(1).await;
    }

    #[test]
    fn function_that_is_dropped_while_entering_ends_there() {
        let log = Log::new();
        drop_after(1, work(&log));
        assert_eq!(log.take(), ["enter"]);
    }

    #[test]
    fn function_that_is_dropped_in_its_body_sees_cancelled() {
        let log = Log::new();
        drop_after(2, work(&log));
        assert_eq!(log.take(), ["enter", "body", "Cancelled"]);
    }

    #[test]
    fn function_that_is_dropped_while_leaving_ends_there() {
        let log = Log::new();
        drop_after(3, work(&log));
        assert_eq!(log.take(), ["enter", "body", "Completed"]);
    }

    #[test]
    fn manager_that_races_the_body_may_drop_it() {
        #[async_context_manager]
        async fn limit(polls: usize) -> Result<(), DbError> {
            tokio::select! {
                biased;
                _ = async { r#yield!() } => Ok(()),
                () = yields(polls) => Err(DbError("too late")),
            }
        }
        #[within(limit(polls), plain(log))]
        async fn work(log: &Log, polls: usize) -> Result<u32, AppError> {
            yields(3).await;
            Ok(5)
        }
        let log = Log::new();
        assert_eq!(block_on(work(&log, 9)), Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
        assert_eq!(block_on(work(&log, 2)), Err(AppError::Db(DbError("too late"))));
        assert_eq!(log.take(), ["enter", "Cancelled"]);
    }
}

mod threads {
    use super::*;

    fn is_send<T: Send>(value: T) -> T {
        value
    }

    #[within(named(&log, &name) as local, fallible(&log, Fails::Never) as number)]
    async fn work(log: Log, name: String) -> Result<String, AppError> {
        yields(3).await;
        local.push_str(&number.to_string());
        Ok(local.clone())
    }

    #[tokio::test]
    async fn function_within_managers_can_be_spawned() {
        let log = Log::new();
        let result = tokio::spawn(is_send(work(log.clone(), "name".to_string()))).await.unwrap();
        assert_eq!(result, Ok("name5".to_string()));
        assert_eq!(log.take(), ["enter name", "5 Completed", "exit name5 Completed"]);
    }

    #[tokio::test(start_paused = true)]
    async fn abort_of_a_task_cancels_the_function_in_it() {
        #[within(named(&log, "task"))]
        async fn forever(log: Log) {
            log.add("body");
            pending::<()>().await;
        }
        let log = Log::new();
        let task = tokio::spawn(forever(log.clone()));
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["enter task", "body"]);
    }
}

/// With the attributes of tokio.
mod fixtures {
    use super::*;

    thread_local! {
        static LOG: Log = Log::new();
    }

    /// What is set up for a test, and always torn down.
    #[async_context_manager]
    async fn database() -> &mut Vec<u32> {
        let mut rows = vec![1, 2, 3];
        let outcome = r#yield!(&mut rows);
        tokio::task::yield_now().await;
        LOG.with(|log| log.add(format!("{outcome:?}, {} rows", rows.len())));
    }

    #[async_context_manager]
    async fn asserts_teardown(expected: &str) {
        r#yield!();
        assert_eq!(LOG.with(Log::take), [expected], "the fixture was not torn down");
    }

    #[within(asserts_teardown("Completed, 4 rows"))]
    #[within(database() as rows)]
    #[tokio::test]
    async fn fixture_around_a_test_is_torn_down() {
        rows.push(4);
        tokio::task::yield_now().await;
        assert_eq!(rows.len(), 4);
    }

    #[within(asserts_teardown("Completed, 3 rows"), database() as rows)]
    #[tokio::test]
    async fn fixture_around_a_test_that_returns_a_result_is_torn_down() -> Result<(), Box<dyn std::error::Error>> {
        let number: u32 = "3".parse()?;
        if rows.contains(&number) {
            return Ok(());
        }
        Err("no such row".into())
    }

    #[within(asserts_teardown("Completed, 2 rows"))]
    #[tokio::test(flavor = "multi_thread")]
    #[within(database() as rows)]
    async fn fixtures_above_and_below_the_test_attribute_are_torn_down() {
        tokio::task::yield_now().await;
        rows.pop();
    }

    /// The panic of the fixture around it, if the teardown was not seen, has another message.
    #[within(asserts_teardown("Panicked, 0 rows"), database() as rows)]
    #[tokio::test]
    #[should_panic = "in the test"]
    async fn fixture_around_a_test_that_panics_is_torn_down() {
        rows.clear();
        tokio::task::yield_now().await;
        panic!("in the test");
    }

    #[test]
    fn fixture_around_main_is_torn_down() {
        #[within(database() as rows)]
        #[tokio::main(flavor = "current_thread")]
        async fn main() -> Result<usize, Box<dyn std::error::Error>> {
            let number: u32 = "3".parse()?;
            if rows.is_empty() {
                return Err("no rows".into());
            }
            rows.push(number);
            Ok(rows.iter().copied().filter(|row| *row == number).count())
        }
        assert_eq!(main().unwrap(), 2);
        assert_eq!(LOG.with(Log::take), ["Completed, 4 rows"]);
    }
}
