//! The scenarios that have names.

use crate::env::Fault::{self, Fails, Panics};
use crate::model::Step::{self, Join};
use crate::model::{Kind, Manager, Steps, function, goes_wrong, pause, race, shielded_or_not, stack};
use crate::run::{OneOf, Runner, Stopped, Stopping, Tried, exhaust};

/// Pends before and after each of its two steps.
fn full(name: char) -> Manager {
    function(name, [1, 1], [1, 1])
}

/// Pends while it has what it acquires.
fn half(name: char) -> Manager {
    function(name, [0, 1], [1, 0])
}

/// Pends nowhere.
fn at_once(name: char) -> Manager {
    function(name, [0, 0], [0, 0])
}

/// A block that waits before the inner `with!` and after it.
fn around(step: Step) -> [Step; 3] {
    [pause(), step, pause()]
}

/// The scenarios. Each is small; what makes them many is that all ways to run them are tried.
fn scenarios() -> Vec<(&'static str, Steps)> {
    let one = |node: Manager| vec![node.with([pause(), pause()])];
    let two = |outer: Manager, inner: Manager| vec![outer.with(around(inner.with([pause()])))];
    vec![
        ("a manager", one(full('a'))),
        ("a manager that never pends", one(at_once('a'))),
        ("a manager that waits twice in each place", one(function('a', [2, 2], [2, 2]))),
        ("a manager that is a type", one(full('a').kind(Kind::Type))),
        ("a block that never pends", vec![full('a').with([])]),
        ("a block that fails", vec![full('a').with([pause(), goes_wrong(Fails)])]),
        ("a block that panics", vec![full('a').with([pause(), goes_wrong(Panics)])]),
        ("an enter phase that fails", vec![full('a').with([full('b').enters(Fails).with([pause()])])]),
        ("an enter phase that panics", vec![full('a').with([full('b').enters(Panics).with([pause()])])]),
        ("an exit phase that fails", vec![full('a').with([full('b').leaves(Fails).with([pause()])])]),
        ("an exit phase that panics", vec![full('a').with([full('b').leaves(Panics).with([pause()])])]),
        (
            "an exit phase that fails after a block that panics",
            vec![full('a').leaves(Fails).with([goes_wrong(Panics)])],
        ),
        (
            "an exit phase that panics after a block that fails",
            vec![full('a').leaves(Panics).with([goes_wrong(Fails)])],
        ),
        ("two levels", two(full('a'), full('b'))),
        ("two levels, and the outer one is left at once", two(function('a', [1, 0], [0, 1]), full('b'))),
        ("two levels, and the inner one is left at once", two(full('a'), at_once('b'))),
        ("three levels", vec![half('a').with(around(half('b').with(around(half('c').with([pause()])))))]),
        (
            "one after the other",
            vec![half('a').with([half('b').with([pause()]), half('c').with([pause()])]), half('d').with([])],
        ),
        ("a time limit that is kept", one(full('a').kind(Kind::Racing(5)))),
        ("a time limit that is not kept", one(full('a').kind(Kind::Racing(1)))),
        ("a time limit around a manager that enters", two(full('a').kind(Kind::Racing(2)), full('b'))),
        ("a time limit around a manager in its block", two(full('a').kind(Kind::Racing(4)), full('b'))),
        ("a time limit around a manager that leaves", two(full('a').kind(Kind::Racing(5)), full('b'))),
        ("a marker in a select", two(full('a').kind(Kind::Selecting), full('b').kind(Kind::Selecting))),
        ("a manager made of another one", one(full('a').around(full('b'), 1))),
        ("a manager made of another one, left at once", one(at_once('a').around(at_once('b'), 0))),
        ("a manager made of another one, whose inner one waits", one(at_once('a').around(full('b'), 0))),
        ("a manager made of another one that fails", one(full('a').around(full('b').leaves(Fails), 0))),
        ("a composed manager around a manager", two(half('a').around(half('b'), 0), half('c'))),
        (
            "a composed manager whose block panics beside a manager",
            vec![
                at_once('a').around(at_once('b'), 1).with([Join(vec![
                    vec![pause(), goes_wrong(Panics)],
                    vec![function('c', [0, 0], [0, 3]).with([])],
                ])]),
            ],
        ),
        ("a manager that enters others in its phases", one(half('a').uses(half('b'), half('c')))),
        (
            "a manager that enters others in its phases, in a block",
            vec![half('a').with([at_once('b').uses(at_once('c'), half('d')).with([pause()]), pause()])],
        ),
        ("a scope in a block", vec![half('a').with(around(Step::Scope(around(half('b').with([pause()])).to_vec())))]),
        ("a marker among futures", two(full('a').kind(Kind::Gathering), full('b').kind(Kind::Gathering))),
        ("a manager made of a time limit", two(half('a').around(half('b').kind(Kind::Racing(12)), 1), half('c'))),
        (
            "a manager made of a time limit, which runs out",
            two(half('a').around(half('b').kind(Kind::Racing(4)), 1), half('c')),
        ),
        (
            "a manager made of a time limit, which runs out when its block has dropped a manager",
            vec![
                at_once('a')
                    .around(at_once('b').kind(Kind::Racing(2)), 0)
                    .with([race(2, vec![full('c').with([pause()])]), pause()]),
            ],
        ),
        (
            "a manager made of a time limit, which runs out behind a block that has dropped a manager",
            vec![
                at_once('a')
                    .around(at_once('b').kind(Kind::Racing(3)), 2)
                    .with([race(2, vec![function('c', [0, 0], [1, 2]).with([pause(), pause()])])]),
            ],
        ),
        (
            "a block that drops a manager",
            vec![full('a').with([race(4, around(full('b').with([pause(), pause()]))), pause()])],
        ),
        (
            "siblings",
            vec![full('a').with([Join(vec![vec![full('b').with([pause()])], vec![pause(), full('c').with([])]])])],
        ),
        (
            "siblings, one of which panics",
            vec![full('a').with([Join(vec![
                vec![full('b').with([pause()])],
                vec![pause(), pause(), pause(), goes_wrong(Panics)],
            ])])],
        ),
    ]
}

