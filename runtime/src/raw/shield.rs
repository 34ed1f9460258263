//! Shielded bodies: allocated on the heap, so that they can continue after their `with!` was dropped.
//!
//! ```text
//! with! ── polls ──▶ Driver ── polls ──▶ Shielded ── polls ──▶ body ── polls ──▶ marker (Yield)
//!                      │ owns               │ owns                                 │ finds by pointer
//!                      └────▶ Frame ◀────── Proxy ◀─────────────────────────────────┘
//! ```
//!
//! The body and the proxy are fields of one [`ShieldedState`]. The marker knows the proxy as the owner of the block.
//! While the `with!` is alive, the proxy forwards each call to the driver. When the `with!` is dropped, the block is
//! dropped, the proxy forgets the frame, and the state is moved into a rescue. The marker returns the outcome when the
//! rescue polls it.
//!
//! Only the marker drops the block here as well, because what is lent to the block may be gone if the marker was
//! leaked. Therefore, if the lent value borrows, the body is polled once in place when its `with!` is dropped. A body
//! that does not poll its marker in that poll (because it has put the marker aside and waits for something else) cannot
//! continue: the body is dropped together with the marker, and this is reported to the hook.

use core::cell::Cell;
use core::future::Future;
use core::marker::PhantomPinned;
use core::mem::replace;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker, ready};
use std::boxed::Box;

use super::body::{Body, FrameHandle, NamedBody, Uncut};
use super::cancel::NOT_AWAITED;
use super::header::{BlockOwner, Flag, Header, Route, State};
use super::stop_scope::{StopMode, StopScope};
use super::{Caught, TaskPtr};
use crate::exit::Exit;
use crate::lend::Contract;
use crate::manager::OutputOf;
use crate::named::Named;
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics::{self, Payload};
use crate::rescue::{self, Cleanup, Counted, Lost, Origin, Phase, Rescue, RescueEnd, Rescues, Show, poll_watched};
use crate::user_code;

/// A contract that borrows nothing from the place of the `with!`, so that the manager can end elsewhere.
pub trait Rescuable:
    Contract<Exit: Exit<Output: BodyOutput<Error: Send + 'static> + Send + 'static, Caught: Send + 'static>> + 'static
{
}

impl<L> Rescuable for L where
    L: Contract<Exit: Exit<Output: BodyOutput<Error: Send + 'static> + Send + 'static, Caught: Send + 'static>>
        + 'static
{
}

/// The body of a shielded manager, as its driver polls it.
///
/// Whether the body may move elsewhere is checked where it is made, and not by a bound on this type. A `'static` bound
/// cannot be proved for a future whose lifetimes the compiler has erased, as it does when it decides whether the future
/// is `Send`.
pub struct Shielded<F: Future, L: Contract> {
    /// `None` if the body has ended.
    state: Option<Pin<Box<ShieldedState<F, L>>>>,
}

/// The heap allocation that outlives the `with!`.
struct ShieldedState<F: Future, L: Contract> {
    /// `None` if the body had to be dropped. Declared before the proxy, because the body points to the proxy and must
    /// be dropped first.
    body: Option<F>,
    proxy: Proxy<L>,
    /// The result of the body, while the rescues of its block have not ended.
    ended: Option<Result<F::Output, Payload>>,
    /// Whether the body has been polled.
    is_begun: bool,
    /// The origin of the first poll.
    origin: Option<Origin>,
    /// Whether the body is in its enter phase and is pending in a [`cancellable`](rescue::cancellable) future.
    is_given_up: bool,
    /// Counts this pending body in the poll of a manager around it that is in its enter phase.
    counted: Counted,
    /// Whether the lent value may borrow from the body.
    borrows: bool,
    into_cleanup: IntoCleanup<F, L>,
    named: Named<F::Output>,
    /// The body points to the proxy, so the state must not move.
    _pinned: PhantomPinned,
}

