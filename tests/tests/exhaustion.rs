//! Proof by exhaustion: scenarios that are dropped after each of their polls, and in which something goes wrong at each
//! of their awaits, with all choices of managers that are shielded. They are also stopped after each of their polls.

#![forbid(unsafe_code)]

use std::env;

use conformance::named::{Depth, exhaust_all, stop_all};
use conformance::run::OneOf;
use conformance::runners::{by_hand, given_up, gracefully, in_scope, in_scope_given_up};

#[test]
fn scenarios_hold_when_polled_by_hand() {
    let tried = exhaust_all(by_hand, Depth::All);
    assert!(tried.drops > 1500 && tried.faults > 7000 && tried.both > 45_000, "{tried:?}");
}

/// The executor drops each rescue when it has polled it once.
#[test]
fn scenarios_hold_when_the_executor_drops_rescues() {
    exhaust_all(given_up, Depth::PanicsIfShielded);
}

/// Of so many ways, one is tried: the first number, or the second one with `TESTS=all`.
fn sample(usual: usize, all: usize) -> usize {
    if env::var_os("TESTS").is_some_and(|tests| tests == "all") { all } else { usual }
}

#[test]
fn scenarios_hold_when_a_scope_stops_them() {
    let tried = stop_all(in_scope, OneOf { faults: sample(6, 1), drops: 1, all: sample(40, 4) });
    assert!(tried.alone > 1600 && tried.drops > 3800, "{tried:?}");
    assert!(tried.faults > sample(10_000, 60_000) && tried.all > sample(3600, 36_000), "{tried:?}");
}

#[test]
fn scenarios_hold_when_a_scope_stops_them_and_the_executor_drops_rescues() {
    let tried = stop_all(in_scope_given_up, OneOf { faults: sample(60, 6), drops: sample(4, 1), all: 0 });
    assert!(tried.alone > 1600 && tried.drops > sample(900, 3700) && tried.faults > sample(900, 9000), "{tried:?}");
}

#[test]
fn scenarios_hold_when_they_are_graceful_and_dropped() {
    let tried = stop_all(gracefully, OneOf { faults: sample(6, 1), drops: 0, all: 0 });
    assert!(tried.alone > 1600 && tried.faults > sample(10_000, 60_000), "{tried:?}");
}

/// So that the rules are not all that tells what happens: small scenarios, word for word.
mod word_for_word {
    use std::sync::Arc;

    use conformance::env::Fault;
    use conformance::model::Step::Join;
    use conformance::model::{Kind, Manager, Steps, function, pause};
    use conformance::run::{Dropping, Runner, run_and_check, told};

    use super::*;

    /// The first letter of each event's manager, and what happens to it.
    fn run(runner: Runner, steps: Steps, way: Dropping) -> String {
        let ran = run_and_check(runner, &Arc::from(steps), way).unwrap_or_else(|why| panic!("{why}"));
        told(&ran.events).trim_end().replace('\n', ", ")
    }

    fn dropped(steps: Steps, polls: usize) -> String {
        run(by_hand, steps, Dropping { drop_at: Some(polls), ..Dropping::default() })
    }

    fn stopped(steps: Steps, polls: usize) -> String {
        run(in_scope, steps, Dropping { stop_at: Some(polls), ..Dropping::default() })
    }

    /// The scope has no value. These are the last events then.
    const STOPPED: &str = "- WithEnded(Stopped), - Gone";

    #[test]
    fn a_default_manager_dropped_after_each_poll() {
        let steps = || vec![function('a', [0, 1], [1, 0]).with([pause()])];
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
        let steps = vec![function('a', [0, 0], [0, 1]).with([function('b', [0, 0], [0, 0]).with([pause()])])];
        let begun = "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun";
        let b = "b WithEnded(Dropped), b BlockEnded(Dropped), b Sees(Cancelled), b Released, b Left";
        let a = "a Sees(Cancelled), a Released, - Gone";
        assert_eq!(dropped(steps, 1), format!("{begun}, a WithEnded(Dropped), a BlockEnded(Dropped), {b}, {a}"));
    }