/// Those with exit stacks.
fn scenarios_of_stacks() -> Vec<(&'static str, Steps)> {
    vec![
        ("a stack", vec![stack('s', vec![full('a'), full('b')], vec![pause()])]),
        ("a stack of what is left at once", vec![stack('s', vec![at_once('a'), at_once('b')], vec![pause()])]),
        (
            "a stack in a block, with a block in it",
            vec![full('a').with([stack('s', vec![full('b')], around(full('c').with([])))])],
        ),
        ("a stack whose last one fails", vec![stack('s', vec![full('a'), full('b').leaves(Fails)], vec![pause()])]),
    ]
}

/// How much is tried of each scenario, besides dropping it at every stop.
#[derive(Clone, Copy, Debug)]
pub enum Depth {
    /// Failures and panics at every point.
    All,
    /// Panics at every point, where all managers are shielded.
    PanicsIfShielded,
    DropsOnly,
}

/// All of them in every way, with every choice of managers that are shielded: how many ways that are.
///
/// # Panics
///
/// When something is not as it should be.
pub fn exhaust_all(runner: Runner, depth: Depth) -> Tried {
    let mut tried = Tried::default();
    for (name, steps) in scenarios().into_iter().chain(scenarios_of_stacks()) {
        let choices = shielded_or_not(&steps);
        let last = choices.len() - 1;
        for (choice, steps) in choices.enumerate() {
            let faults: &[Fault] = match depth {
                Depth::All => &[Fails, Panics],
                Depth::PanicsIfShielded if choice == last => &[Panics],
                Depth::PanicsIfShielded | Depth::DropsOnly => &[],
            };
            tried += exhaust(runner, steps, faults).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
    }
    println!("{tried:?}");
    tried
}

/// All of them, stopped, with every choice of managers that are shielded: how many ways that are.
///
/// # Panics
///
/// When something is not as it should be.
pub fn stop_all(runner: Runner, one_of: OneOf) -> Stopped {
    let mut stopping = Stopping::new(runner, one_of);
    for (name, steps) in scenarios().into_iter().chain(scenarios_of_stacks()) {
        for steps in shielded_or_not(&steps) {
            stopping.exhaust(steps).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
    }
    println!("{:?}", stopping.tried());
    stopping.tried()
}
