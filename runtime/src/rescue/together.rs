//! What is left of several managers that are dropped together.

use std::boxed::Box;
use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use super::{Place, Rescue, Rest};

std::thread_local! {
    /// The rescues that have begun in the innermost [`collect`] or [`in_order`].
    static TOGETHER: Cell<Option<Begun>> = const { Cell::new(None) };
}

/// Rescues that have begun, by what they are left of.
#[derive(Default)]
struct Begun {
    /// Of the block of a `with!` that is dropped.
    block: Rescues,
    rest: Rescues,
    /// A `with!` is being dropped.
    is_dropping: bool,
}

/// Takes the rescue into what is under way, or gives it back.
pub(super) fn add(rescue: Rescue) -> Option<Rescue> {
    let mut rescue = Some(rescue);
    with_begun(|begun| begun.rest.0.extend(rescue.take()));
    rescue
}

fn with_begun(f: impl FnOnce(&mut Begun)) {
    // Where the thread is at its end there is none.
    let _ = TOGETHER.try_with(|together| {
        let mut begun = together.take();
        begun.as_mut().map(f);
        together.set(begun);
    });
}

/// Whether what is polled at the moment is dropped right after.
pub(crate) fn is_dropping() -> bool {
    let mut is_dropping = false;
    with_begun(|begun| is_dropping = begun.is_dropping);
    is_dropping
}

fn begun_in<T>(is_dropping: bool, f: impl FnOnce() -> T) -> (T, Begun) {
    let begun = Begun { is_dropping, ..Begun::default() };
    let outer = Outer(TOGETHER.try_with(|together| together.replace(Some(begun))).ok().flatten());
    let result = f();
    let begun = TOGETHER.try_with(Cell::take).ok().flatten();
    drop(outer);
    (result, begun.unwrap_or_default())
}

/// Runs `f`: what it gives, and the rescues that have begun in it.
pub(crate) fn collect<T>(f: impl FnOnce() -> T) -> (T, Rescues) {
    let (result, Begun { block, mut rest, .. }) = begun_in(false, f);
    rest.extend(block);
    (result, rest)
}

/// Runs `f`, which drops the block of a `with!`.
pub(crate) fn of_block<T>(f: impl FnOnce() -> T) -> T {
    let (result, mut rescues) = collect(f);
    with_begun(|begun| begun.block.extend(take(&mut rescues)));
    result
}

/// Runs `f`, which drops a `with!`: what is left of its block is finished before the rest begins.
pub(crate) fn in_order(f: impl FnOnce()) {
    let ((), Begun { block, rest, .. }) = begun_in(true, f);
    if !block.is_empty() && !rest.is_empty() {
        one_after_the_other([block.together(), rest.together()]);
    }
}

/// The [`collect`] around one, which goes on when that has ended, by a panic too.
struct Outer(Option<Begun>);

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

    /// As one.
    fn together(self) -> Rescue {
        let origin = self.0[0].origin.clone();
        Rescue { rest: Some(Box::pin(self)), origin, place: Place::With, under_way: None }
    }

    /// Waits for there to be none.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|rescue| Pin::new(rescue).poll(cx).is_pending());
        if self.is_empty() { Poll::Ready(()) } else { Poll::Pending }
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

impl Rest for Rescues {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Rescues::poll(&mut self, cx)
    }

    fn lose(&self) {}
}

/// Runs `f`, and has the rescues that begin in it run one after the other.
pub(crate) fn in_turn(f: impl FnOnce()) {
    let ((), Rescues(rescues)) = collect(f);
    if rescues.len() > 1 {
        one_after_the_other(rescues);
    }
}

fn one_after_the_other(rescues: impl Into<VecDeque<Rescue>>) {
    let rescues = rescues.into();
    let origin = rescues[0].origin.clone();
    Rescue { rest: Some(Box::pin(InTurn(rescues))), origin, place: Place::With, under_way: None }.go_on();
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
