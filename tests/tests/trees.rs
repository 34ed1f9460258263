//! Random trees of `with!`s, dropped at random places, with random failures and panics: they keep to the same rules as
//! the scenarios that have names.

#![forbid(unsafe_code)]

use std::sync::Arc;

use conformance::env::{EventKind, Fault, Injection, SeenOutcome};
use conformance::model::{self, Kind, Manager, Step, Steps, each, goes_wrong, name_all, pause, race, stack};
use conformance::run::{Dropping, Ran, Runner, run_and_check};
use conformance::runners::{aborted, by_hand, gracefully, in_scope, timed_out};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestError, TestRng, TestRunner};

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::Fails), Just(Fault::Panics)]
}

/// A manager function, which has no name yet.
fn function() -> impl Strategy<Value = Manager> {
    let awaits = || [0..3_usize, 0..3_usize];
    let fault = || option::weighted(0.05, fault());
    let manager = |(shielded, enter, exit, enters, leaves): (_, _, _, Option<Fault>, Option<Fault>)| {
        let manager = Manager { shielded, ..model::function('?', enter, exit) };
        let manager = enters.into_iter().fold(manager, Manager::enters);
        leaves.into_iter().fold(manager, Manager::leaves)
    };
    (any::<bool>(), awaits(), awaits(), fault(), fault()).prop_map(manager)
}

fn racing() -> impl Strategy<Value = Kind> {
    (0..12_usize).prop_map(Kind::Racing)
}

fn manager() -> impl Strategy<Value = Manager> {
    let inner =
        (function(), prop_oneof![Just(Kind::Function), racing()]).prop_map(|(manager, kind)| manager.kind(kind));
    let kind = prop_oneof![
        4 => Just(Kind::Function),
        1 => Just(Kind::Type),
        1 => racing(),
        1 => Just(Kind::Selecting),
        1 => Just(Kind::Gathering),
        2 => (inner, 0..3_usize).prop_map(|(inner, after)| Kind::Composed(Box::new(inner), after)),
    ];
    (function(), kind).prop_map(|(manager, kind)| manager.kind(kind))
}

fn step() -> impl Strategy<Value = Step> {
    let leaf = prop_oneof![8 => Just(pause()), 1 => fault().prop_map(goes_wrong)];
    leaf.prop_recursive(4, 24, 4, |step| {
        let steps = || vec(step.clone(), 0..4);
        prop_oneof![
            6 => (manager(), steps()).prop_map(|(manager, steps)| manager.with(steps)),
            1 => vec(steps(), 0..3).prop_map(Step::Join),
            1 => (0..12_usize, steps()).prop_map(|(polls, steps)| race(polls, steps)),
            1 => (vec(function(), 0..3), steps()).prop_map(|(managers, steps)| stack('?', managers, steps)),
        ]
    })
}

fn tree() -> impl Strategy<Value = Steps> {
    vec(step(), 1..4).prop_map(|mut steps| {
        name_all(&mut steps);
        steps
    })
}

/// Where it is dropped, and where what goes wrong.
type Points = (Option<usize>, Option<(usize, Fault)>);

/// After how many polls it is stopped, and how many more there are before it is dropped.
type Stops = (usize, Option<usize>, Option<(usize, Fault)>);

/// Beyond the end of a tree is at its end, so that they stay in their place when the tree is made smaller.
fn points() -> impl Strategy<Value = Points> {
    let place = |few: usize, many: usize| prop_oneof![0..few, 0..many];
    (option::weighted(0.8, place(10, 40)), option::weighted(0.5, (place(20, 80), fault())))
}

/// Runs a tree as it is, to know the places, and then that way.
fn run(runner: Runner, steps: Steps, (drop, fault): Points) -> Result<Ran, String> {
    let steps = Arc::from(steps);
    let as_it_is = run_and_check(runner, &steps, Dropping::default())?;
    let drop_at = drop.map(|drop| drop.min(as_it_is.stops.saturating_sub(1)));
    let dropped = run_and_check(runner, &steps, Dropping { drop_at, ..Dropping::default() })?;
    let Some((point, fault)) = fault else { return Ok(dropped) };
    let injection = Some(Injection { point: point.min(dropped.points.saturating_sub(1)), fault });
    run_and_check(runner, &steps, Dropping { drop_at, injection, ..Dropping::default() })
}