/// The owner of the block as the marker sees it.
struct Proxy<L: Contract> {
    header: Header,
    name: &'static str,
    /// The header of the driver, which has the block. `None` if the `with!` was dropped.
    outer: Cell<Option<TaskPtr<Header>>>,
    /// Whether the `with!` is being dropped. The marker stays pending meanwhile.
    is_cancelled: Cell<bool>,
    /// Whether the block has ended, with the outcome in the header, but the marker has not returned the outcome yet.
    is_over: Cell<bool>,
    /// The error of the block, if the manager catches it.
    error: Cell<Option<Caught<L>>>,
    /// The rescues of the managers in the block.
    rescues: Cell<Rescues>,
    /// The waker of the marker, which waits for the rescues.
    waiting: Cell<Option<Waker>>,
}

/// The body of a shielded manager that has not been started.
pub struct ShieldedBody<B: Body, L: Contract> {
    body: B,
    /// Whether the lent value may borrow from the body.
    borrows: bool,
    into_cleanup: IntoCleanup<B::Future, L>,
}

/// Converts a state into the cleanup of a rescue.
type IntoCleanup<F, L> = fn(Pin<Box<ShieldedState<F, L>>>) -> Pin<Box<dyn Cleanup>>;

impl<B, L> ShieldedBody<B, L>
where
    B: Body<Future: Future<Output = OutputOf<L>> + Send + 'static>,
    L: Rescuable,
{
    pub(crate) fn new(body: B, borrows: bool) -> Self {
        Self { body, borrows, into_cleanup: |state| state }
    }
}

impl<B: Body, L: Contract> Body for ShieldedBody<B, L> {
    type Future = Shielded<B::Future, L>;
    type Name = Uncut<B::Name>;

    fn name(&self) -> Uncut<B::Name> {
        Uncut(self.body.name())
    }

    fn start(self, frame: FrameHandle, named: NamedBody<B>) -> Self::Future {
        let proxy = Proxy {
            header: Header::new(),
            name: named.name(),
            outer: Cell::new(Some(frame.into_ptr())),
            is_cancelled: Cell::new(false),
            is_over: Cell::new(false),
            error: Cell::new(None),
            rescues: Cell::new(Rescues::default()),
            waiting: Cell::new(None),
        };
        let mut state = Box::new(ShieldedState {
            body: None,
            proxy,
            ended: None,
            is_begun: false,
            origin: None,
            is_given_up: false,
            counted: Counted::default(),
            borrows: self.borrows,
            into_cleanup: self.into_cleanup,
            named,
            _pinned: PhantomPinned,
        });
        // The address of the proxy is fixed now.
        state.body = Some(self.body.start(FrameHandle::new(&state.proxy.header), named));
        Shielded { state: Some(Box::into_pin(state)) }
    }
}

impl<F: Future, L: Contract> Future for Shielded<F, L> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut state = self.state.as_mut().expect("a shielded manager was polled after completion").as_mut();
        if let Some(outer) = state.as_mut().proxy().connected() {
            if outer.state.get() == State::Cancelling {
                state.cancel(cx);
                return Poll::Pending;
            }
            if outer.has(Flag::WantsMarker) {
                outer.set(Flag::WantsMarker, false);
                state.as_mut().proxy().header.set(Flag::WantsMarker, true);
            }
        }
        if !state.as_mut().proxy().has_lent() && is_stopped(cx.waker()) {
            return Poll::Pending;
        }
        let ended = ready!(state.poll(cx));
        self.state = None;
        Poll::Ready(ended.unwrap_or_else(|payload| panics::resume(payload)))
    }
}

/// Returns whether a scope stops what is polled. A stop must not reach what is open in the enter phase of a shielded body. A
/// body that is not polled has nothing open, so the driver drops it, and a rescue completes it.
fn is_stopped(waker: &Waker) -> bool {
    StopScope::stopping(waker).is_some_and(|scope| scope.mode() == StopMode::Stopping)
}

