//! Proof by exhaustion: scenarios that are dropped after each of their polls, and in which something goes wrong at each
//! of their awaits.

#![forbid(unsafe_code)]

mod scenario;

use scenario::named::scenarios;
use scenario::run::{Runner, Tried, exhaust};
use scenario::runners::{aborted, by_hand, selected_away, shut_down, timed_out};

/// All scenarios in every way: how many that are.
fn exhaust_all(runner: Runner) -> Tried {
    let mut all = Tried::default();
    for (name, steps) in scenarios() {
        all += exhaust(runner, steps).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    println!("{all:?}");
    all
}

#[test]
fn polled_by_hand() {
    let tried = exhaust_all(by_hand);
    assert!(tried.drops > 300 && tried.ills > 1400 && tried.both > 7500, "{tried:?}");
}

#[test]
fn under_a_time_limit() {
    exhaust_all(timed_out);
}

#[test]
fn in_a_task_that_is_aborted() {
    exhaust_all(aborted);
}

#[test]
fn in_a_select_in_a_task() {
    exhaust_all(selected_away);
}

#[test]
fn on_a_runtime_that_is_shut_down() {
    exhaust_all(shut_down);
}

/// So that the rules are not all that tells what happens: small scenarios, word for word.
mod word_for_word {
    use std::sync::Arc;

    use super::scenario::Step::Await;
    use super::scenario::Steps;
    use super::scenario::function;
    use super::scenario::run::{Way, run_and_check, told};
    use super::*;

    /// The first letter of each event's manager, and what happens to it.
    fn dropped(steps: Steps, polls: usize) -> String {
        let way = Way { drop_at: Some(polls), injection: None };
        let ran = run_and_check(by_hand, &Arc::from(steps), way).unwrap_or_else(|why| panic!("{why}"));
        told(&ran.events).trim_end().replace('\n', ", ")
    }

    #[test]
    fn a_default_manager_dropped_after_each_poll() {
        let steps = || vec![function('a', [0, 1], [1, 0]).with([Await])];
        assert_eq!(dropped(steps(), 0), "- Gone");
        let entering = "a Begun, a Acquired";
        assert_eq!(dropped(steps(), 1), format!("{entering}, a WithEnded(Dropped), a Lost, - Gone"));
        let block = format!("{entering}, a Awaited, a BlockBegun");
        let at_drop = "a WithEnded(Dropped), a BlockEnded(Dropped), a Sees(Cancelled), a Lost, - Gone";
        assert_eq!(dropped(steps(), 2), format!("{block}, {at_drop}"));
        let leaving = format!("{block}, a InBlock, a BlockEnded(Done), a Sees(Completed)");
        assert_eq!(dropped(steps(), 3), format!("{leaving}, a WithEnded(Dropped), a Lost, - Gone"));
        let left = "a Awaited, a Released, a Left, a WithEnded(Done), - Gone";
        assert_eq!(dropped(steps(), 4), format!("{leaving}, {left}"));
    }

    #[test]
    fn default_managers_in_each_other_dropped_in_the_block() {
        let steps = vec![function('a', [0, 0], [0, 1]).with([function('b', [0, 0], [0, 0]).with([Await])])];
        let begun = "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun";
        let b = "b WithEnded(Dropped), b BlockEnded(Dropped), b Sees(Cancelled), b Released, b Left";
        let a = "a Sees(Cancelled), a Released, - Gone";
        assert_eq!(dropped(steps, 1), format!("{begun}, a WithEnded(Dropped), a BlockEnded(Dropped), {b}, {a}"));
    }
}
