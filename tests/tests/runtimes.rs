//! The scenarios with names, where their rescues run on runtimes and on the thread of the crate.

#![forbid(unsafe_code)]

use conformance::named::{Depth, exhaust_all};
use conformance::runners::{aborted, but_for_rescues, selected_away, shut_down, timed_out};

#[test]
fn scenarios_hold_without_a_runtime() {
    exhaust_all(but_for_rescues, Depth::PanicsIfShielded);
}

#[test]
fn scenarios_hold_under_a_time_limit() {
    exhaust_all(timed_out, Depth::PanicsIfShielded);
}

#[test]
fn scenarios_hold_in_an_aborted_task() {
    exhaust_all(aborted, Depth::PanicsIfShielded);
}

#[test]
fn scenarios_hold_in_a_select_in_a_task() {
    exhaust_all(selected_away, Depth::PanicsIfShielded);
}

#[test]
fn scenarios_hold_on_a_runtime_that_is_shut_down() {
    exhaust_all(shut_down, Depth::DropsOnly);
}
