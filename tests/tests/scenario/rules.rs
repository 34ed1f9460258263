//! What must be so, whatever the scenario and however it was run: the guarantees, manager by manager.

use super::env::{End, Event, Ill, Seen, What};
use super::tree::{Holder, Place, places};
use super::{Kind, Node, Step};

/// What happened to whom, and when.
struct Story<'e>(&'e [Event]);

impl Story<'_> {
    /// When this happened first.
    fn first(&self, who: char, is_it: impl Fn(What) -> bool) -> Option<usize> {
        self.0.iter().position(|event| event.who == who && is_it(event.what))
    }

    /// When this happened last.
    fn last(&self, who: char, is_it: impl Fn(What) -> bool) -> Option<usize> {
        self.0.iter().rposition(|event| event.who == who && is_it(event.what))
    }

    fn count(&self, who: char, what: What) -> usize {
        self.0.iter().filter(|event| **event == Event { who, what }).count()
    }

    /// What the manager's own code did, and when.
    fn own(&self, who: char) -> Vec<(usize, What)> {
        let own = self.0.iter().enumerate().filter(|(_, event)| event.who == who && is_own(event.what));
        own.map(|(at, event)| (at, event.what)).collect()
    }

    fn seen(&self, who: char) -> Option<(usize, Seen)> {
        self.own(who).into_iter().find_map(|(at, what)| match what {
            What::Sees(seen) => Some((at, seen)),
            _ => None,
        })
    }

    fn ill(&self, who: char) -> Option<(usize, Ill)> {
        self.0.iter().enumerate().find_map(|(at, event)| match event.what {
            What::Ill(ill) if event.who == who => Some((at, ill)),
            _ => None,
        })
    }

    /// How the block of `who` ended.
    fn block(&self, who: char) -> Option<End> {
        self.0.iter().find_map(|event| match event.what {
            What::BlockEnded(end) if event.who == who => Some(end),
            _ => None,
        })
    }

    fn with_ended(&self, who: char) -> Option<End> {
        self.0.iter().find_map(|event| match event.what {
            What::WithEnded(end) if event.who == who => Some(end),
            _ => None,
        })
    }

    fn dropped(&self, place: &Place<'_>) -> Option<usize> {
        self.first(place.with(), |what| what == What::WithEnded(End::Dropped))
    }
}

fn is_own(what: What) -> bool {
    matches!(what, What::Begun | What::Awaited | What::Acquired | What::Sees(_) | What::Released | What::Left)
}

/// Checks everything.
pub(crate) fn check(steps: &[Step], events: &[Event]) -> Result<(), String> {
    let (story, places) = (Story(events), places(steps));
    for place in &places {
        let who = place.node.name;
        let checks = [resource, course, seen, end, in_time];
        checks.iter().try_for_each(|check| check(&story, place)).map_err(|why| format!("{who}: {why}"))?;
        order(&story, place).map_err(|why| format!("{who}: {why}"))?;
    }
    stacks(&story, steps)
}

