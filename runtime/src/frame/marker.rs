//! What a body has of its frame: its marker, and the handle that this is called on.

use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::call::call_of;
use super::head::{Head, Stage, Way};
use super::{Caught, Link};
use crate::exit::Exit;
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
        let point = YieldPoint { host: call_of::<L>(cx.waker()).host(), terms: PhantomData };
        if let Some(home) = self.home.home() {
            point.head().set_home(home);
            home.enter(cx.waker());
            point.head().set_way(Way::Apart);
        }
        Poll::Ready(point)
    }
}

/// A body's handle on its frame: what `yield!` is called on. `'f` is the life of a local of the body. It is `Send` only
/// if a [`Home`](crate::home::Home) could tell threads apart.
pub struct YieldPoint<'f, L, H> {
    host: Link<Head>,
    terms: PhantomData<(fn(L) -> L, &'f Lifespan, H)>,
}

impl<L, H> Clone for YieldPoint<'_, L, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L, H> Copy for YieldPoint<'_, L, H> {}

impl<L, H> YieldPoint<'_, L, H> {
    #[inline]
    fn head(&self) -> &Head {
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
        self.head().begin_lending();
        // SAFETY: the value is what `Own<M>` lends, and what it borrows is borrowed for as long as the marker lives,
        // which has `'v` in its type and has the block dropped when it is dropped (fact 2).
        unsafe { self.host.lend(NonNull::from(&mut slot).cast()) };
        Lending { point: Some(self), value: None }
    }
}

impl<L, H> YieldPoint<'_, L, H> {
    /// The end of a body that races its block: waits for what is left of the managers in that.
    pub async fn end<B: Future>(self, mut body: Pin<&mut B>) -> B::Output {
        let mut ended = None;
        let all = poll_fn(move |cx| {
            if ended.is_none() {
                ended = match panics::catch(|| body.as_mut().poll(cx)) {
                    Ok(Poll::Pending) => None,
                    Ok(Poll::Ready(output)) => Some(Ok(output)),
                    Err(payload) => Some(Err(payload)),
                };
            }
            ready!(self.head().home().map_or(Poll::Ready(()), |home| home.poll_left(cx)));
            ended.take().map_or(Poll::Pending, Poll::Ready)
        });
        all.await.unwrap_or_else(|payload| panics::resume(payload))
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

impl<L, H> Within for YieldPoint<'_, L, H> {
    #[inline]
    fn outcome(&self) -> Option<Outcome> {
        self.head().outcome()
    }

    #[inline]
    fn lent(&self, way: Way) {
        self.head().set_way(way);
    }
}

/// The future of a `yield!`: the block, as the manager has it.
#[must_use = "the block runs when this is awaited"]
pub struct Lending<'f, L, H, V> {
    /// Nothing when the block has ended.
    point: Option<YieldPoint<'f, L, H>>,
    /// Nothing when it has been lent.
    value: Option<V>,
}

// What it holds is moved out before anything is pinned.
impl<L, H, V> Unpin for Lending<'_, L, H, V> {}

impl<'f, L, H, V> Lending<'f, L, H, V> {
    /// `V` must be a member of the family `L`.
    #[inline]
    pub(crate) const fn new(point: YieldPoint<'f, L, H>, value: V) -> Self {
        Self { point: Some(point), value: Some(value) }
    }
}

impl<L: Terms, H: Here, V> Future for Lending<'_, L, H, V> {
    type Output = Outcome<Caught<L>>;

    /// # Panics
    ///
    /// When it is polled after its end, on another thread than its driver, or when another marker has lent before.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let point = this.point.expect("a `yield!` is awaited once");
        let head = point.head();
        if !H::INLINE {
            head.home().inspect(|home| home.visit(cx.waker()));
        }
        if this.value.is_some() {
            head.begin_lending();
        }
        let slot = this.value.is_some().then(|| NonNull::from(&mut this.value).cast());
        // SAFETY: the value is what `L` lends (the callers of `new`: `YieldPoint::lend`), and what it borrows is borrowed
        // for as long as `self` lives, which has `V` in its type and has the block dropped when it is dropped (fact 2).
        // The host is there, as the body is (fact 1).
        if head.stage.get() != Stage::Ended && !unsafe { point.host.poll(slot, cx) } {
            return Poll::Pending;
        }
        this.point = None;
        Poll::Ready(point.give())
    }
}

impl<L: Terms, H> YieldPoint<'_, L, H> {
    /// The outcome, with the error of the block if the manager catches it.
    #[inline]
    fn give(self) -> Outcome<Caught<L>> {
        match self.head().outcome.get() {
            Outcome::Completed => Outcome::Completed,
            Outcome::Failed(()) => match L::Exit::unseen() {
                Some(unseen) => Outcome::Failed(unseen),
                None => self.take_error().map_or(Outcome::Cancelled, Outcome::Failed),
            },
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }

    fn take_error(self) -> Option<Caught<L>> {
        let mut error = None::<Caught<L>>;
        // SAFETY: the slot is such an `Option`, and the host is there, as the body is (fact 1).
        unsafe { self.host.take_error(NonNull::from(&mut error).cast()) };
        error
    }
}

impl<L, H, V> Drop for Lending<'_, L, H, V> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(point), None) = (self.point, &self.value) {
            // SAFETY: the host is there, as the body is (fact 1).
            unsafe { point.host.release() };
        }
    }
}
