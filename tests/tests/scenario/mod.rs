//! Scenarios: trees of `with!`s that are data, so that one and the same is run in every way and judged by one set of rules.

#![allow(dead_code, reason = "each of the tests uses its part")]

pub(crate) mod env;
pub(crate) mod managers;
pub(crate) mod named;
pub(crate) mod program;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod runners;
pub(crate) mod tree;

use std::ops::RangeInclusive;

use env::Ill;

/// What a block does, one after the other.
pub(crate) type Steps = Vec<Step>;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// An await that pends once.
    Await,
    /// The block ends so.
    Goes(Ill),
    With(Node, Steps),
    /// Side by side.
    Join(Vec<Steps>),
    /// Drops the steps after so many polls, and goes on.
    Race(usize, Steps),
    /// A `with!` of an exit stack, which has a name of its own, with these managers on it.
    Stack(char, Vec<Node>, Steps),
}

/// A manager.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: char,
    pub(crate) kind: Kind,
    /// How many awaits there are before the resource is acquired, and then before the block.
    pub(crate) enter: [usize; 2],
    /// How many before the resource is released, and afterwards.
    pub(crate) exit: [usize; 2],
    /// What the enter phase ends in, with the resource acquired.
    pub(crate) enters: Option<Ill>,
    /// What the exit phase ends in, with the resource not yet released.
    pub(crate) leaves: Option<Ill>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A manager function.
    Function,
    /// A type that implements the trait.
    Type,
    /// Gives its block so many polls.
    Racing(usize),
    /// Has its marker in a `select!` with what never ends.
    Selecting,
    /// Has its marker in a `with!` of another one, followed by so many awaits.
    Composed(Box<Node>, usize),
}

/// A manager function with these awaits in its phases.
pub(crate) fn function(name: char, enter: [usize; 2], exit: [usize; 2]) -> Node {
    Node { name, kind: Kind::Function, enter, exit, enters: None, leaves: None }
}

impl Node {
    pub(crate) fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// With the marker in a `with!` of `inner`.
    pub(crate) fn around(self, inner: Self, after: usize) -> Self {
        self.kind(Kind::Composed(Box::new(inner), after))
    }

    pub(crate) fn enters(self, ill: Ill) -> Self {
        Self { enters: Some(ill), ..self }
    }

    pub(crate) fn leaves(self, ill: Ill) -> Self {
        Self { leaves: Some(ill), ..self }
    }

    pub(crate) fn with(self, block: impl Into<Steps>) -> Step {
        Step::With(self, block.into())
    }
}

/// Gives each manager and each stack of these steps a name of its own.
pub(crate) fn name_all(steps: &mut [Step]) {
    name(steps, &mut ('a'..='\u{ffff}'));
}

fn name(steps: &mut [Step], names: &mut RangeInclusive<char>) {
    for step in steps {
        match step {
            Step::Await | Step::Goes(_) => {}
            Step::With(node, steps) => {
                node.name = next(names);
                if let Kind::Composed(inner, _) = &mut node.kind {
                    inner.name = next(names);
                }
                name(steps, names);
            }
            Step::Join(all) => all.iter_mut().for_each(|steps| name(steps, names)),
            Step::Race(_, steps) => name(steps, names),
            Step::Stack(stack, nodes, steps) => {
                *stack = next(names);
                for node in nodes {
                    node.name = next(names);
                }
                name(steps, names);
            }
        }
    }
}

fn next(names: &mut RangeInclusive<char>) -> char {
    names.next().expect("there are many")
}
