//! Shielded bodies: on the heap, so that they can go on when their `with!` is gone.
//!
//! ```text
//! with! ── polls ──▶ Driver ── polls ──▶ Shielded ── polls ──▶ body ── polls ──▶ marker (Lending)
//!                      │ owns               │ owns                                 │ finds by pointer
//!                      └────▶ Frame ◀──── Relay ◀─────────────────────────────────┘
//! ```
//!
//! The body and the relay are in one [`Hull`]. The relay is the host that the marker knows: it hands everything on to the
//! frame as long as the `with!` is there. When that is dropped, the block is, the relay forgets the frame, and the hull
//! goes to the rescuer. The marker gives the outcome there.
//!
//! The block is still dropped by the marker only, as what is lent to it may be gone if that was leaked. So a body whose
//! `with!` is dropped is polled once in place for it, if it lends what it has borrowed. One that does not come to its
//! marker in that poll (it has put it aside, and waits for something else) can't go on: it is dropped, and the marker
//! with it, and the hook is told.

use core::cell::Cell;
use core::future::Future;
use core::marker::PhantomPinned;
use core::mem::replace;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker, ready};
use std::boxed::Box;

use super::call::{Call, find_host, head_of};
use super::{Caught, Host, Link, Way};
use crate::exit::{Ending, Exit};
use crate::home::Home;
use crate::lend::Terms;
use crate::manager::{About, OutputOf};
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::rescue::{self, Origin, Rescue, Rescues, Rest};

/// Terms of which nothing is tied to the place of the `with!`, so that the manager can end elsewhere.
pub trait Rescuable:
    Terms<Exit: Exit<Output: Ending<Error: Send + 'static> + Send + 'static, Caught: Send + 'static>> + 'static
{
}

impl<L> Rescuable for L where
    L: Terms<Exit: Exit<Output: Ending<Error: Send + 'static> + Send + 'static, Caught: Send + 'static>> + 'static
{
}

/// The body of a shielded manager, as its driver has it.
pub struct Shielded<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    /// Nothing when it has ended.
    hull: Option<Pin<Box<Hull<F, L>>>>,
}

/// What goes on.
struct Hull<F: Future, L: Terms> {
    /// Nothing when it had to be dropped. It is dropped before the relay, to which it points.
    body: Option<F>,
    relay: Relay<L>,
    /// What the body came to, while there is something else to wait for.
    ended: Option<Result<F::Output, Payload>>,
    /// The body has been polled.
    is_begun: bool,
    /// Where that was.
    origin: Option<Origin>,
    /// What is lent may borrow from the body.
    borrows: bool,
    /// The relay is reached by pointer.
    _pinned: PhantomPinned,
}

/// The host of the marker.
struct Relay<L: Terms> {
    /// Where the block is; nothing when the `with!` is gone.
    frame: Cell<Option<Link<dyn Host<L>>>>,
    home: Cell<Option<Link<Home>>>,
    way: Cell<Way>,
    /// The `with!` is being dropped, and the marker gives nothing.
    is_cancelled: Cell<bool>,
    /// How the block ended, until the marker gives it.
    outcome: Cell<Option<Outcome<Caught<L>>>>,
    /// What the marker gave.
    given: Cell<Option<Outcome>>,
    /// What is left of the managers in the block.
    left: Cell<Rescues>,
    /// The marker, which waits for that.
    waiting: Cell<Option<Waker>>,
    about: &'static About,
}

impl<F, L> Shielded<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    /// The value that is lent `borrows` from the body, or not.
    pub(crate) fn new(about: &'static About, body: F, borrows: bool) -> Self {
        let relay = Relay {
            frame: Cell::new(None),
            home: Cell::new(None),
            way: Cell::new(Way::Shielded),
            is_cancelled: Cell::new(false),
            outcome: Cell::new(None),
            given: Cell::new(None),
            left: Cell::new(Rescues::default()),
            waiting: Cell::new(None),
            about,
        };
        let hull = Hull {
            body: Some(body),
            relay,
            ended: None,
            is_begun: false,
            origin: None,
            borrows,
            _pinned: PhantomPinned,
        };
        Self { hull: Some(Box::pin(hull)) }
    }
}

