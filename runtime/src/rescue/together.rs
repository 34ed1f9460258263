//! What is left of several managers that are dropped together.

use std::boxed::Box;
use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use super::{Place, Rescue, Rest};

std::thread_local! {
    /// What is being dropped together at the moment.
    static TOGETHER: Cell<Option<Together>> = const { Cell::new(None) };
}

/// The rescues that have begun while something runs.
struct Together {
    rescues: Vec<Rescue>,
    /// That is what a `with!` does which is being dropped.
    in_place: bool,
}

/// Takes the rescue into what is being dropped, or gives it back.
pub(super) fn add(rescue: Rescue) -> Option<Rescue> {
    let mut rescue = Some(rescue);
    with_innermost(|together| together.rescues.extend(rescue.take()));
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
    gather(false, f)
}

fn gather<T>(in_place: bool, f: impl FnOnce() -> T) -> (T, Rescues) {
    let inner = Together { rescues: Vec::new(), in_place };
    let outer = Outer(TOGETHER.try_with(|together| together.replace(Some(inner))).ok().flatten());
    let result = f();
    let inner = TOGETHER.try_with(Cell::take).ok().flatten();
    drop(outer);
    (result, Rescues(inner.map_or_else(Vec::new, |inner| inner.rescues)))
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
            let origin = first.origin.clone();
            let rest = Box::pin(Before(self, then));
            Rescue { rest: Some(rest), origin, place: Place::With, under_way: None }.go_on();
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

    fn lose(&self) {}
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

/// Runs `f`, which a `with!` does that is dropped. The rescues that begin in it run one after the other.
pub(crate) fn in_turn<T>(f: impl FnOnce() -> T) -> T {
    let (result, Rescues(rescues)) = gather(true, f);
    as_one(rescues, |rescues| Box::pin(InTurn(rescues.into())));
    result
}

/// Runs `f`. The rescues that begin in it are one to others: they run side by side.
pub(crate) fn side_by_side<T>(f: impl FnOnce() -> T) -> T {
    let (result, Rescues(rescues)) = gather(false, f);
    as_one(rescues, |rescues| Box::pin(SideBySide(Rescues(rescues))));
    result
}

/// One goes on by itself, when it is dropped.
fn as_one(rescues: Vec<Rescue>, join: impl FnOnce(Vec<Rescue>) -> Pin<Box<dyn Rest>>) {
    if rescues.len() > 1 {
        let origin = rescues[0].origin.clone();
        Rescue { rest: Some(join(rescues)), origin, place: Place::With, under_way: None }.go_on();
    }
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

    fn lose(&self) {}
}

struct SideBySide(Rescues);

impl Rest for SideBySide {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }

    fn lose(&self) {}
}
