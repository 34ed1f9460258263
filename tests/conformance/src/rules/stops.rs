//! What must be so when a scope stops the program.
//!
//! Here, *the stop* is when the scope begins to stop. What a manager or a block does then follows from where it was.

use std::collections::BTreeMap;

use super::{Timeline, is_in_block, require};
use crate::env::{End, Event, EventKind, OUTSIDE};
use crate::model::{Kind, Loop, Name, Step, With, inner_round};
use crate::places::{Holder, Phase, Place};

/// The stop of a run.
pub(super) struct Stop {
    at: usize,
    blocks: BTreeMap<Name, Block>,
}

/// A block: that of a manager or of a stack, or the whole program.
struct Block {
    /// The block that it is in. The program is in none.
    around: Option<Name>,
    /// The parts of its manager.
    parts: Vec<Name>,
    /// No stop reaches what is in it.
    hides: bool,
    has_join: bool,
    has_race: bool,
}

/// Where a manager was at the stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PhaseAtStop {
    Entering,
    /// It was in its block, or leaving, or had been left.
    Entered,
}

impl Stop {
    /// `None` if the program was not stopped.
    pub(super) fn of(events: &[Event], steps: &[Step]) -> Option<Self> {
        let at = events.iter().position(|event| event.what == EventKind::StopBegins)?;
        let mut walk = Walk { blocks: BTreeMap::new(), round: 0 };
        walk.block(OUTSIDE, None, Vec::new(), false, steps);
        Some(Self { at, blocks: walk.blocks })
    }

    /// The blocks that the block of `who` is in.
    fn around(&self, who: Name) -> impl Iterator<Item = (Name, &Block)> {
        let block_of = |who: Name| Some((who, self.blocks.get(&who)?));
        let around = move |block: &Block| block.around.and_then(block_of);
        std::iter::successors(self.blocks.get(&who).and_then(around), move |(_, block)| around(block))
    }
}

struct Walk {
    blocks: BTreeMap<Name, Block>,
    round: u32,
}

impl Walk {
    fn block(&mut self, name: Name, around: Option<Name>, parts: Vec<Name>, hides: bool, steps: &[Step]) {
        self.blocks.insert(name, Block { around, parts, hides, has_join: false, has_race: false });
        self.steps(name, steps);
    }

