//! What a manager learns of its block.

#![forbid(unsafe_code)]

use std::collections::HashSet;

use async_context_manager::{Outcome, async_context_manager, with};
use tests::{Log, block_on, drop_after, panic_of, yields};

const ALL: [Outcome<u8>; 4] = [Outcome::Completed, Outcome::Failed(5), Outcome::Panicked, Outcome::Cancelled];

#[test]
fn each_has_a_question_that_is_answered_with_yes() {
    assert_eq!(ALL.map(|outcome| outcome.is_completed()), [true, false, false, false]);
    assert_eq!(ALL.map(|outcome| outcome.is_failed()), [false, true, false, false]);
    assert_eq!(ALL.map(|outcome| outcome.is_panicked()), [false, false, true, false]);
    assert_eq!(ALL.map(|outcome| outcome.is_cancelled()), [false, false, false, true]);
}

#[test]
fn only_a_failed_one_gives_an_err() {
    assert_eq!(ALL.map(Outcome::into_result), [Ok(()), Err(5), Ok(()), Ok(())]);
    assert_eq!(Outcome::Failed("error".to_string()).into_result(), Err("error".to_string()));
    assert_eq!(Outcome::Failed(()).into_result(), Err(()));
}

#[test]
fn without_an_error_it_is_small_and_a_value() {
    assert_eq!(size_of::<Outcome>(), 1);
    let outcome: Outcome = Outcome::Failed(());
    let copy = outcome;
    assert_eq!(outcome, copy);
    assert_ne!(outcome, Outcome::Completed);
    assert_eq!(HashSet::from([outcome, copy, Outcome::Cancelled]).len(), 2);
    assert_eq!(format!("{outcome:?} {:?}", Outcome::<u8>::Completed), "Failed(()) Completed");
}

#[test]
fn it_can_be_asked_in_a_constant() {
    const COMPLETED: bool = Outcome::<String>::Completed.is_completed();
    const CANCELLED: bool = Outcome::<()>::Panicked.is_cancelled();
    assert_eq!((COMPLETED, CANCELLED), (true, false));
}

/// Passes the failure of the block on as one of its own.
#[async_context_manager]
async fn passes_on(log: &Log) -> Result<(), ()> {
    let outcome = r#yield!();
    log.add(format!("{outcome:?}"));
    outcome.into_result()
}

#[test]
fn its_result_can_be_passed_on() {
    let log = Log::new();
    let value: Result<Result<u8, u8>, ()> = block_on(async { with!(passes_on(&log) => Ok(5)) });
    assert_eq!(value, Ok(Ok(5)));
    let value: Result<Result<u8, u8>, ()> = block_on(async { with!(passes_on(&log) => Err(5)) });
    assert_eq!(value, Err(()));
    panic_of(async { with!(passes_on(&log) => assert!(log.take().is_empty())) });
    drop_after(1, async { with!(passes_on(&log) => yields(1).await) });
    assert_eq!(log.take(), ["Panicked", "Cancelled"]);
}

/// Only it decides what is done.
#[async_context_manager]
async fn decides(log: &Log) {
    match r#yield!() {
        Outcome::Completed => log.add("commit"),
        Outcome::Failed(()) | Outcome::Panicked => log.add("roll back"),
        Outcome::Cancelled => log.add("hang up"),
    }
}

#[test]
fn it_is_matched_on() {
    let log = Log::new();
    block_on(async { with!(decides(&log) => {}) });
    assert_eq!(block_on(async { with!(decides(&log) => Err::<u8, _>(5)) }), Err(5));
    panic_of(async { with!(decides(&log) => std::panic::panic_any(5)) });
    drop_after(1, async { with!(decides(&log) => yields(1).await) });
    assert_eq!(log.take(), ["commit", "roll back", "roll back", "hang up"]);
}