    #[test]
    fn a_shielded_manager_dropped_after_each_poll() {
        let steps = || vec![function('a', [0, 1], [1, 0]).shielded().with([pause()])];
        assert_eq!(dropped(steps(), 0), "- Gone");
        let entering = "a Begun, a Acquired";
        let rescued = "a Sees(Cancelled), a Awaited, a Released, a Left";
        let dropped_entering = format!("{entering}, a WithEnded(Dropped), - Gone, a Awaited, {rescued}");
        assert_eq!(dropped(steps(), 1), dropped_entering);
        let block = format!("{entering}, a Awaited, a BlockBegun");
        let at_drop = "a WithEnded(Dropped), a BlockEnded(Dropped), - Gone";
        assert_eq!(dropped(steps(), 2), format!("{block}, {at_drop}, {rescued}"));
        let leaving = format!("{block}, a InBlock, a BlockEnded(Done), a Sees(Completed)");
        let left = "a Awaited, a Released, a Left";
        assert_eq!(dropped(steps(), 3), format!("{leaving}, a WithEnded(Dropped), - Gone, {left}"));
        assert_eq!(dropped(steps(), 4), format!("{leaving}, {left}, a WithEnded(Done), - Gone"));
    }

    #[test]
    fn a_default_manager_between_two_shielded_ones() {
        let inner = function('c', [0, 0], [0, 1]).shielded().with([pause()]);
        let between = function('b', [0, 0], [0, 1]).with([inner]);
        let steps = vec![function('a', [0, 0], [0, 1]).shielded().with([between])];
        let begun =
            "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun, c Begun, c Acquired, c BlockBegun";
        let [a, b, c] = ['a', 'b', 'c'].map(|who| format!("{who} WithEnded(Dropped), {who} BlockEnded(Dropped)"));
        let b_in_place = "b Sees(Cancelled), b Released";
        let [c_rescued, a_rescued] =
            ['c', 'a'].map(|who| format!("{who} Sees(Cancelled), {who} Released, {who} Awaited, {who} Left"));
        let expected = format!("{begun}, {a}, {b}, {c}, {b_in_place}, - Gone, {c_rescued}, {a_rescued}");
        assert_eq!(dropped(steps, 1), expected);
    }

    #[test]
    fn a_time_limit_that_panics_waits_for_what_it_has_raced_away() {
        let inner = function('b', [0, 0], [0, 1]).shielded().with([pause(), pause()]);
        let steps = vec![function('a', [0, 0], [0, 0]).kind(Kind::Racing(1)).leaves(Fault::Panics).with([inner])];
        let begun = "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun, b InBlock";
        let raced = "a TimeIsOver, a BlockEnded(Dropped), b WithEnded(Dropped), b BlockEnded(Dropped), a Sees(Raced), a Fault(Panics), a Lost";
        let rescued = "b Sees(Cancelled), b Released, b Awaited, b Left";
        assert_eq!(dropped(steps, 9), format!("{begun}, {raced}, {rescued}, a WithEnded(Panicked), - Gone"));
    }

    #[test]
    fn shielded_siblings_are_rescued_side_by_side() {
        let sibling = |name| vec![function(name, [0, 0], [1, 0]).shielded().with([pause()])];
        for shielded in [false, true] {
            let node = Manager { shielded, ..function('a', [0, 0], [0, 0]) };
            let told = dropped(vec![node.with([Join(vec![sibling('b'), sibling('c')])])], 1);
            let siblings =
                "b Sees(Cancelled), c Sees(Cancelled), b Awaited, b Released, b Left, c Awaited, c Released, c Left";
            assert!(told.contains(siblings), "{told}");
        }
    }

