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

use super::call::{Call, call_of};
use super::head::{Head, Host, Stage, Way};
use super::{Caught, Link};
use crate::exit::{Ending, Exit};
use crate::lend::Terms;
use crate::manager::{About, OutputOf};
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::rescue::{self, Origin, Phase, Rescue, Rescues, Rest};

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
    /// It is entering, and waits in a [`cancellable`](rescue::cancellable) future.
    gives_up: bool,
    /// What is lent may borrow from the body.
    borrows: bool,
    /// The relay is reached by pointer.
    _pinned: PhantomPinned,
}

/// The host of the marker.
#[repr(C)]
struct Relay<L: Terms> {
    head: Head,
    /// Where the block is; nothing when the `with!` is gone.
    frame: Cell<Option<Link<Head>>>,
    /// The `with!` is being dropped, and the marker gives nothing.
    is_cancelled: Cell<bool>,
    /// The block has ended, as the head tells, and the marker has yet to give that.
    is_over: Cell<bool>,
    /// The error of the block, for a manager that catches it.
    error: Cell<Option<Caught<L>>>,
    /// What is left of the managers in the block.
    left: Cell<Rescues>,
    /// The marker, which waits for that.
    waiting: Cell<Option<Waker>>,
}

impl<F, L> Shielded<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    /// The value that is lent `borrows` from the body, or not.
    pub(crate) fn new(about: &'static About, body: F, borrows: bool) -> Self {
        let relay = Relay {
            head: Head::new(about),
            frame: Cell::new(None),
            is_cancelled: Cell::new(false),
            is_over: Cell::new(false),
            error: Cell::new(None),
            left: Cell::new(Rescues::default()),
            waiting: Cell::new(None),
        };
        let hull = Hull {
            body: Some(body),
            relay,
            ended: None,
            is_begun: false,
            origin: None,
            gives_up: false,
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
        if hull.relay.connected().is_some_and(|frame| frame.stage.get() == Stage::Cancelled) {
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
        let entered = hull.relay.has_lent();
        if let Some(origin) = hull.as_mut().disconnect() {
            Rescue::begin(hull, origin, entered);
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
            if this.ended.is_none() && !this.relay.stands_in(cx) {
                this.poll_body(cx);
            }
            if this.relay.has_none_left() || (this.ended.is_none() && !this.relay.is_over.get()) {
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
        relay.head.enter_home(cx.waker());
        let poll = || {
            if replace(&mut self.is_begun, true) {
                body.poll(cx)
            } else {
                self.origin = Some(Origin::here());
                relay.head.begin::<Relay<L>>();
                let driver = call_of::<L>(cx.waker());
                relay.frame.set(Some(driver.host()));
                let call = Call::new::<L, _>(driver.waker, relay);
                body.poll(&mut Context::from_waker(&call.waker()))
            }
        };
        let (polled, gives_up) = rescue::watch(relay.phase(), || panics::catch(poll));
        self.gives_up = gives_up && !relay.has_lent();
        self.ended = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(payload) => Some(Err(payload)),
        };
        relay.head.leave_home();
    }

    /// Has the block dropped. The marker gives the outcome in a later poll, of a rescuer.
    fn cancel(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        // SAFETY: as in `poll`.
        let this = unsafe { self.get_unchecked_mut() };
        this.relay.is_cancelled.set(true);
        this.relay.head.home().inspect(|home| home.wake());
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
        if this.gives_up {
            this.drop_body();
        }
        let has_block = this.relay.connected().is_some_and(|frame| frame.stage.get().is_lent());
        if has_block {
            this.drop_body();
            let name = this.relay.head.about.name();
            rescue::unfinished(name, "did not wait for its `yield!` when it was cancelled; the rest of it is lost");
        }
        this.relay.frame.set(None);
        this.relay.is_cancelled.set(false);
        this.origin.take()
    }

    /// Ends it here: there is nothing to be rescued.
    fn drop_body(&mut self) {
        self.origin = None;
        // SAFETY: as in `poll_body`.
        let mut body = unsafe { Pin::new_unchecked(&mut self.body) };
        panics::contain(|| body.set(None));
    }
}

impl<F, L> Rest for Hull<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let name = self.relay.head.about.name();
        let Poll::Ready(ended) = Hull::poll(self.as_mut(), cx) else {
            // What it waits for nobody wants. The body is dropped with the rest.
            return if self.gives_up { Poll::Ready(()) } else { Poll::Pending };
        };
        match ended.map(Ending::error) {
            Ok(None) => {}
            Ok(Some(error)) => {
                rescue::rescue_failed(name, &error, None);
                panics::contain(|| drop(error));
            }
            Err(payload) => rescue::panicked(name, payload),
        }
        Poll::Ready(())
    }

    fn lose(&self) {
        rescue::unfinished(self.relay.head.about.name(), "could not be left: nobody polls it any more");
    }
}