impl<F: Future, L: Contract> Drop for Shielded<F, L> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        let entered = state.as_mut().proxy().has_lent();
        // SAFETY: nothing is moved out of the state.
        let into_cleanup = unsafe { state.as_mut().get_unchecked_mut() }.into_cleanup;
        if let Some(origin) = state.as_mut().disconnect() {
            Rescue::begin(into_cleanup(state), origin, entered);
        }
    }
}

impl<F: Future, L: Contract> ShieldedState<F, L> {
    /// Returns the proxy, without a `&Self`: that would cover the body, whose locals the block and the body itself borrow
    /// mutably. For the same reason, no other code makes a `&Self`, as `Pin` does when it is dereferenced.
    fn proxy<'s>(self: Pin<&'s mut Self>) -> &'s Proxy<L>
    where
        F: 's,
    {
        // SAFETY: nothing is moved out of the state.
        &unsafe { self.get_unchecked_mut() }.proxy
    }

    /// Polls the body to its end, and then the rescues of the managers in its block.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Payload>> {
        // SAFETY: nothing is moved out of the state.
        let this = unsafe { self.get_unchecked_mut() };
        this.counted.clear();
        loop {
            if this.ended.is_none() && !this.proxy.poll_block_only(cx) {
                this.poll_body(cx);
            }
            if this.ended.is_none() && !this.proxy.is_over.get() {
                return Poll::Pending;
            }
            if this.proxy.has_no_rescues() {
                return this.ended.take().map_or(Poll::Pending, Poll::Ready);
            }
            ready!(this.proxy.poll_rescues(cx));
        }
    }

    /// Polls the body once, and stores its result.
    fn poll_body(&mut self, cx: &mut Context<'_>) {
        // SAFETY: the callers guarantee that the state is pinned. The body is not moved before it is dropped in place.
        let body = unsafe { Pin::new_unchecked(&mut self.body) };
        let Some(body) = body.as_pin_mut() else { return };
        if !replace(&mut self.is_begun, true) {
            self.origin = Some(Origin::here());
            self.proxy.header.set_owner(NonNull::from(&self.proxy));
            self.proxy.header.begin(false);
        }
        let (polled, is_pending) = poll_watched(self.proxy.phase(), cx, |cx| body.poll(cx));
        if is_pending {
            self.counted.set(cx.waker());
        }
        self.is_given_up = is_pending && !self.proxy.has_lent();
        self.ended = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(payload) => Some(Err(payload)),
        };
    }

    /// Drops the block. The marker returns the outcome in a later poll, by a rescue.
    fn cancel(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        // SAFETY: as in `poll`.
        let this = unsafe { self.get_unchecked_mut() };
        this.proxy.is_cancelled.set(true);
        this.proxy.header.set(Flag::WantsMarker, true);
        if this.borrows {
            this.poll_body(cx);
        } else {
            this.proxy.poll_block(cx);
        }
        // The rescue must poll the marker again.
        this.proxy.header.set(Flag::WantsMarker, true);
    }

    /// Disconnects the state from the `with!`. Returns the origin if the body must be rescued. `None` if the body was
    /// never polled, or had to be dropped.
    fn disconnect(self: Pin<&mut Self>) -> Option<Origin> {
        // SAFETY: as in `poll`.
        let this = unsafe { self.get_unchecked_mut() };
        this.counted.clear();
        if this.is_given_up {
            this.drop_body();
        }
        let has_block = this.proxy.connected().is_some_and(|outer| outer.state.get().is_lent());
        if has_block {
            this.drop_body();
            let name = this.proxy.name;
            rescue::unfinished(name, NOT_AWAITED);
        }
        this.proxy.outer.set(None);
        this.proxy.is_cancelled.set(false);
        this.origin.take()
    }

    /// Drops the body here. No rescue is needed afterwards.
    fn drop_body(&mut self) {
        self.origin = None;
        // SAFETY: as in `poll_body`.
        let mut body = unsafe { Pin::new_unchecked(&mut self.body) };
        panics::contain(|| body.set(None));
    }
}