    #[test]
    fn a_default_manager_stopped_after_each_poll() {
        let steps = || vec![function('a', [0, 1], [1, 0]).with([pause()])];
        let entering = "a Begun, a Acquired";
        let dropped = "- BlockEnded(Dropped), a WithEnded(Dropped)";
        assert_eq!(stopped(steps(), 1), format!("{entering}, - StopBegins, {dropped}, a Lost, {STOPPED}"));
        let block = format!("{entering}, a Awaited, a BlockBegun");
        let left = "a Awaited, a Released, a Left";
        let cancelled = format!("a BlockEnded(Dropped), a Sees(Cancelled), {left}");
        assert_eq!(stopped(steps(), 2), format!("{block}, - StopBegins, {cancelled}, {dropped}, {STOPPED}"));
        let leaving = format!("{block}, a InBlock, a BlockEnded(Done), a Sees(Completed)");
        let ended = "a WithEnded(Done), - BlockEnded(Done), - WithEnded(Done), - Gone";
        assert_eq!(stopped(steps(), 3), format!("{leaving}, - StopBegins, {left}, {ended}"));
    }

    #[test]
    fn a_shielded_manager_stopped_after_each_poll() {
        let steps = || vec![function('a', [0, 1], [1, 0]).shielded().with([pause()])];
        let entering = "a Begun, a Acquired";
        let dropped = "- BlockEnded(Dropped), a WithEnded(Dropped)";
        let left = "a Awaited, a Released, a Left";
        let rescued = format!("a Awaited, a Sees(Cancelled), {left}");
        assert_eq!(stopped(steps(), 1), format!("{entering}, - StopBegins, {dropped}, {STOPPED}, {rescued}"));
        let block = format!("{entering}, a Awaited, a BlockBegun");
        let cancelled = format!("a BlockEnded(Dropped), a Sees(Cancelled), {left}");
        assert_eq!(stopped(steps(), 2), format!("{block}, - StopBegins, {cancelled}, {dropped}, {STOPPED}"));
        let leaving = format!("{block}, a InBlock, a BlockEnded(Done), a Sees(Completed)");
        let ended = "a WithEnded(Done), - BlockEnded(Done), - WithEnded(Done), - Gone";
        assert_eq!(stopped(steps(), 3), format!("{leaving}, - StopBegins, {left}, {ended}"));
    }

    #[test]
    fn managers_in_each_other_stopped_in_the_inner_block() {
        let inner = || function('b', [0, 0], [0, 1]).with([pause()]);
        let begun = "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun";
        let [a, b] = ['a', 'b'].map(|who| {
            format!("{who} BlockEnded(Dropped), {who} Sees(Cancelled), {who} Released, {who} Awaited, {who} Left")
        });
        let a = a.replace("(Dropped),", "(Dropped), b WithEnded(Dropped),");
        let end = format!("- BlockEnded(Dropped), a WithEnded(Dropped), {STOPPED}");
        for shielded in [false, true] {
            let outer = Manager { shielded, ..function('a', [0, 0], [0, 1]) };
            let steps = vec![outer.with([pause(), inner()])];
            let begun = begun.replace("b Begun", "a InBlock, b Begun");
            assert_eq!(stopped(steps, 2), format!("{begun}, - StopBegins, {b}, {a}, {end}"));
        }
    }

    #[test]
    fn managers_in_each_other_stopped_while_the_inner_one_leaves() {
        let inner = function('b', [0, 0], [0, 1]).with([]);
        let steps = vec![function('a', [0, 0], [0, 0]).with([inner, pause()])];
        let begun = "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun, b BlockEnded(Done)";
        let b = "b Sees(Completed), b Released, - StopBegins, b Awaited, b Left, b WithEnded(Done)";
        let a = "a BlockEnded(Dropped), a Sees(Cancelled), a Released, a Left";
        let end = format!("- BlockEnded(Dropped), a WithEnded(Dropped), {STOPPED}");
        assert_eq!(stopped(steps, 1), format!("{begun}, {b}, {a}, {end}"));
    }

