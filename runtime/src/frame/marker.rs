//! What a body has of its frame: its marker, and the handle that this is called on.

use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::call::{find_host, head_of};
use super::{Caught, Host, Link, Way};
use crate::handoff::Lifespan;
use crate::home::Here;
use crate::lend::Terms;
use crate::outcome::Outcome;
use crate::panics;
use crate::protocol::{AsyncContextManager, Own};

/// Finds the frame of the `with!` that polls this body: the first thing that a body does. `L` is what its manager
/// lends. `this` and `home` are locals of the body that stand before all others, and nobody else can name `home`.
///
/// # Panics
///
/// When it is awaited elsewhere, or when the manager lends something else.
#[inline]
pub fn attach<'f, 'h, L: Terms, H: Here>(_this: &'f Lifespan, home: &'h H) -> Attach<'f, 'h, L, H> {
    Attach { home, point: PhantomData }
}

/// A body's way to its frame; see [`attach`].
#[derive(Debug)]
pub struct Attach<'f, 'h, L, H> {
    home: &'h H,
    point: PhantomData<fn() -> (L, &'f Lifespan)>,
}

impl<'f, L: Terms, H: Here> Future for Attach<'f, '_, L, H> {
    type Output = YieldPoint<'f, L, H>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let point = YieldPoint { host: find_host(cx.waker()), home: PhantomData };
        if let Some(home) = self.home.home() {
            head_of(cx.waker()).home.set(Some(Link(NonNull::from(home))));
            home.enter(cx.waker());
            point.host().set_way(Way::Apart);
        }
        Poll::Ready(point)
    }
}

/// A body's handle on its frame: what `yield!` is called on. `'f` is the life of a local of the body. It is `Send` only
/// if a [`Home`](crate::home::Home) could tell threads apart.
pub struct YieldPoint<'f, L: Terms, H> {
    host: Link<dyn Host<L> + 'f>,
    home: PhantomData<(&'f Lifespan, H)>,
}

impl<L: Terms, H> Clone for YieldPoint<'_, L, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Terms, H> Copy for YieldPoint<'_, L, H> {}

impl<'f, L: Terms, H> YieldPoint<'f, L, H> {
    #[inline]
    fn host(&self) -> &(dyn Host<L> + 'f) {
        // SAFETY: `'f` is within the body, which the frame outlives (fact 1).
        unsafe { self.host.0.as_ref() }
    }
}

impl<'f, M: AsyncContextManager, H> YieldPoint<'f, Own<M>, H> {
    /// Lends `value` at once, which borrows a local of the body: gives the marker, which is to be awaited then. It says
    /// by its type how long the borrow is.
    #[inline]
    pub(crate) fn lend_own<'v>(self, value: M::Value<'v>) -> Lending<'f, Own<M>, H, &'v mut M> {
        let mut slot = Some(value);
        // SAFETY: the value is what `Own<M>` lends, and what it borrows is borrowed for as long as the marker lives,
        // which has `'v` in its type and drops the block when it is dropped (fact 2).
        unsafe { self.host().lend(NonNull::from(&mut slot).cast()) };
        Lending { point: Some(self), value: None }
    }
}

impl<L: Terms, H> YieldPoint<'_, L, H> {
    /// The end of a body that races its block: waits for what is left of the managers in that.
    pub async fn end<B: Future>(self, mut body: Pin<&mut B>) -> B::Output {
        let ended = poll_fn(|cx| match panics::catch(|| body.as_mut().poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        });
        let ended = ended.await;
        // The driver, which polls what is left, polls this then.
        poll_fn(|_| if self.host().is_waiting() { Poll::Pending } else { Poll::Ready(()) }).await;
        ended.unwrap_or_else(|payload| panics::resume(payload))
    }
}

/// Where a `with!` stands: in the block of another one that has the marker of a manager in it, or not.
///
/// A manager around a marker is to see the outcome that the marker gave, though its own block went on to its end: in
/// Python, the error would have come through it.
pub trait Within {
    /// How the block ended that was lent to at the marker.
    fn outcome(&self) -> Option<Outcome>;

    /// The marker of the manager has lent, and there is this between it and the driver.
    fn lent(&self, way: Way);
}

impl Within for () {
    fn outcome(&self) -> Option<Outcome> {
        None
    }

    fn lent(&self, _way: Way) {}
}

impl<L: Terms, H> Within for YieldPoint<'_, L, H> {
    fn outcome(&self) -> Option<Outcome> {
        self.host().outcome()
    }

    fn lent(&self, way: Way) {
        if way != Way::Straight {
            self.host().set_way(way);
        }
    }
}

/// The future of a `yield!`: the block, as the manager has it.
#[must_use = "the block runs when this is awaited"]
pub struct Lending<'f, L: Terms, H, V> {
    /// Nothing when the block has ended.
    point: Option<YieldPoint<'f, L, H>>,
    /// Nothing when it has been lent.
    value: Option<V>,
}

impl<'f, L: Terms, H, V> Lending<'f, L, H, V> {
    /// `V` must be a member of the family `L`.
    #[inline]
    pub(crate) const fn new(point: YieldPoint<'f, L, H>, value: V) -> Self {
        Self { point: Some(point), value: Some(value) }
    }
}

// What it holds is moved out before anything is pinned.
impl<L: Terms, H, V> Unpin for Lending<'_, L, H, V> {}

impl<L: Terms, H: Here, V> Future for Lending<'_, L, H, V> {
    type Output = Outcome<Caught<L>>;

    /// # Panics
    ///
    /// When it is polled after its end, on another thread than its driver, or when another marker has lent before.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let point = this.point.expect("a `yield!` is awaited once");
        if !H::INLINE {
            point.host().visit(cx.waker());
        }
        let outcome = if this.value.is_some() {
            let slot = NonNull::from(&mut this.value).cast();
            // SAFETY: the value is what `L` lends (the callers of `new`: `YieldPoint::lend`), and what it borrows is
            // borrowed for as long as `self` lives, which has `V` in its type and drops the block when it is dropped
            // (fact 2).
            unsafe { point.host().lend_and_poll(slot, cx) }
        } else {
            point.host().poll(cx)
        };
        let outcome = ready!(outcome);
        this.point = None;
        Poll::Ready(outcome)
    }
}

impl<L: Terms, H, V> Drop for Lending<'_, L, H, V> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(point), None) = (self.point, &self.value) {
            point.host().release();
        }
    }
}
