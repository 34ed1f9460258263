//! What is left of several managers that are dropped together.

use std::boxed::Box;
use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use super::{Origin, Place, Rescue, Rest};

std::thread_local! {
    /// What is being dropped together at the moment.
    static TOGETHER: Cell<Option<Together>> = const { Cell::new(None) };
}

/// The rescues that have begun while something runs.
#[derive(Default)]
struct Together {
    /// Those that are left of the block of a `with!` that is being dropped.
    block: Vec<Rescue>,
    others: Vec<Rescue>,
    /// That is what a `with!` does which is being dropped.
    in_place: bool,
}

/// Takes the rescue into what is being dropped, or gives it back.
pub(super) fn add(rescue: Rescue) -> Option<Rescue> {
    let mut rescue = Some(rescue);
    with_innermost(|together| together.others.extend(rescue.take()));
    rescue
}

/// Whether a `with!` that is being dropped has its manager leave in place.
pub(crate) fn is_in_place() -> bool {
    with_innermost(|together| together.in_place).unwrap_or(false)
}

/// Where a thread is at its end there is none.
fn with_innermost<T>(f: impl FnOnce(&mut Together) -> T) -> Option<T> {
    let look = |cell: &Cell<Option<Together>>| {
        let mut together = cell.take();
        let result = together.as_mut().map(f);
        cell.set(together);
        result
    };
    TOGETHER.try_with(look).ok().flatten()
}

/// Runs `f`: what it gives, and the rescues that have begun in it.
pub(crate) fn collect<T>(f: impl FnOnce() -> T) -> (T, Rescues) {
    let (result, Together { mut block, others, .. }) = gather(false, f);
    block.extend(others);
    (result, Rescues(block))
}

fn gather<T>(in_place: bool, f: impl FnOnce() -> T) -> (T, Together) {
    let inner = Together { in_place, ..Together::default() };
    let outer = Outer(TOGETHER.try_with(|together| together.replace(Some(inner))).ok().flatten());
    let result = f();
    let inner = TOGETHER.try_with(Cell::take).ok().flatten();
    drop(outer);
    (result, inner.unwrap_or_default())
}

/// What goes on to gather when this has ended, by a panic too.
struct Outer(Option<Together>);

impl Drop for Outer {
    fn drop(&mut self) {
        let inner = TOGETHER.try_with(|together| together.replace(self.0.take()));
        drop(inner);
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

/// What a `with!` has that waits for rescues before it ends.
pub(crate) struct Waiting<Content>(Box<(Rescues, Content)>);

impl<Content> Waiting<Content> {
    pub(crate) fn new(rescues: Rescues, content: Content) -> Self {
        Self(Box::new((rescues, content)))
    }

    /// Gives the content when there is nothing more to wait for.
    pub(crate) fn poll(mut self, cx: &mut Context<'_>) -> Result<Content, Self> {
        if self.0.0.poll(cx).is_ready() { Ok(self.0.1) } else { Err(self) }
    }
}

/// Runs `f`, which drops the block of a `with!` that is being dropped.
pub(crate) fn of_block<T>(f: impl FnOnce() -> T) -> T {
    let (result, Rescues(rescues)) = collect(f);
    with_innermost(|together| together.block.extend(rescues));
    result
}

/// Runs `f`, which drops a `with!`: what is left of its block is finished before the others begin.
pub(crate) fn block_first<T>(f: impl FnOnce() -> T) -> T {
    let (result, Together { block, others, .. }) = gather(true, f);
    if !block.is_empty() && !others.is_empty() {
        one_after_the_other([block, others].map(|rescues| as_one(rescues[0].origin.clone(), Rescues(rescues))));
    }
    result
}

/// Runs `f`. The rescues that begin in it run one after the other.
pub(crate) fn in_turn<T>(f: impl FnOnce() -> T) -> T {
    let (result, Rescues(rescues)) = collect(f);
    if rescues.len() > 1 {
        one_after_the_other(rescues);
    }
    result
}

/// Of one alone, nothing need be made: it goes on when it is dropped.
fn one_after_the_other(rescues: impl Into<VecDeque<Rescue>>) {
    let rescues = rescues.into();
    as_one(rescues[0].origin.clone(), InTurn(rescues)).go_on();
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
