//! What must be so when a scope stops the program.
//!
//! *The stop* is the moment at which the scope begins to stop. What a manager or a block does then follows from where it was.

use std::ops::Range;

use super::blocks::{Block, Blocks};
use super::{Timeline, is_in_block, require};
use crate::env::{End, Event, EventKind, OUTSIDE};
use crate::model::{Name, Step};
use crate::places::{Holder, Phase, Place};

/// The stop of a run.
pub(super) struct Stop {
    at: usize,
    blocks: Blocks,
}

/// Where a manager was at the stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AtStop {
    Entering,
    /// It was in its block, or leaving, or had been left.
    Entered,
}

impl Stop {
    /// `None` if the program was not stopped.
    pub(super) fn of(events: &[Event], steps: &[Step]) -> Option<Self> {
        let at = events.iter().position(|event| event.what == EventKind::StopBegins)?;
        Some(Self { at, blocks: Blocks::of(steps) })
    }
}

/// Whether a `with!` or a block was dropped by the scope.
impl Timeline {
    /// Gives the end of what the scope dropped, and nobody else, a name of its own. A `with!` that is dropped while it
    /// enters is dropped by anybody.
    pub(super) fn tell_stopped(&mut self, places: &[Place<'_>]) {
        let Some(stop) = &self.stop else { return };
        let mut stopped = Vec::new();
        for (who, block) in stop.blocks.iter() {
            let after_stop = |what| self.first(who, |it| it == what).filter(|at| stop.at < *at);
            let place = places.iter().find(|place| place.name == who);
            let was_entered = place.is_none_or(|place| matches!(self.at_stop(place), Some((_, AtStop::Entered))));
            let with = after_stop(EventKind::WithEnded(End::Dropped)).filter(|_| was_entered);
            if with.is_some_and(|at| !self.is_dropped_by_others(who, at)) {
                stopped.push((who, EventKind::WithEnded(End::Dropped), EventKind::WithEnded(End::Stopped)));
            }
            let ended = after_stop(EventKind::BlockEnded(End::Dropped));
            if ended.is_some_and(|at| !self.is_block_dropped_by_others(who, block, at)) {
                stopped.push((who, EventKind::BlockEnded(End::Dropped), EventKind::BlockEnded(End::Stopped)));
            }
        }
        for (who, dropped, stopped) in stopped {
            let events = self.events.get_mut(&who).into_iter().flatten();
            events.filter(|(_, what)| *what == dropped).for_each(|(_, what)| *what = stopped);
        }
    }

    /// Somebody else than the scope dropped the `with!` of `who` then: the test, or something in a block around it.
    fn is_dropped_by_others(&self, who: Name, at: usize) -> bool {
        let Some(stop) = &self.stop else { return true };
        let begun = self.first(who, |what| matches!(what, EventKind::Begun | EventKind::BlockBegun));
        self.is_dropped_by_test(at)
            || stop.blocks.around(who).any(|(name, block)| self.is_dropped_by_block(name, block, begun..Some(at)))
    }

    fn is_dropped_by_test(&self, at: usize) -> bool {
        self.first(OUTSIDE, |what| what == EventKind::DropBegins).is_some_and(|dropped| dropped < at)
    }

    /// What lasted that long in the block of `who` is dropped by a race, by a panic beside it, or because no stop reaches it.
    fn is_dropped_by_block(&self, who: Name, block: &Block, time: Range<Option<usize>>) -> bool {
        let in_time = |at: usize| time.contains(&Some(at));
        let is_over = block.parts.iter().filter_map(|part| self.first(*part, |what| what == EventKind::TimeIsOver));
        let race_is_over = self.of(who).iter().filter(|(_, what)| *what == EventKind::RaceIsOver).map(|(at, _)| *at);
        let panicked = self.last(who, |what| what == EventKind::BlockEnded(End::Panicked));
        block.hides || is_over.chain(race_is_over).any(in_time) || panicked > time.end
    }

    /// The same as [`is_dropped_by_others`](Self::is_dropped_by_others) for the block of `who`.
    fn is_block_dropped_by_others(&self, who: Name, block: &Block, at: usize) -> bool {
        let with = self.first(who, |what| what == EventKind::WithEnded(End::Dropped));
        let is_over = block.parts.iter().filter_map(|part| self.first(*part, |what| what == EventKind::TimeIsOver));
        self.is_dropped_by_test(at) || is_over.chain(with).any(|dropped| dropped < at)
    }

    /// Somebody else than the scope dropped the manager.
    pub(super) fn is_cut_by_others(&self, place: &Place<'_>) -> bool {
        self.dropped(place).is_some_and(|dropped| self.is_dropped_by_others(place.with(), dropped))
    }
}

impl Timeline {
    /// When the stop was, and where the manager was then. `None` if no stop reached it.
    pub(super) fn at_stop(&self, place: &Place<'_>) -> Option<(usize, AtStop)> {
        let at = self.stop.as_ref()?.at;
        let begun = self.first(place.name, |what| what == EventKind::Begun)?;
        if is_exempt(place) || at < begun || self.dropped(place).is_some_and(|dropped| dropped < at) {
            return None;
        }
        let ended = self.first(place.with(), |what| matches!(what, EventKind::WithEnded(_)));
        let over = [self.seen(place.name).map(|(seen, _)| seen), ended];
        let is_over = over.into_iter().flatten().any(|over| over < at);
        let is_entered = is_over || is_in_block(self, place, at) || goes_on_entering(self, place, at);
        Some((at, if is_entered { AtStop::Entered } else { AtStop::Entering }))
    }

