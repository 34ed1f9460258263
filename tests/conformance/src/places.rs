//! Where the managers of a program stand.

use crate::model::{Kind, Loop, Manager, Name, Step, With, inner_round};

/// Who enters and leaves a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A `with!` of its own.
    With,
    /// The manager of this name, which has its marker in the block of this one, and so many awaits after it.
    Manager(Name, usize),
    /// The stack of this name, on which these came later, the last one first.
    Stack(Name, Vec<Name>),
}

#[derive(Clone, Debug)]
pub(crate) struct Place<'s> {
    /// In its round of the loops around it.
    pub(crate) name: Name,
    pub(crate) node: &'s Manager,
    pub(crate) is_shielded: bool,
    pub(crate) holder: Holder,
    /// The managers in whose blocks it is.
    pub(crate) within: Vec<Name>,
    /// It is a part of a shielded manager.
    pub(crate) is_protected: bool,
    /// The manager in whose phase its `with!` is.
    pub(crate) user: Option<(Name, Phase)>,
}

/// A part of a manager's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Enter,
    Exit,
}

impl Place<'_> {
    /// The name of the `with!` that is dropped when the manager is.
    pub(crate) fn with(&self) -> Name {
        match self.holder {
            Holder::With => self.name,
            Holder::Manager(name, _) | Holder::Stack(name, _) => name,
        }
    }

    /// When its `with!` is dropped, what is left of it goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.is_shielded || self.is_protected
    }

    /// It may catch the error of its block.
    pub(crate) fn catches(&self) -> bool {
        matches!(self.node.kind, Kind::Any)
    }

    /// The manager that the marker stands in the block of, and the awaits after the marker.
    pub(crate) fn inner(&self) -> Option<(&Manager, usize)> {
        match &self.node.kind {
            Kind::Composed(inner, after) => Some((inner, *after)),
            _ => None,
        }
    }

    /// The managers that it enters in its phases.
    pub(crate) fn used(&self) -> &[Manager] {
        if let Kind::Using(parts) = &self.node.kind { &parts[..] } else { &[] }
    }
}

/// All managers of these steps.
pub(crate) fn places(steps: &[Step]) -> Vec<Place<'_>> {
    places_in(steps, false)
}

/// The same, and all of them are shielded, or those that say so.
pub(crate) fn places_in(steps: &[Step], all_shielded: bool) -> Vec<Place<'_>> {
    let mut walk = Walk { places: Vec::new(), within: Vec::new(), round: 0, all_shielded };
    walk.steps(steps);
    walk.places
}

struct Walk<'s> {
    places: Vec<Place<'s>>,
    within: Vec<Name>,
    round: u32,
    all_shielded: bool,
}

impl<'s> Walk<'s> {
    fn steps(&mut self, steps: &'s [Step]) {
        for step in steps {
            match step {
                Step::With(with) => self.with(with),
                Step::Join(all) => all.iter().for_each(|steps| self.steps(steps)),
                Step::Race { steps, .. } | Step::Scope(steps) | Step::Try { steps, .. } => self.steps(steps),
                Step::Stack { name, managers, steps } => self.stack(*name, managers, steps),
                Step::Loop(Loop { n, steps, .. }) => {
                    let round = self.round;
                    for i in 0..*n {
                        self.round = inner_round(round, i);
                        self.steps(steps);
                    }
                    self.round = round;
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, node: &'s Manager, holder: Holder, is_protected: bool) -> Name {
        let (name, is_shielded) = (node.name().in_round(self.round), node.shielded || self.all_shielded);
        let within = self.within.clone();
        self.places.push(Place { name, node, is_shielded, holder, within, is_protected, user: None });
        name
    }

    fn with(&mut self, with: &'s With) {
        let around = self.within.len();
        let name = self.add(&with.m, Holder::With, false);
        let inner = match &with.m.kind {
            Kind::Composed(inner, awaits) => {
                Some(self.add(inner, Holder::Manager(name, *awaits), with.m.shielded || self.all_shielded))
            }
            _ => None,
        };
        if let Kind::Using(parts) = &with.m.kind {
            for (part, phase) in parts.iter().zip([Phase::Enter, Phase::Exit]) {
                self.add(part, Holder::With, with.m.shielded || self.all_shielded);
                self.places.last_mut().expect("it was added").user = Some((name, phase));
            }
        }
        self.within.extend([Some(name), inner].into_iter().flatten());
        self.steps(&with.steps);
        self.within.truncate(around);
    }

    fn stack(&mut self, name: Name, managers: &'s [Manager], steps: &'s [Step]) {
        let around = self.within.len();
        for (n, manager) in managers.iter().enumerate() {
            let later = managers[n + 1..].iter().rev().map(Manager::name).collect();
            let name = self.add(manager, Holder::Stack(name, later), false);
            self.within.push(name);
        }
        self.steps(steps);
        self.within.truncate(around);
    }
}
