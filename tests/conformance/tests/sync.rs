//! Managers that are not shielded: an exit phase is polled once when its future is dropped.

#![forbid(unsafe_code)]

use conformance::{Mode, Replay, Way, silence_lawless};

fn file(name: &str) -> Replay {
    Replay::file(name, Mode::Sync)
}

#[test]
fn statements_are_as_in_python_or_by_rule() {
    let replay = file("traces_seed1");
    assert_eq!(replay.count(), 2000);
    assert_eq!(replay.run(&Way::SYNC), (1700, 300));
}

#[test]
fn stacks_are_as_in_python_or_by_rule() {
    let replay = file("stack_seed1");
    assert_eq!(replay.count(), 500);
    assert_eq!(replay.run(Way::SYNC_STACKS), (418, 82));
}

#[test]
fn panics_that_no_manager_means_to_stop_are_as_in_python() {
    let replay = file("panic_seed1_refused");
    assert_eq!(replay.count(), 300);
    assert_eq!(replay.run(&Way::SYNC), (300, 0));
}

#[test]
fn panics_that_managers_mean_to_stop_go_on() {
    let replay = file("panic_seed1").with_panics_refused(file("panic_seed1_refused"));
    assert_eq!(replay.count(), 300);
    assert_eq!(replay.run(&Way::SYNC), (211, 89));
}

/// Rules R1 and R2: a manager ends before its marker, or reaches it again.
#[test]
fn broken_protocol_is_a_panic() {
    silence_lawless();
    let replay = file("proto_seed1");
    assert_eq!(replay.count(), 200);
    assert_eq!((replay.count_with_event("noyield:"), replay.count_with_event(":again")), (60, 56));
    assert_eq!(replay.run(&Way::SYNC), (79, 121));
}

#[test]
fn statements_dropped_everywhere_see_a_cancellation() {
    assert_eq!(file("traces_seed1").drop_everywhere(&Way::SYNC, 1), 19_556);
}

#[test]
fn stacks_dropped_everywhere_see_a_cancellation() {
    assert_eq!(file("stack_seed1").drop_everywhere(Way::SYNC_STACKS, 1), 3253);
}

#[test]
fn panicking_programs_dropped_everywhere_see_a_cancellation() {
    assert_eq!(file("panic_seed1_refused").drop_everywhere(&Way::SYNC, 1), 2592);
}

#[test]
fn broken_protocol_dropped_everywhere_sees_a_cancellation() {
    silence_lawless();
    assert_eq!(file("proto_seed1").drop_everywhere(&Way::SYNC, 1), 1420);
}
