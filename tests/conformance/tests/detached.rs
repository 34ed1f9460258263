//! Shielded managers: what is left of a program that is dropped goes on to its end.

#![forbid(unsafe_code)]

use conformance::{Mode, Replay, Way, silence_lawless};

/// There are many ways: each drop is in a third of them.
const PARTS: usize = 3;

fn file(name: &str) -> Replay {
    Replay::file(name, Mode::Detached)
}

#[test]
fn statements_are_as_in_python_or_by_rule() {
    let replay = file("traces_seed1");
    assert_eq!(replay.count(), 2000);
    assert_eq!(replay.run(&Way::detached()), (1674, 326));
}

#[test]
fn stacks_are_as_in_python_or_by_rule() {
    let replay = file("stack_seed1");
    assert_eq!(replay.count(), 500);
    assert_eq!(replay.run(&Way::detached_on_stacks()), (421, 79));
}

#[test]
fn panics_that_no_manager_means_to_stop_are_as_in_python() {
    let replay = file("panic_seed1_refused");
    assert_eq!(replay.count(), 300);
    assert_eq!(replay.run(&Way::detached()), (300, 0));
}

#[test]
fn panics_that_managers_mean_to_stop_go_on() {
    let replay = file("panic_seed1").with_panics_refused(file("panic_seed1_refused"));
    assert_eq!(replay.count(), 300);
    assert_eq!(replay.run(&Way::detached()), (211, 89));
}

/// Rules R1 and R2: a manager ends before its marker, or reaches it again.
#[test]
fn broken_protocol_is_a_panic() {
    silence_lawless();
    let replay = file("proto_seed1");
    assert_eq!(replay.count(), 200);
    assert_eq!(replay.run(&Way::detached()), (72, 128));
}

#[test]
fn statements_dropped_everywhere_see_a_cancellation() {
    assert_eq!(file("traces_seed1").drop_everywhere(&Way::detached(), PARTS), 19_556);
}

#[test]
fn stacks_dropped_everywhere_see_a_cancellation() {
    assert_eq!(file("stack_seed1").drop_everywhere(&Way::detached_on_stacks(), PARTS), 3253);
}

#[test]
fn panicking_programs_dropped_everywhere_see_a_cancellation() {
    assert_eq!(file("panic_seed1_refused").drop_everywhere(&Way::detached(), PARTS), 2592);
}

#[test]
fn broken_protocol_dropped_everywhere_sees_a_cancellation() {
    silence_lawless();
    assert_eq!(file("proto_seed1").drop_everywhere(&Way::detached(), PARTS), 1420);
}

/// Where the stacks are shielded, and not what is on them.
mod stacks_as_a_whole {
    use super::*;

    fn file(name: &str) -> Replay {
        Replay::file(name, Mode::DetachedStacks)
    }

    #[test]
    fn statements_are_as_in_python_or_by_rule() {
        assert_eq!(file("traces_seed1").run(&Way::statements_on_detached_stacks()), (1745, 255));
    }

    #[test]
    fn stacks_are_as_in_python_or_by_rule() {
        assert_eq!(file("stack_seed1").run(&Way::detached_stacks()), (432, 68));
    }

    #[test]
    fn panics_that_no_manager_means_to_stop_are_as_in_python() {
        assert_eq!(file("panic_seed1_refused").run(&Way::statements_on_detached_stacks()), (300, 0));
    }

    #[test]
    fn broken_protocol_is_a_panic() {
        silence_lawless();
        assert_eq!(file("proto_seed1").run(&Way::statements_on_detached_stacks()), (81, 119));
    }

    #[test]
    fn statements_dropped_everywhere_see_a_cancellation() {
        assert_eq!(file("traces_seed1").drop_everywhere(&Way::statements_on_detached_stacks(), PARTS), 19_556);
    }

    #[test]
    fn stacks_dropped_everywhere_see_a_cancellation() {
        assert_eq!(file("stack_seed1").drop_everywhere(&Way::detached_stacks(), PARTS), 3253);
    }
}
