//! What must be so, whatever the scenario and however it was run: the guarantees, manager by manager.

use std::collections::BTreeMap;

use crate::env::{End, Event, EventKind, Fault, OUTSIDE, SeenOutcome};
use crate::model::{Kind, Loop, Manager, Name, Step, With};
use crate::places::{Holder, Phase, Place};
use stops::{AtStop, Stop};

mod blocks;
mod stops;

/// What happened to whom, and when.
struct Timeline {
    events: BTreeMap<Name, Vec<(usize, EventKind)>>,
    stop: Option<Stop>,
}

impl Timeline {
    fn new(places: &[Place<'_>], steps: &[Step], all: &[Event]) -> Self {
        let mut events = BTreeMap::<_, Vec<_>>::new();
        for (at, event) in all.iter().enumerate() {
            events.entry(event.who).or_default().push((at, event.what));
        }
        let mut timeline = Self { events, stop: Stop::of(all, steps) };
        timeline.tell_stopped(places);
        timeline
    }

    fn of(&self, who: Name) -> &[(usize, EventKind)] {
        self.events.get(&who).map_or(&[], Vec::as_slice)
    }

    /// When this happened first.
    fn first(&self, who: Name, is_it: impl Fn(EventKind) -> bool) -> Option<usize> {
        self.of(who).iter().find(|(_, what)| is_it(*what)).map(|(at, _)| *at)
    }

    /// When this happened last.
    fn last(&self, who: Name, is_it: impl Fn(EventKind) -> bool) -> Option<usize> {
        self.of(who).iter().rfind(|(_, what)| is_it(*what)).map(|(at, _)| *at)
    }

    fn count(&self, who: Name, it: EventKind) -> usize {
        self.of(who).iter().filter(|(_, what)| *what == it).count()
    }

    /// What the manager's own code did, and when.
    fn own(&self, who: Name) -> Vec<(usize, EventKind)> {
        self.of(who).iter().filter(|(_, what)| is_own(*what)).copied().collect()
    }

    fn seen(&self, who: Name) -> Option<(usize, SeenOutcome)> {
        self.of(who).iter().find_map(|(at, what)| match what {
            EventKind::Sees(seen) => Some((*at, *seen)),
            _ => None,
        })
    }

    fn fault(&self, who: Name) -> Option<(usize, Fault)> {
        self.of(who).iter().find_map(|(at, what)| match what {
            EventKind::Fault(fault) => Some((*at, *fault)),
            _ => None,
        })
    }

    /// When the resource was released or lost.
    fn released(&self, who: Name) -> Option<usize> {
        self.first(who, |what| matches!(what, EventKind::Released | EventKind::Lost))
    }

    /// What went wrong in a manager that it enters in a phase, and so in that phase.
    fn fault_of_used(&self, place: &Place<'_>) -> Option<(usize, Fault)> {
        let ended = |what| match what {
            EventKind::WithEnded(End::Failed) => Some(Fault::Fails),
            EventKind::WithEnded(End::Panicked) => Some(Fault::Panics),
            _ => None,
        };
        let events = place.used().iter().flat_map(|used| self.of(used.name()));
        events.filter_map(|(at, what)| Some((*at, ended(*what)?))).min_by_key(|(at, _)| *at)
    }

    /// It ended as if its block had not failed.
    fn suppressed(&self, who: Name) -> bool {
        self.count(who, EventKind::Suppresses) > 0
    }

    /// When it dropped its block itself.
    fn raced(&self, who: Name) -> Option<usize> {
        self.seen(who).filter(|(_, seen)| *seen == SeenOutcome::Raced).map(|(at, _)| at)
    }

    /// How the block of `who` ended.
    fn block(&self, who: Name) -> Option<End> {
        self.of(who).iter().find_map(|(_, what)| match what {
            EventKind::BlockEnded(end) => Some(*end),
            _ => None,
        })
    }

    fn with_ended(&self, who: Name) -> Option<End> {
        self.of(who).iter().find_map(|(_, what)| match what {
            EventKind::WithEnded(end) => Some(*end),
            _ => None,
        })
    }

    /// When the `with!` was dropped that it is in. A part of a shielded manager is not dropped with that.
    fn dropped(&self, place: &Place<'_>) -> Option<usize> {
        let whole = if place.is_protected { None } else { Some(place.with()) };
        self.first(whole?, |what| what == EventKind::WithEnded(End::Dropped))
    }

    /// Whether what was left of it when its `with!` was dropped went on elsewhere.
    fn is_rescued(&self, place: &Place<'_>) -> bool {
        let dropped = self.first(place.with(), |what| what == EventKind::WithEnded(End::Dropped));
        place.goes_on() && (dropped.is_some() || self.was_entering_at_stop(place))
    }
}

fn is_own(what: EventKind) -> bool {
    matches!(
        what,
        EventKind::Begun
            | EventKind::Awaited
            | EventKind::Acquired
            | EventKind::Sees(_)
            | EventKind::Released
            | EventKind::Left
    )
}

/// Checks everything. `lost` are those whose failures or panics the hook was told of.
pub(crate) fn check(places: &[Place<'_>], steps: &[Step], events: &[Event], lost: &[Name]) -> Result<(), String> {
    let timeline = Timeline::new(places, steps, events);
    for place in places {
        let who = place.name;
        let checks = [resource, course, seen, end, in_time, block, stops::entered, stops::rescued];
        checks.iter().try_for_each(|check| check(&timeline, place)).map_err(|why| format!("{who:?}: {why}"))?;
        let order = order(&timeline, places, place).and_then(|()| losses(&timeline, places, place, lost));
        order.map_err(|why| format!("{who:?}: {why}"))?;
    }
    stops::blocks(&timeline)?;
    stops::panic_is_told(&timeline, lost)?;
    stacks(&timeline, steps)
}

fn require(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// What was acquired was released or lost, once; nothing else was.
fn resource(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let [acquired, released, lost] =
        [EventKind::Acquired, EventKind::Released, EventKind::Lost].map(|what| timeline.count(place.name, what));
    require(acquired <= 1 && acquired == released + lost, || {
        format!("acquired {acquired} times, released {released} times, and lost {lost} times")
    })
}

/// A step of a manager's own code.
#[derive(Clone, Copy, Debug)]
enum Line {
    Does(EventKind),
    Pends,
}

fn awaits(count: usize) -> impl Iterator<Item = Line> {
    [Line::Pends, Line::Does(EventKind::Awaited)].into_iter().cycle().take(2 * count)
}

fn enter_phase(node: &Manager) -> Vec<Line> {
    let begins = [Line::Does(EventKind::Begun)].into_iter().chain(awaits(node.pre));
    begins.chain([Line::Does(EventKind::Acquired)]).chain(awaits(node.held)).collect()
}

fn exit_phase(node: &Manager, seen: SeenOutcome) -> Vec<Line> {
    let mut lines = vec![Line::Does(EventKind::Sees(seen))];
    if let Kind::Composed(inner, after) = &node.kind {
        lines.extend(awaits(*after));
        lines.extend(exit_phase(inner, seen).into_iter().filter(|line| matches!(line, Line::Pends)));
        lines.extend(inner.shielded.then_some(Line::Pends));
    }
    if let Kind::Using(_) = &node.kind {
        lines.push(Line::Pends);
    }
    lines.extend(awaits(node.exit.post));
    lines.push(Line::Does(EventKind::Released));
    lines.extend(awaits(node.exit.late));
    lines.push(Line::Does(EventKind::Left));
    lines
}

/// What it does of these lines if nothing stops it, and what before it pends.
fn all_of(lines: &[Line]) -> Vec<EventKind> {
    let does = lines.iter().filter_map(|line| match line {
        Line::Does(what) => Some(*what),
        Line::Pends => None,
    });
    does.collect()
}

fn at_once_of(lines: &[Line]) -> Vec<EventKind> {
    let pends = lines.iter().position(|line| matches!(line, Line::Pends));
    all_of(&lines[..pends.unwrap_or(lines.len())])
}

/// The manager's own code ran as far as it should, and no line of it twice.
fn course(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let who = place.name;
    let did = timeline.own(who);
    if did.is_empty() {
        return Ok(());
    }
    let seen = timeline.seen(who).map_or(SeenOutcome::Cancelled, |(_, seen)| seen);
    let (enter, exit) = (enter_phase(place.node), exit_phase(place.node, seen));
    let whole = [all_of(&enter), all_of(&exit)].concat();
    let done: Vec<_> = did.iter().map(|(_, what)| *what).collect();
    require(whole.starts_with(&done), || format!("did {done:?}, which is no part of {whole:?}"))?;

    let (least, most) = extent(timeline, place, &enter, &exit);
    require((least..=most).contains(&done.len()), || {
        format!("did {done:?}, which is not {least} to {most} of {whole:?}")
    })
}

/// How much of these phases the manager did: at least, and at most.
fn extent(timeline: &Timeline, place: &Place<'_>, enter: &[Line], exit: &[Line]) -> (usize, usize) {
    let did = timeline.own(place.name);
    let begun = did.first().map(|(at, _)| *at);
    let whole = all_of(enter).len() + all_of(exit).len();
    let exactly = |count| (count, count);
    let before = |end: usize| exactly(did.iter().filter(|(at, _)| *at < end).count());
    let dropped = timeline.dropped(place).filter(|&dropped| begun < Some(dropped));
    match (first_fault(timeline, place), dropped, timeline.at_stop(place)) {
        // It is checked by the lines themselves that it did not end before.
        (Some(fault), ..) => before(fault),
        _ if place.goes_on() => exactly(whole),
        (None, _, Some((stop, AtStop::Entering))) => before(stop),
        (None, None, _) => exactly(whole),
        (None, Some(_), Some((_, AtStop::Entered))) if !timeline.is_cut_by_others(place) => exactly(whole),
        (None, Some(dropped), _) if is_in_block(timeline, place, dropped) => {
            let least = all_of(enter).len() + at_once_of(exit).len();
            // A shielded one in it may have to wait for others that are rescued, and polls on when these have ended.
            let waits = place.inner().is_some_and(|(inner, _)| inner.shielded);
            (least, if waits { whole } else { least })
        }
        (None, Some(dropped), _) => before(dropped),
    }
}

/// When something went wrong in the manager, or in a part of it.
fn first_fault(timeline: &Timeline, place: &Place<'_>) -> Option<usize> {
    let inner = place.inner().map(|(inner, _)| inner.name());
    let parts = [Some(place.name), inner].into_iter().flatten();
    let faults = parts.filter_map(|part| timeline.fault(part)).chain(timeline.fault_of_used(place)).map(|(at, _)| at);
    // An inner one that races ends it as one that fails.
    faults.chain(inner.and_then(|inner| timeline.raced(inner))).min()
}

/// Whether the manager was waiting for its block then.
fn is_in_block(timeline: &Timeline, place: &Place<'_>, at: usize) -> bool {
    let entered = match place.holder {
        // Its block is the rest of the other one's enter phase, and then the block of that.
        Holder::Manager(..) => {
            all_of(&enter_phase(place.node)).len()
                == timeline.own(place.name).iter().filter(|(own, _)| *own < at).count()
        }
        _ => timeline.first(place.name, |what| what == EventKind::BlockBegun).is_some_and(|begun| begun < at),
    };
    entered && timeline.seen(place.name).is_none_or(|(seen, _)| at < seen)
}

/// The outcome that the manager saw is what became of its block.
fn seen(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let who = place.name;
    let Some((at, seen)) = timeline.seen(who) else { return Ok(()) };
    let fault = match &place.holder {
        Holder::Manager(outer, _) => timeline.fault(*outer).filter(|(fault, _)| *fault < at).map(|(_, fault)| fault),
        _ => None,
    };
    // One that is shielded may have waited, before it saw it, for what its block had left to be rescued.
    let ended = match place.holder {
        Holder::Manager(outer, after) => marker_left(timeline, outer, after),
        _ => timeline.first(who, |what| matches!(what, EventKind::BlockEnded(_))),
    };
    let dropped =
        timeline.dropped(place).is_some_and(|dropped| dropped < at && ended.is_none_or(|ended| dropped < ended));
    let expected = match (fault, &place.holder) {
        (Some(Fault::Fails), _) => SeenOutcome::Failed,
        (Some(Fault::Panics), _) => SeenOutcome::Panicked,
        _ if dropped => SeenOutcome::Cancelled,
        (None, Holder::With) => of_block(timeline.block(who)),
        (None, Holder::Manager(outer, _)) => timeline.seen(*outer).map_or(SeenOutcome::Cancelled, |(_, seen)| seen),
        (None, Holder::Stack(name, later)) => under_way(timeline, *name, later),
    };
    // Its time may run out when it is cancelled, or while it waits for what its block had left to be rescued.
    let waits = dropped || place.goes_on() || place.holder != Holder::With;
    let runs_out = matches!(place.node.kind, Kind::Racing(_)) && waits;
    let expected = if runs_out && seen == SeenOutcome::Raced { seen } else { expected };
    require(seen == expected, || format!("saw {seen:?}, and not {expected:?}"))
}

/// When `who` was through with these awaits after its marker, in the block of the manager that it is made of.
fn marker_left(timeline: &Timeline, who: Name, awaits: usize) -> Option<usize> {
    let mut since = timeline.own(who).into_iter().skip_while(|(_, what)| !matches!(what, EventKind::Sees(_)));
    since.nth(awaits).map(|(at, _)| at)
}

fn of_block(end: Option<End>) -> SeenOutcome {
    match end {
        Some(End::Done) => SeenOutcome::Completed,
        Some(End::Failed) => SeenOutcome::Failed,
        Some(End::Panicked) => SeenOutcome::Panicked,
        Some(End::Dropped) => SeenOutcome::Raced,
        Some(End::Stopped) | None => SeenOutcome::Cancelled,
    }
}

/// What is under way on a stack when these have been left.
fn under_way(timeline: &Timeline, stack: Name, left: &[Name]) -> SeenOutcome {
    let faults = left.iter().filter_map(|who| {
        timeline.first(*who, |what| what == EventKind::BlockBegun)?;
        timeline.seen(*who).and(timeline.fault(*who))
    });
    faults.fold(of_block(timeline.block(stack)), |seen, (_, fault)| match (seen, fault) {
        (_, Fault::Panics) | (SeenOutcome::Panicked, _) => SeenOutcome::Panicked,
        _ => SeenOutcome::Failed,
    })
}

/// The `with!` ended as its block and its managers did.
fn end(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let who = place.name;
    let (Holder::With, Some(ended)) = (&place.holder, timeline.with_ended(who)) else { return Ok(()) };
    let parts = [Some(who), place.inner().map(|(inner, _)| inner.name())];
    let faults: Vec<_> = parts
        .iter()
        .flatten()
        .filter_map(|part| timeline.fault(*part))
        .chain(timeline.fault_of_used(place))
        .map(|(_, fault)| fault)
        .collect();
    let raced = parts.iter().flatten().any(|part| timeline.raced(*part).is_some());
    let block = timeline.block(who);
    let expected = match ended {
        End::Dropped => End::Dropped,
        _ if faults.contains(&Fault::Panics) || block == Some(End::Panicked) => End::Panicked,
        _ if faults.contains(&Fault::Fails) || raced => End::Failed,
        _ if block == Some(End::Failed) && timeline.suppressed(who) => End::Done,
        _ => block.ok_or("its `with!` ended, and it had no block")?,
    };
    require(ended == expected, || format!("its `with!` is {ended:?}, and not {expected:?}"))
}

/// Nothing of a manager happens when its `with!` has ended, or when all has been dropped, but for a rescue.
fn in_time(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    if timeline.is_rescued(place) {
        return Ok(());
    }
    let ended = timeline.first(place.with(), |what| matches!(what, EventKind::WithEnded(end) if end != End::Dropped));
    let end = ended.or(timeline.first(OUTSIDE, |what| what == EventKind::Gone));
    let last = timeline.last(place.name, |what| !matches!(what, EventKind::WithEnded(_)));
    require(last <= end, || format!("it went on after the end of its `with!`, {end:?}, until {last:?}"))
}

/// Its block has the time that it leaves to it.
fn block(timeline: &Timeline, place: &Place<'_>) -> Result<(), String> {
    let in_block = |what| matches!(what, EventKind::BlockBegun | EventKind::InBlock | EventKind::BlockEnded(_));
    let left = timeline.seen(place.name).map_or(usize::MAX, |(at, _)| at);
    require(timeline.last(place.name, in_block) < Some(left), || "its block went on when it was left".to_string())
}

/// It has the time that the managers around it leave to it.
fn order(timeline: &Timeline, places: &[Place<'_>], place: &Place<'_>) -> Result<(), String> {
    let who = place.name;
    let (Some(first), Some(last)) = (timeline.first(who, |_| true), timeline.last(who, |_| true)) else {
        return Ok(());
    };
    let user = place.user.and_then(|(user, _)| places.iter().find(|place| place.name == user));
    for outer in place.within.iter().filter_map(|outer| places.iter().find(|place| place.name == *outer)) {
        let name = outer.name;
        let entered = timeline.last(name, |what| what == EventKind::Acquired);
        require(entered.is_some_and(|entered| entered < first), || format!("began before {name} was entered"))?;
        let whole = user.filter(|user| timeline.is_rescued(user)).unwrap_or(place);
        let end = if timeline.is_rescued(whole) {
            end_for_rescue(timeline, outer, whole)
        } else {
            timeline.seen(name).map(|(at, _)| at)
        };
        require(end.is_none_or(|end| last < end), || format!("went on when {name} was being left"))?;
    }
    if let Some((user, phase)) = place.user {
        in_phase(timeline, place, user, phase)?;
    }
    if let Holder::Manager(outer, _) = place.holder {
        let is_left_alone = !place.is_protected && timeline.is_rescued(place);
        let left = timeline.released(outer).filter(|_| !is_left_alone).unwrap_or(usize::MAX);
        let entered = timeline.first(outer, |what| what == EventKind::Acquired);
        require(entered.is_some_and(|entered| entered < first), || format!("began before {outer}"))?;
        require(last < left, || format!("went on after {outer}, of which it is a part"))?;
    }
    Ok(())
}

/// It has the time of the phase of `user` that enters it.
fn in_phase(timeline: &Timeline, place: &Place<'_>, user: Name, phase: Phase) -> Result<(), String> {
    let [first, last] = [timeline.first(place.name, |_| true), timeline.last(place.name, |_| true)];
    let [seen, released] = [timeline.seen(user).map(|(at, _)| at), timeline.released(user)];
    let (begin, end) = match phase {
        Phase::Enter => (timeline.first(user, |what| what == EventKind::Acquired), seen.or(released)),
        Phase::Exit => (seen, released),
    };
    let is_left_alone = !place.is_protected && timeline.is_rescued(place);
    let end = end.filter(|_| !is_left_alone).unwrap_or(usize::MAX);
    require(begin.is_some() && begin < first, || format!("began before the {phase:?} phase of {user}"))?;
    require(last < Some(end), || format!("went on after the {phase:?} phase of {user}"))
}

/// By when the rescue of `inner`, which is in the block of `place`, has to be over.
fn end_for_rescue(timeline: &Timeline, place: &Place<'_>, inner: &Place<'_>) -> Option<usize> {
    let block_dropped = timeline.first(place.with(), |what| what == EventKind::BlockEnded(End::Dropped));
    let [own_dropped, dropped] =
        [place, inner].map(|place| timeline.first(place.with(), |what| what == EventKind::WithEnded(End::Dropped)));
    let is_on_stack = matches!(place.holder, Holder::Stack(..));
    // Nobody waits for one that had not lent when it was dropped.
    let block = if matches!(inner.holder, Holder::Stack(..)) { inner.name } else { inner.with() };
    let has_lent = timeline.first(block, |what| what == EventKind::BlockBegun);
    if has_lent.is_none() || dropped.is_some() && has_lent > dropped {
        return None;
    }
    match timeline.seen(place.name) {
        // One on a stack has no hold of what the block of that drops itself.
        Some(_) if is_on_stack && own_dropped.is_none_or(|own| dropped < Some(own)) => None,
        // It goes on meanwhile. What its block had dropped itself is nothing to one that is not shielded.
        Some((_, SeenOutcome::Raced)) if place.goes_on() || block_dropped.is_some() && block_dropped < dropped => {
            timeline.first(place.with(), |what| matches!(what, EventKind::WithEnded(end) if end != End::Dropped))
        }
        Some((at, seen)) if place.goes_on() && seen != SeenOutcome::Raced => Some(at),
        _ => None,
    }
}

/// What a manager came to when nobody was left to be told of it has been told of.
fn losses(timeline: &Timeline, places: &[Place<'_>], place: &Place<'_>, lost: &[Name]) -> Result<(), String> {
    let who = place.name;
    let parts = [Some(who), place.inner().map(|(inner, _)| inner.name())];
    let told = lost.iter().filter(|lost| parts.contains(&Some(**lost))).count();
    let faults: Vec<_> = parts.into_iter().flatten().filter_map(|part| timeline.fault(part)).collect();
    let dropped = timeline.first(place.with(), |what| what == EventKind::WithEnded(End::Dropped));
    let panicked = |&(at, fault)| fault == Fault::Panics && dropped < Some(at);
    let raced = parts.iter().flatten().any(|part| timeline.raced(*part).is_some());
    let (least, most) = match (&place.holder, &place.node.kind) {
        // What becomes of it may be what becomes of the manager that uses it.
        _ if place.user.is_some() => (0, 1),
        _ if dropped.is_none() && !timeline.was_entering_at_stop(place) => (0, 0),
        (Holder::With, _) if place.is_shielded => {
            let is_lost = usize::from(!faults.is_empty() || raced);
            (is_lost, is_lost)
        }
        (Holder::With, Kind::Composed(..)) => (0, 1),
        (Holder::With, _) => {
            // What one came to that has raced its block away is told if it is dropped while it waits for what is left of
            // the managers in that.
            let is_lost = usize::from(faults.iter().any(panicked));
            (is_lost, is_lost.max(usize::from(raced)))
        }
        // What it came to may have been that of the whole.
        _ => (0, 1),
    };
    // An error that a manager catches, and passes on when nobody is left to be told, is lost with that one.
    let most = most + places.iter().filter(|place| passes_on(timeline, place)).count();
    // Nobody is left to be told of a panic that leaves a `graceful` future.
    let panics = faults.iter().any(|(_, fault)| *fault == Fault::Panics) || timeline.block(who) == Some(End::Panicked);
    let most = most + usize::from(timeline.is_abandoned() && panics);
    require((least..=most).contains(&told), || format!("{told} losses were told of, and not {least} to {most}"))
}

/// It has caught the error of its block, and passed it on when its `with!` had been dropped.
fn passes_on(timeline: &Timeline, place: &Place<'_>) -> bool {
    let failed = timeline.seen(place.name).is_some_and(|(_, seen)| seen == SeenOutcome::Failed);
    place.catches() && failed && timeline.is_rescued(place) && timeline.fault(place.name).is_none()
}

/// The `with!` of each stack ended as its block and its managers did.
fn stacks(timeline: &Timeline, steps: &[Step]) -> Result<(), String> {
    for step in steps {
        match step {
            Step::With(With { steps, .. })
            | Step::Race { steps, .. }
            | Step::Scope(steps)
            | Step::Try { steps, .. }
            | Step::Loop(Loop { steps, .. }) => stacks(timeline, steps)?,
            Step::Join(all) => all.iter().try_for_each(|steps| stacks(timeline, steps))?,
            Step::Stack { name, managers: nodes, steps } => {
                stacks(timeline, steps)?;
                let left: Vec<_> = nodes.iter().rev().map(Manager::name).collect();
                let expected = match under_way(timeline, *name, &left) {
                    SeenOutcome::Completed => End::Done,
                    SeenOutcome::Panicked => End::Panicked,
                    SeenOutcome::Cancelled => End::Stopped,
                    SeenOutcome::Failed | SeenOutcome::Raced => End::Failed,
                };
                let ended = timeline.with_ended(*name).filter(|ended| *ended != End::Dropped);
                require(ended.is_none_or(|ended| ended == expected), || {
                    format!("the stack {name} ended as {ended:?}, and not as {expected:?}")
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}
