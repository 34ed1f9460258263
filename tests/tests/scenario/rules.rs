//! What must be so, whatever the scenario and however it was run: the guarantees, manager by manager.

use std::collections::BTreeMap;

use super::env::{End, Event, Ill, OUTSIDE, Seen, What};
use super::tree::{Holder, Place, places};
use super::{Kind, Node, Step};

/// What happened to whom, and when.
struct Story(BTreeMap<char, Vec<(usize, What)>>);

impl Story {
    fn new(events: &[Event]) -> Self {
        let mut story = BTreeMap::<_, Vec<_>>::new();
        for (at, event) in events.iter().enumerate() {
            story.entry(event.who).or_default().push((at, event.what));
        }
        Self(story)
    }

    fn of(&self, who: char) -> &[(usize, What)] {
        self.0.get(&who).map_or(&[], Vec::as_slice)
    }

    /// When this happened first.
    fn first(&self, who: char, is_it: impl Fn(What) -> bool) -> Option<usize> {
        self.of(who).iter().find(|(_, what)| is_it(*what)).map(|(at, _)| *at)
    }

    /// When this happened last.
    fn last(&self, who: char, is_it: impl Fn(What) -> bool) -> Option<usize> {
        self.of(who).iter().rfind(|(_, what)| is_it(*what)).map(|(at, _)| *at)
    }

    fn count(&self, who: char, it: What) -> usize {
        self.of(who).iter().filter(|(_, what)| *what == it).count()
    }

    /// What the manager's own code did, and when.
    fn own(&self, who: char) -> Vec<(usize, What)> {
        self.of(who).iter().filter(|(_, what)| is_own(*what)).copied().collect()
    }

    fn seen(&self, who: char) -> Option<(usize, Seen)> {
        self.of(who).iter().find_map(|(at, what)| match what {
            What::Sees(seen) => Some((*at, *seen)),
            _ => None,
        })
    }

    fn ill(&self, who: char) -> Option<(usize, Ill)> {
        self.of(who).iter().find_map(|(at, what)| match what {
            What::Ill(ill) => Some((*at, *ill)),
            _ => None,
        })
    }

    /// When it dropped its block itself.
    fn raced(&self, who: char) -> Option<usize> {
        self.seen(who).filter(|(_, seen)| *seen == Seen::Raced).map(|(at, _)| at)
    }

    /// How the block of `who` ended.
    fn block(&self, who: char) -> Option<End> {
        self.of(who).iter().find_map(|(_, what)| match what {
            What::BlockEnded(end) => Some(*end),
            _ => None,
        })
    }

    fn with_ended(&self, who: char) -> Option<End> {
        self.of(who).iter().find_map(|(_, what)| match what {
            What::WithEnded(end) => Some(*end),
            _ => None,
        })
    }

    /// When the `with!` was dropped that it is in. A part of a shielded manager is not dropped with that.
    fn dropped(&self, place: &Place<'_>) -> Option<usize> {
        let whole = if place.is_protected { None } else { Some(place.with()) };
        self.first(whole?, |what| what == What::WithEnded(End::Dropped))
    }

    /// Whether what was left of it when its `with!` was dropped went on elsewhere.
    fn is_rescued(&self, place: &Place<'_>) -> bool {
        let dropped = self.first(place.with(), |what| what == What::WithEnded(End::Dropped));
        place.goes_on() && dropped.is_some()
    }
}

fn is_own(what: What) -> bool {
    matches!(what, What::Begun | What::Awaited | What::Acquired | What::Sees(_) | What::Released | What::Left)
}

/// Checks everything. `lost` are those whose failures or panics the hook was told of.
pub(crate) fn check(steps: &[Step], events: &[Event], lost: &[char]) -> Result<(), String> {
    let (story, places) = (Story::new(events), places(steps));
    for place in &places {
        let who = place.node.name;
        let checks = [resource, course, seen, end, in_time, block];
        checks.iter().try_for_each(|check| check(&story, place)).map_err(|why| format!("{who}: {why}"))?;
        let order = order(&story, &places, place).and_then(|()| losses(&story, place, lost));
        order.map_err(|why| format!("{who}: {why}"))?;
    }
    stacks(&story, steps)
}