impl<L: Terms> Relay<L> {
    /// The head of the frame, as long as the `with!` is there.
    fn connected(&self) -> Option<&Head> {
        // SAFETY: the frame outlives `Shielded` (fact 1), which cuts the tie before it gives the hull away. As long as it
        // has the hull, nobody else polls or drops that.
        self.frame.get().map(|frame| unsafe { frame.0.as_ref() })
    }

    fn has_lent(&self) -> bool {
        !matches!(self.head.stage.get(), Stage::New | Stage::Entering)
    }

    fn phase(&self) -> Phase {
        match self.head.stage.get() {
            Stage::New | Stage::Entering => Phase::Entering,
            Stage::Lent | Stage::LentApart | Stage::Cancelled => Phase::Lent,
            Stage::Ended | Stage::RacedAway | Stage::Concluded => Phase::Leaving,
        }
    }

    /// Polls the block, where all that a poll of the body would come to is that: whether there is no more to do.
    fn stands_in(&self, cx: &mut Context<'_>) -> bool {
        if self.head.stage.get() != Stage::Lent || self.is_over.get() {
            return false;
        }
        self.poll_block(cx);
        !self.is_over.get()
    }

    /// Polls the block, if there is one, and keeps how it ended.
    fn poll_block(&self, cx: &mut Context<'_>) {
        let Some(frame) = self.frame.get() else { return self.end(Outcome::Cancelled) };
        let mut is_over = false;
        // SAFETY: the frame is there: see `connected`.
        self.add_left(rescue::collect(&mut || is_over = unsafe { frame.poll(None, cx) }));
        if let (true, Some(head)) = (is_over, self.connected()) {
            if L::Exit::CATCHES {
                let mut error = None::<Caught<L>>;
                // SAFETY: as above; and the slot is such an `Option`.
                unsafe { frame.take_error(NonNull::from(&mut error).cast()) };
                self.error.set(error);
            }
            self.end(head.outcome.get());
        }
    }

    fn end(&self, outcome: Outcome) {
        self.head.outcome.set(outcome);
        self.is_over.set(true);
    }

    fn add_left(&self, rescues: Rescues) {
        if !rescues.is_empty() {
            let mut left = self.left.take();
            left.extend(rescues);
            self.left.set(left);
        }
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
            let mut polled = Poll::Pending;
            let rescues = rescue::collect(&mut || polled = left.poll(cx));
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

// SAFETY: it is `repr(C)`, and begins with its head.
unsafe impl<L: Terms> Host for Relay<L> {
    const CATCHES: bool = L::Exit::CATCHES;

    unsafe fn lend(&self, slot: NonNull<()>) {
        if let (Some(frame), Some(head)) = (self.frame.get(), self.connected()) {
            head.set_way(self.head.way.get().max(Way::Shielded));
            head.begin_lending();
            // SAFETY: the caller says it; and the frame is there: see `connected`.
            unsafe { frame.lend(slot) };
        }
    }

    unsafe fn poll(&self, slot: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        if let Some(slot) = slot {
            // SAFETY: the caller says the same.
            unsafe { self.lend(slot) };
        }
        if !self.is_over.get() {
            self.poll_block(cx);
        }
        if !self.is_over.get() {
            return false;
        }
        if self.is_cancelled.get() {
            cx.waker().wake_by_ref();
            return false;
        }
        if !self.has_none_left() {
            self.waiting.set(Some(cx.waker().clone()));
            return false;
        }
        self.head.stage.set(Stage::Ended);
        true
    }

    unsafe fn drop_block(&self) {
        if let Some(frame) = self.frame.get() {
            // SAFETY: it is there: see `connected`.
            unsafe { frame.release() };
        }
        self.error.take();
    }

    fn set_panic(&self, payload: Payload) {
        rescue::panicked(self.head.about.name(), payload);
    }

    unsafe fn take_error(&self, slot: NonNull<()>) {
        // SAFETY: the caller says that it points to such an `Option`.
        let slot = unsafe { slot.cast::<Option<Caught<L>>>().as_mut() };
        *slot = self.error.take();
    }
}