    #[test]
    fn an_enter_phase_with_an_open_manager_stopped() {
        let at_once = |name| function(name, [0, 0], [0, 0]);
        let steps = |outer: Manager| vec![outer.uses(at_once('b'), at_once('c')).with([pause()])];
        let begun = "a Begun, a Acquired, b Begun, b Acquired, b BlockBegun, - StopBegins";
        let end = "- BlockEnded(Dropped), a WithEnded(Dropped)";
        let b = "b BlockEnded(Dropped), b Sees(Cancelled), b Released, b Left";
        let told = stopped(steps(at_once('a')), 1);
        assert_eq!(told, format!("{begun}, {b}, b WithEnded(Dropped), a Lost, {end}, {STOPPED}"));
        let in_block = |who| format!("{who} InBlock, {who} BlockEnded(Done), {who} Sees(Completed)");
        let b = format!("{}, b Released, b Left, b WithEnded(Done)", in_block('b'));
        let c = format!("c Begun, c Acquired, c BlockBegun, {}, c Released, c Left, c WithEnded(Done)", in_block('c'));
        let rescued = format!("{b}, a Sees(Cancelled), {c}, a Released, a Left");
        let told = stopped(steps(at_once('a').shielded()), 1);
        assert_eq!(told, format!("{begun}, {end}, {STOPPED}, {rescued}"));
    }

    #[test]
    fn an_exit_phase_that_enters_a_manager_stopped_before_it() {
        let at_once = |name| function(name, [0, 0], [0, 0]);
        let steps = vec![at_once('a').uses(at_once('b'), at_once('c')).with([pause()])];
        let entered = |who| format!("{who} Begun, {who} Acquired, {who} BlockBegun");
        let left = |who| {
            format!(
                "{who} InBlock, {who} BlockEnded(Done), {who} Sees(Completed), {who} Released, {who} Left, {who} WithEnded(Done)"
            )
        };
        let begun = format!("a Begun, a Acquired, {}, {}, a BlockBegun, - StopBegins", entered('b'), left('b'));
        let a = format!("a Sees(Cancelled), {}, {}, a Released, a Left", entered('c'), left('c'));
        let end = format!("- BlockEnded(Dropped), a WithEnded(Dropped), {STOPPED}");
        assert_eq!(stopped(steps, 2), format!("{begun}, a BlockEnded(Dropped), {a}, {end}"));
    }

    #[test]
    fn an_exit_phase_that_fails_stopped_before_it() {
        let inner = function('b', [0, 0], [1, 0]).leaves(Fault::Fails).with([pause()]);
        let steps = vec![function('a', [0, 0], [0, 0]).with([inner])];
        let begun = "a Begun, a Acquired, a BlockBegun, b Begun, b Acquired, b BlockBegun, - StopBegins";
        let b = "b BlockEnded(Dropped), b Sees(Cancelled), b Awaited, b Fault(Fails), b Lost, b WithEnded(Failed)";
        let a = "a BlockEnded(Failed), a Sees(Failed), a Released, a Left, a WithEnded(Failed)";
        assert_eq!(stopped(steps, 1), format!("{begun}, {b}, {a}, - BlockEnded(Failed), - WithEnded(Failed), - Gone"));
    }

    #[test]
    fn a_manager_that_is_dropped_while_it_leaves_after_a_stop() {
        let steps = vec![function('a', [0, 0], [1, 1]).with([pause()])];
        let way = Dropping { stop_at: Some(1), drop_at: Some(3), injection: None };
        let begun = "a Begun, a Acquired, a BlockBegun, - StopBegins, a BlockEnded(Dropped), a Sees(Cancelled)";
        let dropped = "a Awaited, a Released, - DropBegins, - BlockEnded(Dropped), a WithEnded(Dropped), - Gone";
        assert_eq!(run(in_scope, steps, way), format!("{begun}, {dropped}"));
    }

    #[test]
    fn a_graceful_program_dropped_in_a_block() {
        let steps = vec![function('a', [0, 0], [1, 0]).with([pause()])];
        let told = run(gracefully, steps, Dropping { stop_at: Some(1), ..Dropping::default() });
        let begun = "a Begun, a Acquired, a BlockBegun, - Abandoned, - StopBegins";
        let left = "a BlockEnded(Dropped), a Sees(Cancelled), a Awaited, a Released, a Left";
        assert_eq!(told, format!("{begun}, {left}, - BlockEnded(Dropped), a WithEnded(Dropped), - Gone"));
    }
}