impl<F, L> Cleanup for ShieldedState<F, L>
where
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable,
{
    fn name(self: Pin<&mut Self>) -> &'static str {
        self.proxy().name
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RescueEnd> {
        let polled = ShieldedState::poll(self.as_mut(), cx);
        // SAFETY: nothing is moved out of the state.
        let this = unsafe { self.get_unchecked_mut() };
        let name = this.proxy.name;
        let Poll::Ready(ended) = polled else {
            // A body that waits in a `cancellable` future is given up, because no caller uses the result. It is dropped
            // with the rest of the state.
            return if this.is_given_up { Poll::Ready(RescueEnd::Done) } else { Poll::Pending };
        };
        let mut end = RescueEnd::Failed;
        match ended {
            Ok(output) => {
                match output.as_error() {
                    Some(error) => {
                        let show: Show<'_> = &|f| this.named.show_static(&output, f);
                        rescue::failed(name, Lost::from(rescue::CANCELLED).error(error).show(show));
                    }
                    None => end = RescueEnd::Done,
                }
                panics::discard(output);
            }
            Err(payload) => rescue::panicked(name, payload),
        }
        Poll::Ready(end)
    }

    fn is_waiting(self: Pin<&mut Self>) -> bool {
        !self.proxy().has_no_rescues()
    }
}

impl<L: Contract> Proxy<L> {
    /// Returns the header of the driver. `None` if the `with!` was dropped.
    fn connected(&self) -> Option<&Header> {
        // SAFETY: the frame outlives `Shielded` (fact 1), which disconnects the proxy before it moves the state into a rescue.
        // While `Shielded` owns the state, no other code polls or drops the state.
        self.outer.get().map(|outer| unsafe { outer.header() })
    }

    fn has_lent(&self) -> bool {
        !matches!(self.header.state.get(), State::Unpolled | State::EnteringPlain | State::Entering)
    }

    fn phase(&self) -> Phase {
        match self.header.state.get() {
            State::Unpolled | State::EnteringPlain | State::Entering => Phase::Entering,
            State::Running | State::RunningDetached | State::Cancelling => Phase::Lent,
            State::BlockDone | State::BlockDropped | State::Done => Phase::Leaving,
        }
    }

    /// If a poll of the body would only poll the block, polls the block. Returns whether this was all that the poll had
    /// to do.
    fn poll_block_only(&self, cx: &mut Context<'_>) -> bool {
        if self.header.state.get() != State::Running || self.is_over.get() {
            return false;
        }
        self.poll_block(cx);
        !self.is_over.get()
    }

    /// Polls the block, if the `with!` is alive, and stores its outcome. If the `with!` was dropped, the outcome is
    /// `Cancelled`.
    fn poll_block(&self, cx: &mut Context<'_>) {
        let Some(outer) = self.outer.get() else { return self.end(Outcome::Cancelled) };
        let mut is_over = false;
        // SAFETY: the frame is alive: see `connected`.
        self.add_rescues(rescue::collect(&mut || is_over = unsafe { outer.poll(None, cx) }));
        if let (true, Some(header)) = (is_over, self.connected()) {
            if L::Exit::CATCHES {
                let mut error = None::<Caught<L>>;
                // SAFETY: as above. The pointer points to an `Option` of the caught error.
                unsafe { outer.take_error(NonNull::from(&mut error).cast()) };
                self.error.set(error);
            }
            self.end(header.outcome.get());
        }
    }

    fn end(&self, outcome: Outcome) {
        self.header.outcome.set(outcome);
        self.is_over.set(true);
    }

    fn add_rescues(&self, rescues: Rescues) {
        if !rescues.is_empty() {
            let mut left = self.rescues.take();
            left.extend(rescues);
            self.rescues.set(left);
        }
    }

