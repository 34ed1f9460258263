//! What is left of several managers that are dropped together.

use std::boxed::Box;
use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use super::{Place, Rescue, Rest};

std::thread_local! {
    /// The rescues that have begun in the innermost [`collect`].
    static TOGETHER: Cell<Option<Vec<Rescue>>> = const { Cell::new(None) };
}

/// Takes the rescue into the [`collect`] that is under way, or gives it back.
pub(super) fn add(rescue: Rescue) -> Option<Rescue> {
    let mut rescue = Some(rescue);
    // Where the thread is at its end there is none.
    let _ = TOGETHER.try_with(|together| {
        let mut rescues = together.take();
        if let Some(rescues) = &mut rescues {
            rescues.extend(rescue.take());
        }
        together.set(rescues);
    });
    rescue
}

/// Runs `f`: what it gives, and the rescues that have begun in it.
pub(crate) fn collect<T>(f: impl FnOnce() -> T) -> (T, Rescues) {
    let outer = Outer(TOGETHER.try_with(|together| together.replace(Some(Vec::new()))).ok().flatten());
    let result = f();
    let rescues = TOGETHER.try_with(Cell::take).ok().flatten();
    drop(outer);
    (result, Rescues(rescues.unwrap_or_default()))
}

/// The [`collect`] around one, which goes on when that has ended, by a panic too.
struct Outer(Option<Vec<Rescue>>);

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

/// Runs `f`, and has the rescues that begin in it run one after the other.
pub(crate) fn in_turn(f: impl FnOnce()) {
    let ((), Rescues(rescues)) = collect(f);
    if rescues.len() > 1 {
        let origin = rescues[0].origin.clone();
        let rest = Box::pin(InTurn(rescues.into()));
        Rescue { rest: Some(rest), origin, place: Place::With, under_way: None }.go_on();
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