fn require(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// What was acquired was released or lost, once; nothing else was.
fn resource(story: &Story, place: &Place<'_>) -> Result<(), String> {
    let [acquired, released, lost] =
        [What::Acquired, What::Released, What::Lost].map(|what| story.count(place.node.name, what));
    require(acquired <= 1 && acquired == released + lost, || {
        format!("acquired {acquired} times, released {released} times, and lost {lost} times")
    })
}

/// A step of a manager's own code.
#[derive(Clone, Copy, Debug)]
enum Line {
    Does(What),
    Pends,
}

fn awaits(count: usize) -> impl Iterator<Item = Line> {
    [Line::Pends, Line::Does(What::Awaited)].into_iter().cycle().take(2 * count)
}

fn enter_phase(node: &Node) -> Vec<Line> {
    let begins = [Line::Does(What::Begun)].into_iter().chain(awaits(node.enter[0]));
    begins.chain([Line::Does(What::Acquired)]).chain(awaits(node.enter[1])).collect()
}

fn exit_phase(node: &Node, seen: Seen) -> Vec<Line> {
    let mut lines = vec![Line::Does(What::Sees(seen))];
    if let Kind::Composed(inner, after) = &node.kind {
        lines.extend(awaits(*after));
        lines.extend(exit_phase(inner, seen).into_iter().filter(|line| matches!(line, Line::Pends)));
        lines.extend(inner.shielded.then_some(Line::Pends));
    }
    lines.extend(awaits(node.exit[0]));
    lines.push(Line::Does(What::Released));
    lines.extend(awaits(node.exit[1]));
    lines.push(Line::Does(What::Left));
    lines
}

/// What it does of these lines if nothing stops it, and what before it pends.
fn all_of(lines: &[Line]) -> Vec<What> {
    let does = lines.iter().filter_map(|line| match line {
        Line::Does(what) => Some(*what),
        Line::Pends => None,
    });
    does.collect()
}

fn at_once_of(lines: &[Line]) -> Vec<What> {
    let pends = lines.iter().position(|line| matches!(line, Line::Pends));
    all_of(&lines[..pends.unwrap_or(lines.len())])
}

/// The manager's own code ran as far as it should, and no line of it twice.
fn course(story: &Story, place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let did = story.own(who);
    let Some(&(begun, _)) = did.first() else { return Ok(()) };
    let seen = story.seen(who).map_or(Seen::Cancelled, |(_, seen)| seen);
    let (enter, exit) = (enter_phase(place.node), exit_phase(place.node, seen));
    let whole = [all_of(&enter), all_of(&exit)].concat();
    let done: Vec<_> = did.iter().map(|(_, what)| *what).collect();
    require(whole.starts_with(&done), || format!("did {done:?}, which is no part of {whole:?}"))?;

    let inner = place.inner().map(|(inner, _)| inner.name);
    let ills = [Some(who), inner].into_iter().flatten().filter_map(|part| story.ill(part)).map(|(at, _)| at);
    // An inner one that races ends it as one that fails.
    let ill = ills.chain(inner.and_then(|inner| story.raced(inner))).min();
    let dropped = story.dropped(place).filter(|&dropped| begun < dropped);
    let before = |end: usize| did.iter().filter(|(at, _)| *at < end).count();
    let (least, most) = match (ill, dropped) {
        // It is checked by the lines themselves that it did not end before.
        (Some(ill), _) => (before(ill), before(ill)),
        (None, None) => (whole.len(), whole.len()),
        (None, Some(_)) if place.node.shielded => (whole.len(), whole.len()),
        (None, Some(dropped)) if is_in_block(story, place, dropped) => {
            let least = all_of(&enter).len() + at_once_of(&exit).len();
            // A shielded one in it may have to wait for others that are rescued, and polls on when these have ended.
            let waits = place.inner().is_some_and(|(inner, _)| inner.shielded);
            (least, if waits { whole.len() } else { least })
        }
        (None, Some(dropped)) => (before(dropped), before(dropped)),
    };
    require((least..=most).contains(&done.len()), || {
        format!("did {done:?}, which is not {least} to {most} of {whole:?}")
    })
}

/// Whether the manager was waiting for its block then.
fn is_in_block(story: &Story, place: &Place<'_>, at: usize) -> bool {
    let entered = match place.holder {
        // Its block is the rest of the other one's enter phase, and then the block of that.
        Holder::Manager(..) => {
            all_of(&enter_phase(place.node)).len()
                == story.own(place.node.name).iter().filter(|(own, _)| *own < at).count()
        }
        _ => story.first(place.node.name, |what| what == What::BlockBegun).is_some_and(|begun| begun < at),
    };
    entered && story.seen(place.node.name).is_none_or(|(seen, _)| at < seen)
}

/// The outcome that the manager saw is what became of its block.
fn seen(story: &Story, place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let Some((at, seen)) = story.seen(who) else { return Ok(()) };
    let ill = match &place.holder {
        Holder::Manager(outer, _) => story.ill(*outer).filter(|(ill, _)| *ill < at).map(|(_, ill)| ill),
        _ => None,
    };
    // One that is shielded may have waited, before it saw it, for what its block had left to be rescued.
    let ended = match place.holder {
        Holder::Manager(outer, after) => marker_left(story, outer, after),
        _ => story.first(who, |what| matches!(what, What::BlockEnded(_))),
    };
    let dropped = story.dropped(place).is_some_and(|dropped| dropped < at && ended.is_none_or(|ended| dropped < ended));
    let expected = match (ill, &place.holder) {
        (Some(Ill::Fails), _) => Seen::Failed,
        (Some(Ill::Panics), _) => Seen::Panicked,
        _ if dropped => Seen::Cancelled,
        (None, Holder::With) => of_block(story.block(who)),
        (None, Holder::Manager(outer, _)) => story.seen(*outer).map_or(Seen::Cancelled, |(_, seen)| seen),
        (None, Holder::Stack(name, later)) => under_way(story, *name, later),
    };
    // Its time may run out when it is cancelled, or while it waits for what its block had left to be rescued.
    let waits = dropped || place.goes_on() || place.holder != Holder::With;
    let runs_out = matches!(place.node.kind, Kind::Racing(_)) && waits;
    let expected = if runs_out && seen == Seen::Raced { seen } else { expected };
    require(seen == expected, || format!("saw {seen:?}, and not {expected:?}"))
}

/// When `who` was through with these awaits after its marker, in the block of the manager that it is made of.
fn marker_left(story: &Story, who: char, awaits: usize) -> Option<usize> {
    let mut since = story.own(who).into_iter().skip_while(|(_, what)| !matches!(what, What::Sees(_)));
    since.nth(awaits).map(|(at, _)| at)
}

fn of_block(end: Option<End>) -> Seen {
    match end {
        Some(End::Done) => Seen::Completed,
        Some(End::Failed) => Seen::Failed,
        Some(End::Panicked) => Seen::Panicked,
        Some(End::Dropped) => Seen::Raced,
        None => Seen::Cancelled,
    }
}

/// What is under way on a stack when these have been left.
fn under_way(story: &Story, stack: char, left: &[char]) -> Seen {
    let ills = left.iter().filter_map(|who| story.seen(*who).and(story.ill(*who)));
    ills.fold(of_block(story.block(stack)), |seen, (_, ill)| match (seen, ill) {
        (_, Ill::Panics) | (Seen::Panicked, _) => Seen::Panicked,
        _ => Seen::Failed,
    })
}

/// The `with!` ended as its block and its managers did.
fn end(story: &Story, place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let (Holder::With, Some(ended)) = (&place.holder, story.with_ended(who)) else { return Ok(()) };
    let parts = [Some(who), place.inner().map(|(inner, _)| inner.name)];
    let ills: Vec<_> = parts.iter().flatten().filter_map(|part| story.ill(*part)).map(|(_, ill)| ill).collect();
    let raced = parts.iter().flatten().any(|part| story.raced(*part).is_some());
    let block = story.block(who);
    let expected = match ended {
        End::Dropped => End::Dropped,
        _ if ills.contains(&Ill::Panics) || block == Some(End::Panicked) => End::Panicked,
        _ if ills.contains(&Ill::Fails) || raced => End::Failed,
        _ => block.ok_or("its `with!` ended, and it had no block")?,
    };
    require(ended == expected, || format!("its `with!` is {ended:?}, and not {expected:?}"))
}

/// Nothing of a manager happens when its `with!` has ended, or when all has been dropped, but for a rescue.
fn in_time(story: &Story, place: &Place<'_>) -> Result<(), String> {
    if story.is_rescued(place) {
        return Ok(());
    }
    let ended = story.first(place.with(), |what| matches!(what, What::WithEnded(end) if end != End::Dropped));
    let end = ended.or(story.first(OUTSIDE, |what| what == What::Gone));
    let last = story.last(place.node.name, |what| !matches!(what, What::WithEnded(_)));
    require(last <= end, || format!("it went on after the end of its `with!`, {end:?}, until {last:?}"))
}

/// Its block has the time that it leaves to it.
fn block(story: &Story, place: &Place<'_>) -> Result<(), String> {
    let in_block = |what| matches!(what, What::BlockBegun | What::InBlock | What::BlockEnded(_));
    let left = story.seen(place.node.name).map_or(usize::MAX, |(at, _)| at);
    require(story.last(place.node.name, in_block) < Some(left), || "its block went on when it was left".to_string())
}

/// It has the time that the managers around it leave to it.
fn order(story: &Story, places: &[Place<'_>], place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let (Some(first), Some(last)) = (story.first(who, |_| true), story.last(who, |_| true)) else { return Ok(()) };
    for outer in place.within.iter().filter_map(|outer| places.iter().find(|place| place.node.name == *outer)) {
        let name = outer.node.name;
        let entered = story.last(name, |what| what == What::Acquired);
        require(entered.is_some_and(|entered| entered < first), || format!("began before {name} was entered"))?;
        let end = if story.is_rescued(place) {
            end_for_rescue(story, outer, place)
        } else {
            story.seen(name).map(|(at, _)| at)
        };
        require(end.is_none_or(|end| last < end), || format!("went on when {name} was being left"))?;
    }
    if let Holder::Manager(outer, _) = place.holder {
        let is_left_alone = place.node.shielded && !place.is_protected && story.is_rescued(place);
        let ends = |what| matches!(what, What::Released | What::Lost);
        let left = story.first(outer, ends).filter(|_| !is_left_alone).unwrap_or(usize::MAX);
        let entered = story.first(outer, |what| what == What::Acquired);
        require(entered.is_some_and(|entered| entered < first), || format!("began before {outer}"))?;
        require(last < left, || format!("went on after {outer}, of which it is a part"))?;
    }
    Ok(())
}

/// By when the rescue of `inner`, which is in the block of `place`, has to be over.
fn end_for_rescue(story: &Story, place: &Place<'_>, inner: &Place<'_>) -> Option<usize> {
    let block_dropped = story.first(place.with(), |what| what == What::BlockEnded(End::Dropped));
    let [own_dropped, dropped] =
        [place, inner].map(|place| story.first(place.with(), |what| what == What::WithEnded(End::Dropped)));
    let is_on_stack = matches!(place.holder, Holder::Stack(..));
    // Nobody waits for one that had not lent when it was dropped.
    let block = if matches!(inner.holder, Holder::Stack(..)) { inner.node.name } else { inner.with() };
    let has_lent = story.first(block, |what| what == What::BlockBegun);
    if has_lent.is_none() || dropped.is_some() && has_lent > dropped {
        return None;
    }
    match story.seen(place.node.name) {
        // One on a stack has no hold of what the block of that drops itself.
        Some(_) if is_on_stack && own_dropped.is_none_or(|own| dropped < Some(own)) => None,
        // It goes on meanwhile. What its block had dropped itself is nothing to one that is not shielded.
        Some((_, Seen::Raced)) if place.goes_on() || block_dropped.is_some() && block_dropped < dropped => {
            story.first(place.with(), |what| matches!(what, What::WithEnded(end) if end != End::Dropped))
        }
        Some((at, seen)) if place.goes_on() && seen != Seen::Raced => Some(at),
        _ => None,
    }
}

/// What a manager came to when nobody was left to be told of it has been told of.
fn losses(story: &Story, place: &Place<'_>, lost: &[char]) -> Result<(), String> {
    let who = place.node.name;
    let parts = [Some(who), place.inner().map(|(inner, _)| inner.name)];
    let told = lost.iter().filter(|lost| parts.contains(&Some(**lost))).count();
    let ills: Vec<_> = parts.into_iter().flatten().filter_map(|part| story.ill(part)).collect();
    let dropped = story.first(place.with(), |what| what == What::WithEnded(End::Dropped));
    let panicked = |&(at, ill)| ill == Ill::Panics && dropped < Some(at);
    let raced = parts.iter().flatten().any(|part| story.raced(*part).is_some());
    let (least, most) = match (&place.holder, &place.node.kind) {
        _ if dropped.is_none() => (0, 0),
        (Holder::With, _) if place.node.shielded => {
            let is_lost = usize::from(!ills.is_empty() || raced);
            (is_lost, is_lost)
        }
        (Holder::With, Kind::Composed(..)) => (0, 1),
        (Holder::With, _) => {
            // What one came to that has raced its block away is told if it is dropped while it waits for what is left of
            // the managers in that.
            let is_lost = usize::from(ills.iter().any(panicked));
            (is_lost, is_lost.max(usize::from(raced)))
        }
        // What it came to may have been that of the whole.
        _ => (0, 1),
    };
    require((least..=most).contains(&told), || format!("{told} losses were told of, and not {least} to {most}"))
}

/// The `with!` of each stack ended as its block and its managers did.
fn stacks(story: &Story, steps: &[Step]) -> Result<(), String> {
    for step in steps {
        match step {
            Step::Await | Step::Goes(_) => {}
            Step::With(_, steps) | Step::Race(_, steps) => stacks(story, steps)?,
            Step::Join(all) => all.iter().try_for_each(|steps| stacks(story, steps))?,
            Step::Stack(name, nodes, steps) => {
                stacks(story, steps)?;
                let left: Vec<_> = nodes.iter().rev().map(|node| node.name).collect();
                let expected = match under_way(story, *name, &left) {
                    Seen::Completed => End::Done,
                    Seen::Panicked => End::Panicked,
                    _ => End::Failed,
                };
                let ended = story.with_ended(*name).filter(|ended| *ended != End::Dropped);
                require(ended.is_none_or(|ended| ended == expected), || {
                    format!("the stack {name} ended as {ended:?}, and not as {expected:?}")
                })?;
            }
        }
    }
    Ok(())
}