    fn has_no_rescues(&self) -> bool {
        let left = self.rescues.take();
        let none = left.is_empty();
        self.rescues.set(left);
        none
    }

    /// Polls the rescues of the managers in the block, and the rescues that begin in these polls.
    fn poll_rescues(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut left = self.rescues.take();
        loop {
            let mut polled = Poll::Pending;
            let rescues = rescue::collect(&mut || polled = left.poll(cx));
            if rescues.is_empty() {
                self.rescues.set(left);
                ready!(polled);
                self.waiting.take().into_iter().for_each(user_code::wake);
                return Poll::Ready(());
            }
            left.extend(rescues);
        }
    }
}

// SAFETY: `name` only reads a field that is not written while the proxy is alive.
unsafe impl<L: Contract> BlockOwner for Proxy<L> {
    const CATCHES: bool = L::Exit::CATCHES;

    unsafe fn name(this: NonNull<()>) -> &'static str {
        // SAFETY: the caller guarantees that the proxy is alive. Only shared references to it are made, here and below.
        unsafe { this.cast::<Self>().as_ref() }.name
    }

    unsafe fn lend(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: as in `name`.
        let this = unsafe { this.cast::<Self>().as_ref() };
        if let (Some(outer), Some(header)) = (this.outer.get(), this.connected()) {
            header.set_route(this.header.route.get().max(Route::Shielded));
            header.begin_lending();
            // SAFETY: guaranteed by the caller. The driver is alive: see `connected`.
            unsafe { outer.lend(value_ptr) };
        }
    }

    unsafe fn begin(this: NonNull<()>, value_ptr: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        unsafe { Self::poll(this, Some(value_ptr), cx) }
    }

    unsafe fn poll_block(this: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: as in `name`.
        unsafe { this.cast::<Self>().as_ref() }.poll_as_owner(cx)
    }

    unsafe fn poll(this: NonNull<()>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        if let Some(value_ptr) = value_ptr {
            // SAFETY: guaranteed by the caller, with the same conditions.
            unsafe { Self::lend(this, value_ptr) };
        }
        // SAFETY: as in `name`.
        unsafe { <Self as BlockOwner>::poll_block(this, cx) }
    }

    unsafe fn drop_block(this: NonNull<()>) {
        // SAFETY: as in `name`.
        let this = unsafe { this.cast::<Self>().as_ref() };
        if let Some(outer) = this.outer.get() {
            // SAFETY: the frame is alive: see `connected`.
            unsafe { outer.release() };
        }
        this.error.take();
    }

    unsafe fn set_panic(this: NonNull<()>, payload: &mut Option<Payload>) {
        // SAFETY: as in `name`.
        let name = unsafe { this.cast::<Self>().as_ref() }.name;
        payload.take().into_iter().for_each(|payload| rescue::panicked(name, payload));
    }

    unsafe fn take_error(this: NonNull<()>, value_ptr: NonNull<()>) {
        // SAFETY: the caller guarantees that it points to an `Option` of the caught error.
        let value_ptr = unsafe { value_ptr.cast::<Option<Caught<L>>>().as_mut() };
        // SAFETY: as in `name`.
        *value_ptr = unsafe { this.cast::<Self>().as_ref() }.error.take();
    }
}

impl<L: Contract> Proxy<L> {
    /// Polls the block for the marker. Returns whether the marker may return the outcome.
    fn poll_as_owner(&self, cx: &mut Context<'_>) -> bool {
        if !self.is_over.get() {
            self.poll_block(cx);
        }
        if !self.is_over.get() || self.is_cancelled.get() {
            return false;
        }
        if !self.has_no_rescues() {
            let before = self.waiting.replace(user_code::clone(cx.waker()));
            user_code::discard(before);
            return false;
        }
        self.header.state.set(State::BlockDone);
        true
    }
}