fn require(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// What was acquired was released or lost, once; nothing else was.
fn resource(story: &Story<'_>, place: &Place<'_>) -> Result<(), String> {
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
fn course(story: &Story<'_>, place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let did = story.own(who);
    let Some(&(begun, _)) = did.first() else { return Ok(()) };
    let seen = story.seen(who).map_or(Seen::Cancelled, |(_, seen)| seen);
    let (enter, exit) = (enter_phase(place.node), exit_phase(place.node, seen));
    let whole = [all_of(&enter), all_of(&exit)].concat();
    let done: Vec<_> = did.iter().map(|(_, what)| *what).collect();
    require(whole.starts_with(&done), || format!("did {done:?}, which is no part of {whole:?}"))?;

    let inner_ill = place.inner().and_then(|(inner, _)| story.ill(inner.name));
    let ill = [story.ill(who), inner_ill].into_iter().flatten().map(|(at, _)| at).min();
    let dropped = story.dropped(place).filter(|&dropped| begun < dropped);
    let before = |end: usize| did.iter().filter(|(at, _)| *at < end).count();
    let expected = match (ill, dropped) {
        // It is checked by the lines themselves that it did not end before.
        (Some(ill), _) => before(ill),
        (None, None) => whole.len(),
        (None, Some(dropped)) if is_in_block(story, place, dropped) => all_of(&enter).len() + at_once_of(&exit).len(),
        (None, Some(dropped)) => before(dropped),
    };
    require(done.len() == expected, || format!("did {done:?}, which is not {expected} of {whole:?}"))
}

/// Whether the manager was waiting for its block then.
fn is_in_block(story: &Story<'_>, place: &Place<'_>, at: usize) -> bool {
    let entered = match place.holder {
        // Its block is the rest of the other one's enter phase, and then the block of that.
        Holder::Manager(_) => {
            all_of(&enter_phase(place.node)).len()
                == story.own(place.node.name).iter().filter(|(own, _)| *own < at).count()
        }
        _ => story.first(place.node.name, |what| what == What::BlockBegun).is_some_and(|begun| begun < at),
    };
    entered && story.seen(place.node.name).is_none_or(|(seen, _)| at < seen)
}

/// The outcome that the manager saw is what became of its block.
fn seen(story: &Story<'_>, place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let Some((at, seen)) = story.seen(who) else { return Ok(()) };
    let ill = match &place.holder {
        Holder::Manager(outer) => story.ill(*outer).filter(|(ill, _)| *ill < at).map(|(_, ill)| ill),
        _ => None,
    };
    let dropped = story.dropped(place).is_some_and(|dropped| dropped < at);
    let expected = match (ill, &place.holder) {
        (Some(Ill::Fails), _) => Seen::Failed,
        (Some(Ill::Panics), _) => Seen::Panicked,
        _ if dropped => Seen::Cancelled,
        (None, Holder::With) => of_block(story.block(who)),
        (None, Holder::Manager(outer)) => story.seen(*outer).map_or(Seen::Cancelled, |(_, seen)| seen),
        (None, Holder::Stack(name, later)) => under_way(story, *name, later),
    };
    require(seen == expected, || format!("saw {seen:?}, and not {expected:?}"))
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
fn under_way(story: &Story<'_>, stack: char, left: &[char]) -> Seen {
    let ills = left.iter().filter_map(|who| story.seen(*who).and(story.ill(*who)));
    ills.fold(of_block(story.block(stack)), |seen, (_, ill)| match (seen, ill) {
        (_, Ill::Panics) | (Seen::Panicked, _) => Seen::Panicked,
        _ => Seen::Failed,
    })
}

/// The `with!` ended as its block and its managers did.
fn end(story: &Story<'_>, place: &Place<'_>) -> Result<(), String> {
    let who = place.node.name;
    let (Holder::With, Some(ended)) = (&place.holder, story.with_ended(who)) else { return Ok(()) };
    let inner = place.inner().and_then(|(inner, _)| story.ill(inner.name));
    let ills: Vec<_> = [story.ill(who), inner].into_iter().flatten().map(|(_, ill)| ill).collect();
    let block = story.block(who);
    let expected = match ended {
        End::Dropped => End::Dropped,
        _ if ills.contains(&Ill::Panics) || block == Some(End::Panicked) => End::Panicked,
        _ if ills.contains(&Ill::Fails) => End::Failed,
        _ if block == Some(End::Dropped) => End::Failed,
        _ => block.ok_or("its `with!` ended, and it had no block")?,
    };
    require(ended == expected, || format!("its `with!` is {ended:?}, and not {expected:?}"))
}

/// Nothing of a manager happens when its `with!` has ended, or when all has been dropped.
fn in_time(story: &Story<'_>, place: &Place<'_>) -> Result<(), String> {
    let ended = story.first(place.with(), |what| matches!(what, What::WithEnded(end) if end != End::Dropped));
    let gone = story.first('-', |what| what == What::Gone);
    let last = story.last(place.node.name, |what| !matches!(what, What::WithEnded(_)));
    let end = ended.or(gone);
    require(last <= end, || format!("it went on after the end of its `with!`, {end:?}, until {last:?}"))
}

/// It is within the time that the managers around it have left to it, and its block within its own.
fn order(story: &Story<'_>, place: &Place<'_>) -> Result<(), String> {
    let (Some(first), Some(last)) = (story.first(place.node.name, |_| true), story.last(place.node.name, |_| true))
    else {
        return Ok(());
    };
    for outer in &place.within {
        let entered = story.last(*outer, |what| what == What::Acquired);
        let left = story.seen(*outer).map_or(usize::MAX, |(at, _)| at);
        require(entered < Some(first) && entered.is_some(), || format!("began before {outer} was entered"))?;
        require(last < left, || format!("went on when {outer} was being left"))?;
    }
    let in_block = |what| matches!(what, What::BlockBegun | What::InBlock | What::BlockEnded(_));
    let left = story.seen(place.node.name).map_or(usize::MAX, |(at, _)| at);
    require(story.last(place.node.name, in_block) < Some(left), || "its block went on when it was left".to_string())?;
    if let Holder::Manager(outer) = place.holder {
        let left = story.first(outer, |what| matches!(what, What::Released | What::Lost)).unwrap_or(usize::MAX);
        let entered = story.first(outer, |what| what == What::Acquired);
        require(entered.is_some_and(|entered| entered < first), || format!("began before {outer}"))?;
        require(last < left, || format!("went on after {outer}, of which it is a part"))?;
    }
    Ok(())
}

/// The `with!` of each stack ended as its block and its managers did.
fn stacks(story: &Story<'_>, steps: &[Step]) -> Result<(), String> {
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