fn stops() -> impl Strategy<Value = Stops> {
    let place = |few: usize, many: usize| prop_oneof![0..few, 0..many];
    (place(10, 40), option::weighted(0.3, place(5, 20)), option::weighted(0.5, (place(20, 80), fault())))
}

/// Runs a tree as it is, to know the places, and then stops it.
fn stop(runner: Runner, steps: Steps, (stop, drop, fault): Stops) -> Result<Ran, String> {
    let steps = Arc::from(steps);
    let as_it_is = run_and_check(runner, &steps, Dropping::default())?;
    if as_it_is.stops < 2 {
        return Ok(as_it_is);
    }
    let stop = (stop + 1).min(as_it_is.stops - 1);
    let way = Dropping { stop_at: Some(stop), ..Dropping::default() };
    let stopped = run_and_check(runner, &steps, way)?;
    let drop_at = drop.map(|drop| (stop + drop).min(stopped.stops - 1));
    let injection = fault.map(|(point, fault)| Injection { point: point.min(stopped.points.saturating_sub(1)), fault });
    run_and_check(runner, &steps, Dropping { drop_at, injection, ..way })
}

/// What is found is told of, with the smallest tree of it; it can be given a name then.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_time: 20_000, ..Config::default() }
}

/// Of so many cases, which are those of the number `which` where there is a seed.
fn holds(runner: Runner, count: u32, which: u64) {
    hold((tree(), points()), |(steps, points)| run(runner, steps, points), count, which);
}

/// The same for trees that are stopped.
fn holds_when_stopped(runner: Runner, count: u32, which: u64) {
    hold((tree(), stops()), |(steps, stops)| stop(runner, steps, stops), count, which);
}

fn hold<S: Strategy>(strategy: S, run: impl Fn(S::Value) -> Result<Ran, String>, count: u32, which: u64) {
    let property = |value| run(value).map(drop).map_err(TestCaseError::fail);
    let mut cases = cases(tests::cases(count));
    if let RngSeed::Fixed(seed) = &mut cases.rng_seed {
        *seed = seed.wrapping_add(which);
    }
    if let Err(error) = TestRunner::new(cases).run(&strategy, property) {
        panic!("{error}");
    }
}

#[test]
fn random_trees_hold_when_polled_by_hand() {
    holds(by_hand, 4000, 0);
}

#[test]
fn random_trees_hold_under_a_time_limit() {
    holds(timed_out, 1000, 1);
}

#[test]
fn random_trees_hold_in_a_task_that_is_aborted() {
    holds(aborted, 1000, 2);
}

#[test]
fn random_trees_hold_when_a_scope_stops_them() {
    holds_when_stopped(in_scope, 2000, 3);
}

#[test]
fn random_trees_hold_when_they_are_graceful_and_dropped() {
    holds_when_stopped(gracefully, 1000, 4);
}

/// What does not hold is found, and made small.
#[test]
fn a_counterexample_is_a_small_one() {
    let never_cancelled = |(steps, points)| {
        let ran = run(by_hand, steps, points).map_err(TestCaseError::fail)?;
        let cancelled = ran.events.iter().any(|event| event.what == EventKind::Sees(SeenOutcome::Cancelled));
        if cancelled { Err(TestCaseError::fail("cancelled")) } else { Ok(()) }
    };
    let always_the_same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let found = TestRunner::new_with_rng(cases(1000), always_the_same).run(&(tree(), points()), never_cancelled);
    let Err(TestError::Fail(why, (steps, (drop, fault)))) = found else { panic!("it does not hold") };
    assert_eq!(why.message(), "cancelled");
    assert!(drop.is_some() && fault.is_none());
    let (mut managers, mut tree) = (0, steps.clone());
    each(&mut tree, &mut |_, shielded| managers += usize::from(shielded.is_some()));
    assert_eq!(managers, 1, "{steps:#?}");
}
