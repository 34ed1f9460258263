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

use env::Fault;

/// What a block does, one after the other.
pub(crate) type Steps = Vec<Step>;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// An await that pends once.
    Await,
    /// The block ends so.
    GoesWrong(Fault),
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
    pub(crate) shielded: bool,
    /// How many awaits there are before the resource is acquired, and then before the block.
    pub(crate) enter: [usize; 2],
    /// How many before the resource is released, and afterwards.
    pub(crate) exit: [usize; 2],
    /// What the enter phase ends in, with the resource acquired.
    pub(crate) enters: Option<Fault>,
    /// What the exit phase ends in, with the resource not yet released.
    pub(crate) leaves: Option<Fault>,
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
    /// Has it among futures of which those are polled that were woken.
    Gathering,
    /// Has its marker in a `with!` of another one, a function or one that races, followed by so many awaits.
    Composed(Box<Node>, usize),
}

/// A manager function with these awaits in its phases.
pub(crate) fn function(name: char, enter: [usize; 2], exit: [usize; 2]) -> Node {
    Node { name, kind: Kind::Function, shielded: false, enter, exit, enters: None, leaves: None }
}

impl Node {
    pub(crate) fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn shielded(self) -> Self {
        Self { shielded: true, ..self }
    }

    /// With the marker in a `with!` of `inner`.
    pub(crate) fn around(self, inner: Self, after: usize) -> Self {
        self.kind(Kind::Composed(Box::new(inner), after))
    }

    pub(crate) fn enters(self, fault: Fault) -> Self {
        Self { enters: Some(fault), ..self }
    }

    pub(crate) fn leaves(self, fault: Fault) -> Self {
        Self { leaves: Some(fault), ..self }
    }

    pub(crate) fn with(self, block: impl Into<Steps>) -> Step {
        Step::With(self, block.into())
    }
}

/// Calls `change` with the name of each manager and each stack of these steps, and with whether the manager is shielded.
pub(crate) fn each(steps: &mut [Step], change: &mut impl FnMut(&mut char, Option<&mut bool>)) {
    for step in steps {
        match step {
            Step::Await | Step::GoesWrong(_) => {}
            Step::With(node, steps) => {
                change(&mut node.name, Some(&mut node.shielded));
                if let Kind::Composed(inner, _) = &mut node.kind {
                    change(&mut inner.name, Some(&mut inner.shielded));
                }
                each(steps, change);
            }
            Step::Join(all) => all.iter_mut().for_each(|steps| each(steps, change)),
            Step::Race(_, steps) => each(steps, change),
            Step::Stack(name, nodes, steps) => {
                change(name, None);
                for node in nodes {
                    change(&mut node.name, Some(&mut node.shielded));
                }
                each(steps, change);
            }
        }
    }
}

/// Gives each manager and each stack of these steps a name of its own.
pub(crate) fn name_all(steps: &mut [Step]) {
    let mut names = 'a'..='\u{ffff}';
    each(steps, &mut |name, _| *name = names.next().expect("there are many"));
}

/// The same steps with all choices of managers that are shielded.
pub(crate) fn shielded_or_not(steps: &Steps) -> impl ExactSizeIterator<Item = Steps> {
    let mut count = 0;
    each(&mut steps.clone(), &mut |_, shielded| count += u32::from(shielded.is_some()));
    (0..1_u32 << count).map(|choice| {
        let (mut steps, mut choice) = (steps.clone(), choice);
        each(&mut steps, &mut |_, shielded| {
            if let Some(shielded) = shielded {
                *shielded = choice & 1 == 1;
                choice >>= 1;
            }
        });
        steps
    })
}