impl<F, L> Future for Shielded<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let hull = self.hull.as_mut().expect("a manager is polled to its end once").as_mut();
        if hull.relay.connected().is_some_and(Host::is_cancelled) {
            hull.cancel(cx);
            return Poll::Pending;
        }
        let ended = ready!(hull.poll(cx));
        self.hull = None;
        Poll::Ready(ended.unwrap_or_else(|payload| panics::resume(payload)))
    }
}

impl<F, L> Drop for Shielded<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    fn drop(&mut self) {
        let Some(mut hull) = self.hull.take() else { return };
        if let Some(origin) = hull.as_mut().disconnect() {
            Rescue::begin(hull, origin);
        }
    }
}

impl<F, L> Hull<F, L>
where
    F: Future<Output = OutputOf<L>>,
    L: Rescuable,
{
    /// Polls the body to its end, and what is left of the managers in its block.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Payload>> {
        // SAFETY: nothing is moved out of the hull.
        let this = unsafe { self.get_unchecked_mut() };
        loop {
            if this.ended.is_none() {
                this.poll_body(cx);
            }
            if this.relay.has_none_left() {
                return this.ended.take().map_or(Poll::Pending, Poll::Ready);
            }
            ready!(this.relay.poll_left(cx));
        }
    }

    /// Polls the body once, and keeps what it comes to.
    fn poll_body(&mut self, cx: &mut Context<'_>) {
        // SAFETY: callers have the hull pinned; the body stays where it is until it is dropped there.
        let body = unsafe { Pin::new_unchecked(&mut self.body) };
        let Some(body) = body.as_pin_mut() else { return };
        let relay = &self.relay;
        relay.home().inspect(|home| home.enter(cx.waker()));
        let polled = panics::catch(|| {
            if replace(&mut self.is_begun, true) {
                body.poll(cx)
            } else {
                self.origin = Some(Origin::here());
                relay.frame.set(Some(find_host(cx.waker())));
                let call = Call::<L>::new(head_of(cx.waker()).waker, &relay.home, relay);
                body.poll(&mut Context::from_waker(&call.waker()))
            }
        });
        self.ended = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(payload) => Some(Err(payload)),
        };
        // It was a local of the body.
        relay.home.set(None);
    }

    /// Has the block dropped. The marker gives the outcome in a later poll, of a rescuer.
    fn cancel(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        // SAFETY: as in `poll`.
        let this = unsafe { self.get_unchecked_mut() };
        this.relay.is_cancelled.set(true);
        this.relay.home().inspect(|home| home.wake());
        if this.borrows {
            this.poll_body(cx);
        } else {
            this.relay.poll_block(cx);
        }
    }

    /// Cuts the tie to the `with!`. What is to be rescued has an origin; there is nothing of a body that was not polled,
    /// or that has to be dropped.
    fn disconnect(self: Pin<&mut Self>) -> Option<Origin> {
        // SAFETY: as in `poll`.
        let this = unsafe { self.get_unchecked_mut() };
        let has_block = this.relay.connected().is_some_and(Host::is_lent);
        if has_block {
            this.origin = None;
            // SAFETY: as in `poll_body`.
            let mut body = unsafe { Pin::new_unchecked(&mut this.body) };
            panics::contain(|| body.set(None));
            let name = this.relay.about.name();
            rescue::unfinished(name, "did not wait for its `yield!` when it was cancelled; the rest of it is lost");
        }
        this.relay.frame.set(None);
        this.relay.is_cancelled.set(false);
        this.origin.take()
    }
}

impl<F, L> Rest for Hull<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let name = self.relay.about.name();
        match ready!(Hull::poll(self, cx)).map(Ending::error) {
            Ok(None) => {}
            Ok(Some(error)) => {
                rescue::rescue_failed(name, &error);
                panics::contain(|| drop(error));
            }
            Err(payload) => rescue::panicked(name, payload),
        }
        Poll::Ready(())
    }

    fn lose(&self) {
        rescue::unfinished(self.relay.about.name(), "could not be left: nobody polls it any more");
    }
}

