//! What is left of several managers that are dropped together.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::forget;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use super::{Origin, Place, Rescue, Rest};

std::thread_local! {
    static TOGETHER: Together = const {
        Together { level: Cell::new(0), in_place: Cell::new(false), begun: RefCell::new(Vec::new()) }
    };
}

/// What is gathered at the moment.
struct Together {
    /// How many there are that gather, one in another.
    level: Cell<usize>,
    /// The innermost of them is a `with!` that is being dropped.
    in_place: Cell<bool>,
    /// Those of the innermost are the last.
    begun: RefCell<Vec<Begun>>,
}

/// A rescue that has begun while something gathers.
struct Begun {
    level: usize,
    /// It is left of the block of a `with!` that is being dropped.
    of_block: bool,
    rescue: Rescue,
}

/// Takes the rescue into what is being gathered, or gives it back.
pub(super) fn add(rescue: Rescue) -> Option<Rescue> {
    put(rescue, false)
}

fn put(rescue: Rescue, of_block: bool) -> Option<Rescue> {
    let mut rescue = Some(rescue);
    // Where a thread is at its end, nothing is gathered.
    let _at_end = TOGETHER.try_with(|together| {
        let level = together.level.get();
        if level > 0 {
            together.begun.borrow_mut().extend(rescue.take().map(|rescue| Begun { level, of_block, rescue }));
        }
    });
    rescue
}

/// Whether a `with!` that is being dropped has its manager leave in place.
pub(crate) fn is_in_place() -> bool {
    TOGETHER.try_with(|together| together.in_place.get()).unwrap_or(false)
}

/// Runs `f`: the rescues that have begun in it.
pub(crate) fn collect(f: &mut dyn FnMut()) -> Rescues {
    let mut begun = gather(false, f);
    if begun.is_empty() {
        return Rescues::default();
    }
    begun.sort_by_key(|begun| !begun.of_block);
    Rescues(begun.into_iter().map(|begun| begun.rescue).collect())
}

fn gather(in_place: bool, f: &mut dyn FnMut()) -> Vec<Begun> {
    let level = Level::begin(in_place);
    f();
    level.map_or_else(Vec::new, Level::end)
}

/// One that gathers.
struct Level {
    number: usize,
    /// Of the one around it.
    in_place: bool,
}

impl Level {
    fn begin(in_place: bool) -> Option<Self> {
        let begin = |together: &Together| {
            let number = together.level.get() + 1;
            together.level.set(number);
            Self { number, in_place: together.in_place.replace(in_place) }
        };
        TOGETHER.try_with(begin).ok()
    }

    fn end(self) -> Vec<Begun> {
        let begun = self.take();
        forget(self);
        begun
    }

    /// Goes back to the one around it.
    fn take(&self) -> Vec<Begun> {
        let take = |together: &Together| {
            together.level.set(self.number - 1);
            together.in_place.set(self.in_place);
            let mut begun = together.begun.borrow_mut();
            let is_none = begun.last().is_none_or(|last| last.level < self.number);
            if is_none { Vec::new() } else { self.split(&mut begun) }
        };
        TOGETHER.try_with(take).unwrap_or_default()
    }

    fn split(&self, begun: &mut Vec<Begun>) -> Vec<Begun> {
        let first = begun.partition_point(|begun| begun.level < self.number);
        begun.split_off(first)
    }
}

/// After a panic. The rescues go on in what is around it.
impl Drop for Level {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Rescues that somebody waits for. They run side by side. When it is dropped, they go on by themselves.
#[derive(Default)]
pub(crate) struct Rescues(Vec<Rescue>);

impl Rescues {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Waits for there to be none.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|rescue| Pin::new(rescue).poll(cx).is_pending());
        if self.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(feature = "tokio")]
impl Rescues {
    /// Has `then` done when they have ended.
    pub(crate) fn then(self, then: impl FnOnce() + Send + 'static) {
        let then = Then(Some(then));
        if let Some(first) = self.0.first() {
            as_one(first.origin.clone(), Before(self, then)).go_on();
        }
    }
}

/// What is done when this is dropped: also where nobody can wait.
#[cfg(feature = "tokio")]
struct Then<F: FnOnce()>(Option<F>);

#[cfg(feature = "tokio")]
impl<F: FnOnce()> Drop for Then<F> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|then| then());
    }
}

#[cfg(feature = "tokio")]
struct Before<F: FnOnce()>(Rescues, Then<F>);

// Nothing in it is pinned.
#[cfg(feature = "tokio")]
impl<F: FnOnce()> Unpin for Before<F> {}

#[cfg(feature = "tokio")]
impl<F: FnOnce() + Send> Rest for Before<F> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

/// Runs `f`, which drops the block of a `with!` that is being dropped.
pub(crate) fn of_block(f: &mut dyn FnMut()) {
    for rescue in collect(f).0 {
        drop(put(rescue, true));
    }
}

/// Runs `f`, which drops a `with!`: what is left of its block is finished before the others begin.
pub(crate) fn block_first(f: &mut dyn FnMut()) {
    let begun = gather(true, f);
    if begun.len() > 1 {
        let (block, others): (Vec<_>, Vec<_>) = begun.into_iter().partition(|begun| begun.of_block);
        one_after_the_other([block, others].into_iter().filter_map(side_by_side).collect());
    }
}

/// Runs `f`. The rescues that begin in it run one after the other.
pub(crate) fn in_turn(f: &mut dyn FnMut()) {
    one_after_the_other(collect(f).0.into());
}

/// Of one alone, nothing need be made: it goes on when it is dropped.
fn one_after_the_other(rescues: VecDeque<Rescue>) {
    if rescues.len() > 1 {
        as_one(rescues[0].origin.clone(), InTurn(rescues)).go_on();
    }
}

fn side_by_side(begun: Vec<Begun>) -> Option<Rescue> {
    let rescues: Vec<_> = begun.into_iter().map(|begun| begun.rescue).collect();
    let origin = rescues.first()?.origin.clone();
    Some(as_one(origin, Rescues(rescues)))
}

/// A rescue that is made of others, and goes where they come from.
fn as_one(origin: Origin, rest: impl Rest + 'static) -> Rescue {
    Rescue { rest: Some(Box::pin(rest)), origin, place: Place::With, under_way: None }
}

struct InTurn(VecDeque<Rescue>);

impl Rest for InTurn {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(rescue) = self.0.front_mut() {
            ready!(Pin::new(rescue).poll(cx));
            self.0.pop_front();
        }
        Poll::Ready(())
    }
}

impl Rest for Rescues {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Rescues::poll(&mut self, cx)
    }
}
