//! The blocks of a program, as the rules of a stop need them.

use std::collections::BTreeMap;
use std::iter::successors;

use crate::env::OUTSIDE;
use crate::model::{Kind, Loop, Manager, Name, Step, With, inner_round};

/// A block: that of a manager or of a stack, or the whole program.
pub(super) struct Block {
    /// The block that its `with!` is in. The program is in none.
    around: Option<Name>,
    /// The manager, with the one that it is made of. A stack has none, and neither has the program.
    pub(super) parts: Vec<Name>,
    /// No stop reaches what is in it.
    pub(super) hides: bool,
    pub(super) has_join: bool,
    pub(super) has_race: bool,
}

/// The blocks by the name of the manager or the stack.
pub(super) struct Blocks(BTreeMap<Name, Block>);

impl Blocks {
    /// Those that a scope around these steps can stop.
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut walk = Walk { blocks: BTreeMap::new(), round: 0 };
        walk.block(OUTSIDE, None, Vec::new(), false);
        walk.steps(OUTSIDE, steps);
        Self(walk.blocks)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Name, &Block)> {
        self.0.iter().map(|(name, block)| (*name, block))
    }

    pub(super) fn get(&self, who: Name) -> Option<&Block> {
        self.0.get(&who)
    }

    /// Those whose `with!` is in the block of `who`.
    pub(super) fn within(&self, who: Name) -> impl Iterator<Item = Name> {
        self.iter().filter(move |(_, block)| block.around == Some(who)).map(|(name, _)| name)
    }

    /// Those that the `with!` of `who` is in.
    pub(super) fn around(&self, who: Name) -> impl Iterator<Item = (Name, &Block)> {
        let around = |block: &Block| block.around.and_then(|name| Some((name, self.get(name)?)));
        successors(self.get(who).and_then(around), move |(_, block)| around(block))
    }
}

struct Walk {
    blocks: BTreeMap<Name, Block>,
    round: u32,
}

impl Walk {
    fn block(&mut self, name: Name, around: Option<Name>, parts: Vec<Name>, hides: bool) {
        self.blocks.insert(name, Block { around, parts, hides, has_join: false, has_race: false });
    }

    /// The steps of the block of `who`.
    fn steps(&mut self, who: Name, steps: &[Step]) {
        for step in steps {
            match step {
                Step::With(With { m, steps, .. }) => self.with(who, m, steps),
                Step::Stack { name, steps, .. } => {
                    let name = name.in_round(self.round);
                    self.block(name, Some(who), Vec::new(), false);
                    self.steps(name, steps);
                }
                Step::Join(all) => {
                    self.found(who).has_join = true;
                    for steps in all {
                        self.steps(who, steps);
                    }
                }
                Step::Race { steps, .. } => {
                    self.found(who).has_race = true;
                    self.steps(who, steps);
                }
                Step::Scope(steps) | Step::Try { steps, .. } => self.steps(who, steps),
                Step::Loop(rounds) => self.rounds(who, rounds),
                _ => {}
            }
        }
    }

    fn with(&mut self, who: Name, manager: &Manager, steps: &[Step]) {
        let name_of = |manager: &Manager| manager.name().in_round(self.round);
        let name = name_of(manager);
        let mut parts = vec![name];
        match &manager.kind {
            Kind::Composed(inner, _) => parts.push(name_of(inner)),
            // No stop reaches the enter phase of a shielded manager, and none an exit phase.
            Kind::Using(used) if !manager.shielded => {
                let first = name_of(&used[0]);
                self.block(first, Some(who), vec![first], false);
            }
            _ => {}
        }
        self.block(name, Some(who), parts, matches!(manager.kind, Kind::Gathering));
        self.steps(name, steps);
    }

    fn rounds(&mut self, who: Name, Loop { n, steps, .. }: &Loop) {
        let round = self.round;
        for i in 0..*n {
            self.round = inner_round(round, i);
            self.steps(who, steps);
        }
        self.round = round;
    }

    fn found(&mut self, who: Name) -> &mut Block {
        self.blocks.get_mut(&who).expect("it is being walked")
    }
}