impl<L: Terms> Relay<L> {
    fn home(&self) -> Option<&Home> {
        // SAFETY: `attach` got it from a reference to the first local of the body, which is pinned; the hull forgets it
        // when the body has ended.
        self.home.get().map(|home| unsafe { home.0.as_ref() })
    }

    /// The frame, as long as the `with!` is there.
    fn connected(&self) -> Option<&dyn Host<L>> {
        // SAFETY: the frame outlives `Shielded` (fact 1), which cuts the tie before it gives the hull away. As long as it
        // has the hull, nobody else polls or drops that.
        self.frame.get().map(|frame| unsafe { frame.0.as_ref() })
    }

    /// Polls the block, if there is one, and keeps how it ended.
    fn poll_block(&self, cx: &mut Context<'_>) {
        let Some(frame) = self.connected() else { return self.outcome.set(Some(Outcome::Cancelled)) };
        let (polled, rescues) = rescue::collect(|| frame.poll(cx));
        self.add_left(rescues);
        if let Poll::Ready(outcome) = polled {
            self.outcome.set(Some(outcome));
        }
    }

    fn add_left(&self, rescues: Rescues) {
        let mut left = self.left.take();
        left.extend(rescues);
        self.left.set(left);
    }

    fn has_none_left(&self) -> bool {
        let left = self.left.take();
        let none = left.is_empty();
        self.left.set(left);
        none
    }

    /// Waits for what is left of the managers in the block, and of those that are left by that.
    fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut left = self.left.take();
        loop {
            let (polled, rescues) = rescue::collect(|| left.poll(cx));
            if rescues.is_empty() {
                self.left.set(left);
                ready!(polled);
                self.waiting.take().inspect(Waker::wake_by_ref);
                return Poll::Ready(());
            }
            left.extend(rescues);
        }
    }
}

impl<L: Terms> Host<L> for Relay<L> {
    fn visit(&self, waker: &Waker) {
        self.home().inspect(|home| home.visit(waker));
    }

    unsafe fn lend(&self, slot: NonNull<()>) {
        let name = self.about.name();
        assert!(self.given.get().is_none(), "`{name}` reached its `yield!` a second time");
        if let Some(frame) = self.connected() {
            frame.set_way(self.way.get());
            // SAFETY: the caller says it.
            unsafe { frame.lend(slot) };
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<Caught<L>>> {
        let mut outcome = self.outcome.take();
        if outcome.is_none() {
            self.poll_block(cx);
            outcome = self.outcome.take();
        }
        let Some(ended) = outcome else { return Poll::Pending };
        if self.is_cancelled.get() {
            cx.waker().wake_by_ref();
        } else if self.has_none_left() {
            self.given.set(Some(ended.kind()));
            return Poll::Ready(ended);
        } else {
            self.waiting.set(Some(cx.waker().clone()));
        }
        self.outcome.set(Some(ended));
        Poll::Pending
    }

    unsafe fn lend_and_poll(&self, slot: NonNull<()>, cx: &mut Context<'_>) -> Poll<Outcome<Caught<L>>> {
        // SAFETY: the caller says it.
        unsafe { self.lend(slot) };
        self.poll(cx)
    }

    fn release(&self) {
        match self.home().map(Home::is_here) {
            Some(false) => return,
            // As in a frame.
            Some(true) => {
                let (_, rescues) = rescue::collect(|| self.connected().map(Host::release));
                self.add_left(rescues);
            }
            None => self.connected().map_or((), Host::release),
        }
        self.outcome.take();
    }

    fn outcome(&self) -> Option<Outcome> {
        let at_home = self.home().is_none_or(Home::is_here);
        at_home.then(|| self.given.get()).flatten()
    }

    fn set_way(&self, way: Way) {
        self.way.set(way.max(self.way.get()));
    }

    fn is_lent(&self) -> bool {
        self.connected().is_some_and(Host::is_lent)
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }

    fn is_waiting(&self) -> bool {
        !self.has_none_left()
    }
}