    fn steps(&mut self, who: Name, steps: &[Step]) {
        for step in steps {
            match step {
                Step::With(With { m, steps, .. }) => {
                    let mut parts = vec![m.name().in_round(self.round)];
                    if let Kind::Composed(inner, _) = &m.kind {
                        parts.push(inner.name().in_round(self.round));
                    }
                    if let (Kind::Using(used), false) = (&m.kind, m.shielded) {
                        let first = used[0].name().in_round(self.round);
                        self.block(first, Some(who), vec![first], false, &[]);
                    }
                    self.block(parts[0], Some(who), parts, matches!(m.kind, Kind::Gathering), steps);
                }
                Step::Stack { name, steps, .. } => {
                    self.block(name.in_round(self.round), Some(who), Vec::new(), false, steps);
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
                Step::Loop(Loop { n, steps, .. }) => {
                    let round = self.round;
                    for i in 0..*n {
                        self.round = inner_round(round, i);
                        self.steps(who, steps);
                    }
                    self.round = round;
                }
                _ => {}
            }
        }
    }

    fn found(&mut self, who: Name) -> &mut Block {
        self.blocks.get_mut(&who).expect("it is being walked")
    }
}

impl Timeline {
    /// A `with!` or a block that the stop dropped, and nobody else, gets a name of its own, if the manager had been left.
    pub(super) fn tell_stopped(&mut self, places: &[Place<'_>]) {
        let Some(stop) = &self.stop else { return };
        let mut stopped = Vec::new();
        for &who in stop.blocks.keys() {
            let place = places.iter().find(|place| place.name == who);
            let has_left = place
                .is_none_or(|place| self.phase_at_stop(place).is_some_and(|(_, phase)| phase == PhaseAtStop::Entered));
            let with = self.first(who, |what| what == EventKind::WithEnded(End::Dropped));
            if has_left && with.is_some_and(|with| stop.at < with && !self.is_dropped_by_others(who, with)) {
                stopped.push((who, EventKind::WithEnded(End::Dropped), EventKind::WithEnded(End::Stopped)));
            }
            let block = self.first(who, |what| what == EventKind::BlockEnded(End::Dropped));
            if block.is_some_and(|block| stop.at < block && !self.is_block_dropped_by_others(who, block)) {
                stopped.push((who, EventKind::BlockEnded(End::Dropped), EventKind::BlockEnded(End::Stopped)));
            }
        }
        for (who, before, after) in stopped {
            let events = self.events.get_mut(&who).into_iter().flatten();
            events.filter(|(_, what)| *what == before).for_each(|(_, what)| *what = after);
        }
    }

    /// Somebody else than the scope dropped the `with!` of `who` then: the test, a race around it, or a panic beside it.
    fn is_dropped_by_others(&self, who: Name, at: usize) -> bool {
        let Some(stop) = &self.stop else { return true };
        let begun = self.first(who, |what| matches!(what, EventKind::Begun | EventKind::BlockBegun));
        let in_time = |is_over: Option<usize>| is_over.is_some_and(|is_over| begun < Some(is_over) && is_over < at);
        let by_test = self.first(OUTSIDE, |what| what == EventKind::DropBegins);
        by_test.is_some_and(|by_test| by_test < at)
            || stop.around(who).any(|(name, block)| {
                let is_over = |who, it: EventKind| self.first(who, |what| what == it);
                block.hides
                    || block.parts.iter().any(|part| in_time(is_over(*part, EventKind::TimeIsOver)))
                    || self
                        .of(name)
                        .iter()
                        .any(|(is_over, what)| *what == EventKind::RaceIsOver && in_time(Some(*is_over)))
                    || self.last(name, |what| what == EventKind::BlockEnded(End::Panicked)) > Some(at)
            })
    }

    /// The same for its block.
    fn is_block_dropped_by_others(&self, who: Name, at: usize) -> bool {
        let Some(block) = self.stop.as_ref().and_then(|stop| stop.blocks.get(&who)) else { return true };
        let with = self.first(who, |what| what == EventKind::WithEnded(End::Dropped));
        let over = block.parts.iter().filter_map(|part| self.first(*part, |what| what == EventKind::TimeIsOver));
        let by_test = self.first(OUTSIDE, |what| what == EventKind::DropBegins);
        over.chain(with).chain(by_test).any(|by_others| by_others < at)
    }

    /// Nobody waits any more for what is being stopped.
    pub(super) fn is_abandoned(&self) -> bool {
        self.first(OUTSIDE, |what| what == EventKind::Abandoned).is_some()
    }

    /// Where a manager was at the stop. `None` if nothing was stopped, or the manager had not begun, or had been dropped.
    pub(super) fn phase_at_stop(&self, place: &Place<'_>) -> Option<(usize, PhaseAtStop)> {
        let at = self.stop.as_ref()?.at;
        if is_exempt(place) {
            return None;
        }
        let begun = self.first(place.name, |what| what == EventKind::Begun)?;
        if at < begun || self.dropped(place).is_some_and(|dropped| dropped < at) {
            return None;
        }
        let has_seen = self.seen(place.name).is_some_and(|(seen, _)| seen < at);
        let is_entered = has_seen
            || goes_on_entering(self, place, at)
            || self.first(place.with(), |what| matches!(what, EventKind::WithEnded(_))).is_some_and(|ended| ended < at)
            || is_in_block(self, place, at);
        Some((at, if is_entered { PhaseAtStop::Entered } else { PhaseAtStop::Entering }))
    }

    pub(super) fn was_entering_at_stop(&self, place: &Place<'_>) -> bool {
        self.phase_at_stop(place).is_some_and(|(_, phase)| phase == PhaseAtStop::Entering)
    }

    /// Somebody else than the scope dropped the manager.
    pub(super) fn is_cut_by_others(&self, place: &Place<'_>) -> bool {
        self.dropped(place).is_some_and(|dropped| self.is_dropped_by_others(place.with(), dropped))
    }
}

/// What an exit phase enters is never stopped, and neither is what a shielded manager enters in its enter phase.
fn is_exempt(place: &Place<'_>) -> bool {
    place.user.is_some_and(|(_, phase)| phase == Phase::Exit || place.is_protected)
}

/// What was entered in its enter phase was leaving at the stop, so that the enter phase goes on to its next await.
fn goes_on_entering(timeline: &Timeline, place: &Place<'_>, stop: usize) -> bool {
    let Some(first) = place.used().first().filter(|_| !place.goes_on()) else { return false };
    let ended = timeline.first(first.name(), |what| what == EventKind::WithEnded(End::Done));
    ended.is_some_and(|ended| stop < ended) && timeline.seen(first.name()).is_some_and(|(seen, _)| seen < stop)
}

/// Nothing is entered after the stop, but for the parts of a shielded manager that is entering.
pub(super) fn entered(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let Some(stop) = &timeline.stop else { return Ok(()) };
    let after = |what: EventKind| timeline.first(place.name, |it| it == what).is_some_and(|at| stop.at < at);
    if is_exempt(place) {
        return Ok(());
    }
    require(place.is_protected || !after(EventKind::Begun), || "it began after the stop".to_string())?;
    require(goes_on_entering(timeline, place, stop.at) || !after(EventKind::BlockBegun), || {
        "its block began after the stop".to_string()
    })
}

/// The scope waits for what is rescued of its block while it stops it.
pub(super) fn rescued(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let (Some(stop), Some(dropped)) = (&timeline.stop, timeline.dropped(place)) else { return Ok(()) };
    let scope = timeline.first(OUTSIDE, |what| what == EventKind::WithEnded(End::Stopped));
    let block = if matches!(place.holder, Holder::Stack(..)) { place.name } else { place.with() };
    let has_lent = timeline.first(block, |what| what == EventKind::BlockBegun).is_some_and(|begun| begun < dropped);
    let last = timeline.last(place.name, |_| true);
    let waits = timeline.is_rescued(place) && has_lent && stop.at < dropped;
    require(!waits || scope.is_none_or(|scope| last < Some(scope)), || "the scope did not wait for it".to_string())
}

/// No block goes on after the stop, but to its next await when something in it has come to its end, or beside something
/// that leaves.
pub(super) fn blocks(timeline: &Timeline) -> Result<(), String> {
    let Some(stop) = &timeline.stop else { return Ok(()) };
    for (who, block) in &stop.blocks {
        let after = |what: EventKind| timeline.last(*who, |it| it == what).is_some_and(|at| stop.at < at);
        // Those of managers are checked with the managers.
        let is_stack = timeline.first(*who, |what| what == EventKind::Begun).is_none();
        require(!is_stack || !after(EventKind::BlockBegun), || format!("the block of {who:?} began after the stop"))?;
        // What a race drops while it leaves counts as open until the next poll.
        let may_go_on = block.has_join || block.has_race && after(EventKind::RaceIsOver);
        require(may_go_on || !after(EventKind::InBlock), || format!("the block of {who:?} went on after the stop"))?;
        let ended = |end| timeline.first(*who, |what| what == EventKind::BlockEnded(end)).filter(|at| stop.at < *at);
        let ends = [End::Done, End::Failed, End::Panicked].map(ended);
        let panics_beside = block.has_join && ends[2].is_some();
        let may_end = block.has_race || panics_beside || after(EventKind::BlockBegun);
        let Some(end) = ends.into_iter().flatten().next().filter(|_| !may_end) else { continue };
        let mut inner = stop.blocks.iter().filter(|(_, inner)| inner.around == Some(*who));
        let has_reason = inner.any(|(inner, _)| {
            let by_itself = |what| matches!(what, EventKind::WithEnded(End::Done | End::Failed | End::Panicked));
            timeline.first(*inner, by_itself).is_some_and(|at| stop.at < at && at < end)
        });
        require(has_reason, || format!("the block of {who:?} ended after the stop, and nothing in it did"))?;
    }
    scope(timeline)
}

/// Somebody is told of a panic that leaves a `graceful` future.
pub(super) fn panic_is_told(timeline: &Timeline, lost: &[Name]) -> Result<(), String> {
    let panics = timeline.is_abandoned() && timeline.block(OUTSIDE) == Some(End::Panicked);
    require(!panics || !lost.is_empty(), || "nobody was told of the panic".to_string())
}

/// The scope has a value if its block came to its end by itself.
fn scope(timeline: &Timeline) -> Result<(), String> {
    let (block, with) = (timeline.block(OUTSIDE), timeline.with_ended(OUTSIDE));
    require(with.is_none() || with == block, || format!("the scope ended as {with:?}, and its block as {block:?}"))
}
