//! Where the managers of a scenario stand.

use super::{Kind, Node, Step};

/// Who enters and leaves a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A `with!` of its own.
    With,
    /// The manager of this name, which has its marker in the block of this one, and so many awaits after it.
    Manager(char, usize),
    /// The stack of this name, on which these came later, the last one first.
    Stack(char, Vec<char>),
}

#[derive(Clone, Debug)]
pub(crate) struct Place<'s> {
    pub(crate) node: &'s Node,
    pub(crate) holder: Holder,
    /// The managers in whose blocks it is.
    pub(crate) within: Vec<char>,
    /// It is a part of a shielded manager.
    pub(crate) is_protected: bool,
}

impl Place<'_> {
    /// The name of the `with!` that is dropped when the manager is.
    pub(crate) fn with(&self) -> char {
        match self.holder {
            Holder::With => self.node.name,
            Holder::Manager(name, _) | Holder::Stack(name, _) => name,
        }
    }

    /// When its `with!` is dropped, what is left of it goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.node.shielded || self.is_protected
    }

    /// The manager that the marker stands in the block of, and the awaits after the marker.
    pub(crate) fn inner(&self) -> Option<(&Node, usize)> {
        match &self.node.kind {
            Kind::Composed(inner, after) => Some((inner, *after)),
            _ => None,
        }
    }
}

/// All managers of these steps.
pub(crate) fn places(steps: &[Step]) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    walk(steps, &[], &mut places);
    places
}

fn walk<'s>(steps: &'s [Step], within: &[char], places: &mut Vec<Place<'s>>) {
    for step in steps {
        match step {
            Step::Await | Step::GoesWrong(_) => {}
            Step::With(node, steps) => walk_with(node, steps, within, places),
            Step::Join(all) => all.iter().for_each(|steps| walk(steps, within, places)),
            Step::Race(_, steps) => walk(steps, within, places),
            Step::Stack(name, nodes, steps) => walk_stack(*name, nodes, steps, within, places),
        }
    }
}

fn walk_with<'s>(node: &'s Node, steps: &'s [Step], within: &[char], places: &mut Vec<Place<'s>>) {
    let mut block = [within, &[node.name]].concat();
    places.push(Place { node, holder: Holder::With, within: within.to_vec(), is_protected: false });
    if let Kind::Composed(inner, after) = &node.kind {
        let (holder, within) = (Holder::Manager(node.name, *after), within.to_vec());
        places.push(Place { node: inner, holder, within, is_protected: node.shielded });
        block.push(inner.name);
    }
    walk(steps, &block, places);
}

fn walk_stack<'s>(name: char, nodes: &'s [Node], steps: &'s [Step], within: &[char], places: &mut Vec<Place<'s>>) {
    let mut block = within.to_vec();
    for (n, node) in nodes.iter().enumerate() {
        let later = nodes[n + 1..].iter().rev().map(|node| node.name).collect();
        let holder = Holder::Stack(name, later);
        places.push(Place { node, holder, within: block.clone(), is_protected: false });
        block.push(node.name);
    }
    walk(steps, &block, places);
}
