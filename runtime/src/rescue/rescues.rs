//! `Rescues`: the set of rescues that a scope waits for.

use std::boxed::Box;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use super::collector;
use super::completion::{Completion, Handle};

/// The future that waits for one event. Its drop removes its waker.
pub(crate) struct Wait {
    handle: Handle,
    key: Option<u64>,
}

impl Wait {
    pub(crate) const fn new(handle: Handle) -> Self {
        Self { handle, key: None }
    }

    #[allow(dead_code, reason = "used only with tokio")]
    pub(crate) fn is_done(&self) -> bool {
        self.handle.is_done()
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.handle.poll(&mut this.key, cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.handle.forget_waker(key);
        }
    }
}

/// The rescues that a scope waits for. They run by themselves.
///
/// The scope waits for one of them after the other, so each poll looks at only one.
///
/// Most polls and scopes begin no rescue, so an empty value allocates no memory and is cheap to drop.
#[derive(Default)]
pub(crate) struct Rescues(Option<Box<Waits>>);

/// When it is dropped, the innermost [`CollectScope`](collector::CollectScope) waits for the rescues that are not done.
struct Waits {
    list: Vec<Wait>,
    /// The length at which the rescues that are done are removed.
    prune_at: usize,
}

impl Rescues {
    /// Creates a value from those handles that are not done.
    pub(crate) fn new(handles: Vec<Handle>) -> Self {
        let not_done = handles.into_iter().filter(|handle| !handle.is_done());
        let list: Vec<_> = not_done.map(Wait::new).collect();
        Self((!list.is_empty()).then(|| Box::new(Waits { list, prune_at: 0 })))
    }

    #[allow(dead_code, reason = "unused in a model checker")]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    #[allow(dead_code, reason = "unused in a model checker")]
    pub(crate) fn extend(&mut self, other: Self) {
        let Some(mut others) = other.0 else { return };
        match &mut self.0 {
            Some(waits) => waits.append(&mut others.list),
            none => *none = Some(others),
        }
    }

    /// Waits until all rescues are done.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(waits) = &mut self.0 else { return Poll::Ready(()) };
        while let Some(last) = waits.list.last_mut() {
            ready!(Pin::new(last).poll(cx));
            drop(waits.list.pop());
        }
        self.0 = None;
        Poll::Ready(())
    }

    /// Calls `then` when all rescues are done: see [`Handle::after`].
    #[allow(dead_code, reason = "used only by task groups")]
    pub(crate) fn then(self, then: impl FnOnce() -> Option<Completion> + Send + 'static) {
        let handles: Vec<_> = self.0.iter().flat_map(|waits| &waits.list).map(|wait| wait.handle.clone()).collect();
        Handle::after(&handles, then);
    }
}

impl Waits {
    fn append(&mut self, others: &mut Vec<Wait>) {
        self.list.append(others);
        if self.list.len() > self.prune_at {
            self.list.retain(|wait| !wait.handle.is_done());
            self.prune_at = 2 * self.list.len() + 8;
        }
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        for wait in self.list.drain(..).filter(|wait| !wait.handle.is_done()) {
            collector::add(wait.handle.clone());
        }
    }
}

/// Runs `f`. Returns the rescues that have begun in it and are not done.
pub(crate) fn collect(f: &mut dyn FnMut()) -> Rescues {
    let handles = collector::collect(f);
    // Each poll of a shielded manager gets here, mostly without handles.
    if handles.is_empty() { Rescues::default() } else { Rescues::new(handles) }
}

/// Returns the rescues that must end before a rescue that begins now.
pub(super) fn before() -> Rescues {
    Rescues::new(collector::before())
}