    pub(super) fn was_entering_at_stop(&self, place: &Place<'_>) -> bool {
        matches!(self.at_stop(place), Some((_, AtStop::Entering)))
    }

    /// Nobody waits any more for what is being stopped.
    pub(super) fn is_abandoned(&self) -> bool {
        self.first(OUTSIDE, |what| what == EventKind::Abandoned).is_some()
    }
}

/// What an exit phase enters is not stopped, and neither is what a shielded manager enters in its enter phase.
fn is_exempt(place: &Place<'_>) -> bool {
    place.user.is_some_and(|(_, phase)| phase == Phase::Exit || place.is_protected)
}

/// What it enters in its enter phase was leaving at the stop: the enter phase goes on to its next await, and there is none.
fn goes_on_entering(timeline: &Timeline, place: &Place<'_>, stop: usize) -> bool {
    let Some(first) = place.used().first().filter(|_| !place.goes_on()) else { return false };
    let ended = timeline.first(first.name(), |what| what == EventKind::WithEnded(End::Done));
    Some(stop) < ended && timeline.seen(first.name()).is_some_and(|(seen, _)| seen < stop)
}

/// Nothing is entered after the stop, but for the parts of a shielded manager that is entering.
pub(super) fn entered(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let Some(stop) = timeline.stop.as_ref().filter(|_| !is_exempt(place)) else { return Ok(()) };
    let after = |what: EventKind| timeline.first(place.name, |it| it == what).is_some_and(|at| stop.at < at);
    require(place.is_protected || !after(EventKind::Begun), || "it began after the stop".to_string())?;
    require(goes_on_entering(timeline, place, stop.at) || !after(EventKind::BlockBegun), || {
        "its block began after the stop".to_string()
    })
}

/// The scope waits for what is rescued of its block while it stops it.
pub(super) fn rescued(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let (Some(stop), Some(dropped)) = (&timeline.stop, timeline.dropped(place)) else { return Ok(()) };
    let Some(scope) = timeline.first(OUTSIDE, |what| what == EventKind::WithEnded(End::Stopped)) else { return Ok(()) };
    let block = if matches!(place.holder, Holder::Stack(..)) { place.name } else { place.with() };
    let has_lent = timeline.first(block, |what| what == EventKind::BlockBegun).is_some_and(|begun| begun < dropped);
    let waits = timeline.is_rescued(place) && has_lent && stop.at < dropped;
    let last = timeline.last(place.name, |_| true);
    require(!waits || last < Some(scope), || "the scope did not wait for it".to_string())
}

/// The rules of all blocks, and of the scope.
pub(super) fn blocks(timeline: &Timeline) -> Result<(), String> {
    let Some(stop) = &timeline.stop else { return Ok(()) };
    for (who, block) in stop.blocks.iter() {
        goes_no_further(timeline, stop, (who, block)).map_err(|why| format!("the block of {who:?} {why}"))?;
    }
    let (block, with) = (timeline.block(OUTSIDE), timeline.with_ended(OUTSIDE));
    require(with.is_none() || with == block, || format!("the scope ended as {with:?}, and its block as {block:?}"))
}

/// A block goes on after the stop to its next await only, and only if something in it has come to its end. In a join, it
/// also goes on beside what leaves.
fn goes_no_further(timeline: &Timeline, stop: &Stop, (who, block): (Name, &Block)) -> Result<(), String> {
    let after = |what: EventKind| timeline.last(who, |it| it == what).is_some_and(|at| stop.at < at);
    // That of a manager is judged with the manager.
    let begins = block.parts.is_empty() && after(EventKind::BlockBegun);
    require(!begins, || "began after the stop".to_string())?;
    // If a race drops what is leaving, the scope polls the block once more to learn what is open.
    let may_go_on = block.has_join || after(EventKind::RaceIsOver);
    require(may_go_on || !after(EventKind::InBlock), || "went on after the stop".to_string())?;
    let ended = |end| timeline.first(who, |what| what == EventKind::BlockEnded(end)).filter(|at| stop.at < *at);
    let [done, failed, panicked] = [End::Done, End::Failed, End::Panicked].map(ended);
    let by_itself =
        after(EventKind::RaceIsOver) || after(EventKind::BlockBegun) || block.has_join && panicked.is_some();
    let Some(end) = done.or(failed).or(panicked).filter(|_| !by_itself) else { return Ok(()) };
    let reason = stop.blocks.within(who).any(|inner| ended_in(timeline, inner, stop.at..end));
    require(reason, || "ended after the stop, and nothing in it did".to_string())
}

/// The `with!` of `who` came to its end in that time, and was not dropped.
fn ended_in(timeline: &Timeline, who: Name, time: Range<usize>) -> bool {
    let end = |what| matches!(what, EventKind::WithEnded(End::Done | End::Failed | End::Panicked));
    timeline.first(who, end).is_some_and(|at| time.contains(&at))
}

/// Somebody is told of a panic that leaves a `graceful` future.
pub(super) fn panic_is_told(timeline: &Timeline, lost: &[Name]) -> Result<(), String> {
    let panics = timeline.is_abandoned() && timeline.block(OUTSIDE) == Some(End::Panicked);
    require(!panics || !lost.is_empty(), || "nobody was told of the panic".to_string())
}
