//! The state that a driver shares with the marker of its manager, independent of the type of the block.

use core::cell::Cell;
use core::ptr::NonNull;
use core::task::Context;

use super::TaskPtr;
use super::stop_scope::is_scope;
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::rescue;

/// The state of a running `with!`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The body has not been polled.
    Unpolled,
    /// The body has been polled and has not reached its marker. No scope has polled the driver, and nothing is known to lie
    /// between the driver and the marker.
    EnteringPlain,
    /// The body has been polled and has not reached its marker.
    Entering,
    /// The marker has lent a value, and the block has not been dropped. The body itself is suspended at the marker.
    Running,
    /// Same as `Running`, but something lies between the driver and the marker.
    RunningDetached,
    /// Same as `RunningDetached`, but the `with!` is being dropped.
    Cancelling,
    /// The block has ended and has been dropped.
    BlockDone,
    /// The marker was dropped, and the block with it.
    BlockDropped,
    /// The body has ended, and the block has been dropped.
    Done,
}

impl State {
    /// Returns whether the body has been polled and has not reached its marker.
    #[inline]
    pub(super) const fn is_entering(self) -> bool {
        matches!(self, Self::EnteringPlain | Self::Entering)
    }

    /// Returns whether the block is to be polled with the `with!`.
    #[inline]
    pub(super) const fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::RunningDetached)
    }

    /// Returns whether a value is lent and the block has not been dropped.
    #[inline]
    pub(super) const fn is_lent(self) -> bool {
        matches!(self, Self::Running | Self::RunningDetached | Self::Cancelling)
    }
}

/// Describes what lies between a block owner and the marker of its manager. The variants are ordered: of several
/// routes, the greatest counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Nothing: the body itself is suspended at the marker.
    Direct,
    /// A shielded manager, which also polls the rescues of its block when it is polled. The body itself is suspended at
    /// the marker here, too.
    Shielded,
    /// A scope of this crate, which polls the marker in a future that it can stop. It does not leak the marker: see
    /// [`keep_marker`](super::detached::DetachedGuard::keep_marker).
    Scope,
    /// A future or a macro that may stop polling the marker, or leak it.
    Detached,
}

/// A flag of a [`Header`].
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Flag {
    /// The body has panicked.
    Panicked = 1,
    /// The body has ended. The `with!` may still wait for the rescues of its block.
    HasEnded = 1 << 1,
    /// The `with!` is being dropped or stopped, and needs its marker to be polled.
    WantsMarker = 1 << 2,
    /// The marker must stay pending when it is polled, because the futures between the driver and the marker must store
    /// the new waker first.
    HoldsMarker = 1 << 3,
    /// When the block was last polled, or the enter phase before it, it contained something that a stop must leave first.
    /// Only scopes that can stop record this.
    HasOpen = 1 << 4,
    /// A scope around the `with!` stops it: the marker must stop the block.
    Stopping = 1 << 5,
    /// A stop has dropped the block before its end, or a block in which the marker of this block's manager is.
    Cut = 1 << 6,
    /// The block contains the marker of an enclosing manager, and that marker has returned during a stop. The rest of
    /// the block is part of an exit phase.
    Leaving = 1 << 7,
}

/// The variant of a [`Slot`](super::frame_cell::Slot), without its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotKind {
    Nothing,
    Lent,
    Value,
    Jump,
    Return,
    FailedValue,
    FailedReturn,
    Caught,
    Panicked,
}

impl SlotKind {
    /// Returns the outcome of the block. `None` if the slot does not hold the end of the block.
    pub(crate) const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Nothing | Self::Lent => None,
            Self::Value | Self::Jump | Self::Return => Some(Outcome::Completed),
            Self::FailedValue | Self::FailedReturn | Self::Caught => Some(Outcome::Failed(())),
            Self::Panicked => Some(Outcome::Panicked),
        }
    }
}

/// The header of a [`Frame`](crate::frame::Frame), and of the proxy of a shielded manager.
pub(crate) struct Header {
    owner: Cell<Option<Owner>>,
    pub(super) state: Cell<State>,
    /// The outcome of the block. `Cancelled` before the block has ended.
    pub(super) outcome: Cell<Outcome>,
    /// The position of the marker in its body, combined with the routes of the managers around it.
    pub(super) route: Cell<Route>,
    flags: Cell<u8>,
    /// The kind of the slot of the frame. Only [`FrameCell`](super::frame_cell::FrameCell) sets it.
    pub(super) slot: Cell<SlotKind>,
}

/// A type-erased [`BlockOwner`].
#[derive(Clone, Copy)]
struct Owner {
    pointer: TaskPtr<()>,
    vtable: &'static Vtable,
}

/// The owner of the block as the marker sees it: a driver, or a proxy that reaches the driver.
///
/// Each function takes the pointer that was passed to [`Header::set_owner`], without its type. Its target must still be alive.
///
/// # Safety
///
/// `name` must use the pointer only to read a value that is never written.
pub(super) unsafe trait BlockOwner: Sized {
    /// The functions of this owner, for the marker.
    const VTABLE: &'static Vtable = &Vtable {
        name: Self::name,
        lend: Self::lend,
        begin: Self::begin,
        poll_block: Self::poll_block,
        poll: Self::poll,
        drop_block: Self::drop_block,
        set_panic: Self::set_panic,
        take_error: if Self::CATCHES { Self::take_error } else { no_error },
    };

    /// Whether the manager receives the errors of the block.
    const CATCHES: bool;

    /// Returns the name of the manager.
    ///
    /// # Safety
    ///
    /// The owner must be alive.
    unsafe fn name(this: NonNull<()>) -> &'static str;

    /// Takes the value out of `value_ptr`, for the block.
    ///
    /// # Safety
    ///
    /// The owner must be alive. `value_ptr` must point to an `Option` of the lent value, which is `Some`.
    unsafe fn lend(this: NonNull<()>, value_ptr: NonNull<()>);

    /// Lends the value in `value_ptr`, and polls the block, which no scope can stop. Returns whether the block has ended. A
    /// block that has ended has been dropped, and the header holds its outcome.
    ///
    /// # Safety
    ///
    /// Same as `lend`. The caller must be a marker for which [`Header::try_begin_plain`] has just returned `true`, and
    /// `value_ptr` must point to a `Some`.
    unsafe fn begin(this: NonNull<()>, value_ptr: NonNull<()>, cx: &mut Context<'_>) -> bool;

    /// Polls the block, whatever polls the `with!`. Returns whether the block has ended. A block that has ended has been
    /// dropped, and the header holds its outcome.
    ///
    /// # Safety
    ///
    /// The owner must be alive. The block must not have been dropped, and must not be in use.
    unsafe fn poll_block(this: NonNull<()>, cx: &mut Context<'_>) -> bool;

    /// Polls the block, or drops it if the `with!` is being cancelled. Returns whether the block has ended. A block
    /// that has ended has been dropped, and the header holds its outcome. If `value_ptr` is `Some`, the value in it is
    /// lent first.
    ///
    /// # Safety
    ///
    /// Same as `lend`.
    unsafe fn poll(this: NonNull<()>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool;

    /// Drops the block in place.
    ///
    /// # Safety
    ///
    /// The owner must be alive. The block must not have been dropped, and must not be used again.
    unsafe fn drop_block(this: NonNull<()>);

    /// Takes the payload and stores it as the panic of the block.
    ///
    /// # Safety
    ///
    /// The owner must be alive.
    unsafe fn set_panic(this: NonNull<()>, payload: &mut Option<Payload>);

    /// Writes the error of the block to `value_ptr`, if the manager receives it.
    ///
    /// # Safety
    ///
    /// The owner must be alive. `value_ptr` must point to an `Option` of the error type in the outcome of the manager.
    unsafe fn take_error(this: NonNull<()>, value_ptr: NonNull<()>);
}

/// The functions of a [`BlockOwner`]. Each takes the pointer to the owner as its first argument.
pub(super) struct Vtable {
    name: unsafe fn(NonNull<()>) -> &'static str,
    lend: unsafe fn(NonNull<()>, NonNull<()>),
    begin: unsafe fn(NonNull<()>, NonNull<()>, &mut Context<'_>) -> bool,
    poll_block: unsafe fn(NonNull<()>, &mut Context<'_>) -> bool,
    poll: unsafe fn(NonNull<()>, Option<NonNull<()>>, &mut Context<'_>) -> bool,
    drop_block: unsafe fn(NonNull<()>),
    set_panic: unsafe fn(NonNull<()>, &mut Option<Payload>),
    take_error: unsafe fn(NonNull<()>, NonNull<()>),
}

unsafe fn no_error(_owner: NonNull<()>, _value_ptr: NonNull<()>) {}

impl Header {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            owner: Cell::new(None),
            state: Cell::new(State::Unpolled),
            route: Cell::new(Route::Direct),
            outcome: Cell::new(Outcome::Cancelled),
            flags: Cell::new(0),
            slot: Cell::new(SlotKind::Nothing),
        }
    }

    #[inline]
    pub(super) fn has(&self, flag: Flag) -> bool {
        self.flags.get() & flag as u8 != 0
    }

    #[inline]
    pub(super) fn set(&self, flag: Flag, is_set: bool) {
        let others = self.flags.get() & !(flag as u8);
        self.flags.set(if is_set { others | flag as u8 } else { others });
    }

    /// Sets the owner of the block. The owner is pinned from then on.
    #[inline]
    pub(super) fn set_owner<O: BlockOwner>(&self, owner: NonNull<O>) {
        self.owner.set(Some(Owner { pointer: TaskPtr(owner.cast()), vtable: O::VTABLE }));
    }

    /// Records that the body is about to be polled for the first time. `is_plain` says that no scope polls it.
    #[inline]
    pub(super) fn begin(&self, is_plain: bool) {
        self.state.set(if is_plain { State::EnteringPlain } else { State::Entering });
    }

    /// Records that a scope, or something that lies between driver and marker, may poll the marker.
    pub(super) fn set_not_plain(&self) {
        if self.state.get() == State::EnteringPlain {
            self.state.set(State::Entering);
        }
    }

    /// # Panics
    ///
    /// Panics if the body has not been polled by a driver.
    #[inline]
    fn owner(&self) -> Owner {
        self.owner.get().expect("a `yield!` is reached only while its body is polled")
    }

    /// Records that `route` lies between the owner and the marker.
    #[inline]
    pub(super) fn set_route(&self, route: Route) {
        if route > self.route.get() {
            self.route.set(route);
            self.set_not_plain();
        }
    }

    /// Records that the marker lends its value.
    ///
    /// # Panics
    ///
    /// Panics if another marker has lent before.
    #[inline]
    pub(super) fn begin_lending(&self) {
        if !self.state.get().is_entering() {
            self.yielded_twice();
        }
        let is_direct = self.route.get() == Route::Direct;
        self.state.set(if is_direct { State::Running } else { State::RunningDetached });
    }

    /// Records that the marker lends its value, if it is polled by the driver alone and in no scope. Returns whether it is.
    /// If it is not, nothing has changed.
    #[inline]
    pub(super) fn try_begin_plain(&self) -> bool {
        let is_plain = self.state.get() == State::EnteringPlain;
        if is_plain {
            self.state.set(State::Running);
        }
        is_plain
    }

    #[cold]
    fn yielded_twice(&self) -> ! {
        panic!("`{}` reached its `yield!` a second time", self.name());
    }

    /// Returns the name of the manager. Only its body calls this.
    pub(super) fn name(&self) -> &'static str {
        let Owner { pointer, vtable } = self.owner();
        // SAFETY: the caller is the body, and the owner outlives it (fact 1).
        unsafe { (vtable.name)(pointer.0) }
    }

    /// Records that the body has ended. Returns the state before that. Aborts the process if the block has not been dropped.
    #[inline]
    pub(super) fn conclude(&self) -> State {
        let before = self.state.get();
        if before.is_lent() {
            abort_leaked(self.name());
        }
        if !before.is_entering() {
            self.state.set(State::Done);
        }
        before
    }

    /// Returns whether a scope around the `with!` has stopped it, so that it has no value.
    pub(super) fn was_stopped(&self) -> bool {
        self.has(Flag::Stopping) && self.has(Flag::Cut) && self.outcome.get() == Outcome::Cancelled
    }

    /// Records that the block has ended with this outcome. The block is dropped next, by the code that has polled it.
    #[inline]
    pub(crate) fn end_block(&self, outcome: Outcome) {
        self.state.set(State::BlockDone);
        self.outcome.set(outcome);
    }

    /// Returns what the slot of the frame holds. An error that bypasses the manager is elsewhere.
    #[inline]
    pub(crate) fn slot_kind(&self) -> SlotKind {
        self.slot.get()
    }

    /// Returns whether the block has ended.
    #[inline]
    pub(crate) fn is_block_done(&self) -> bool {
        self.state.get() == State::BlockDone
    }

    /// Returns whether the body has ended, and the block has been dropped.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.state.get() == State::Done
    }

    /// Returns the outcome of the block. `None` if the block has not ended.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        (self.state.get() == State::BlockDone).then(|| self.outcome.get())
    }
}

/// A pointer to the header. It also reaches the block owner behind the header.
impl TaskPtr<Header> {
    /// # Safety
    ///
    /// The header must be alive.
    #[inline]
    pub(super) unsafe fn header<'h>(self) -> &'h Header {
        // SAFETY: guaranteed by the caller. Only shared references to a header are made.
        unsafe { self.0.as_ref() }
    }

    /// See [`BlockOwner::lend`].
    ///
    /// # Safety
    ///
    /// The same conditions as there. The header must be alive.
    #[inline]
    pub(super) unsafe fn lend(self, value_ptr: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        let Owner { pointer, vtable } = unsafe { self.header() }.owner();
        // SAFETY: these are the functions of this owner. The rest is guaranteed by the caller.
        unsafe { (vtable.lend)(pointer.0, value_ptr) };
    }

    /// See [`BlockOwner::begin`].
    ///
    /// # Safety
    ///
    /// The same conditions as there. The header must be alive.
    #[inline]
    pub(super) unsafe fn begin(self, value_ptr: NonNull<()>, cx: &mut Context<'_>) -> bool {
        // SAFETY: guaranteed by the caller.
        let owner = unsafe { self.header() }.owner.get();
        // SAFETY: the marker has begun to lend, so the driver has set the owner.
        let Owner { pointer, vtable } = unsafe { owner.unwrap_unchecked() };
        // SAFETY: as in `lend`.
        unsafe { (vtable.begin)(pointer.0, value_ptr, cx) }
    }

    /// See [`BlockOwner::poll_block`].
    ///
    /// # Safety
    ///
    /// The same conditions as there. The header must be alive.
    pub(super) unsafe fn poll_block(self, cx: &mut Context<'_>) -> bool {
        // SAFETY: as in `lend`.
        let Owner { pointer, vtable } = unsafe { self.header() }.owner();
        // SAFETY: as in `lend`.
        unsafe { (vtable.poll_block)(pointer.0, cx) }
    }

    /// See [`BlockOwner::poll`].
    ///
    /// # Safety
    ///
    /// The same conditions as there. The header must be alive.
    #[inline]
    pub(super) unsafe fn poll(self, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        // SAFETY: as in `lend`.
        let header = unsafe { self.header() };
        let Owner { pointer, vtable } = header.owner();
        let is_plain = value_ptr.is_none() && !header.has(Flag::Stopping) && !is_scope(cx.waker());
        if is_plain && header.state.get().is_running() {
            // SAFETY: as in `lend`. The state says that the block has not been dropped. The caller is a marker, which the block
            // does not poll.
            return unsafe { (vtable.poll_block)(pointer.0, cx) };
        }
        // SAFETY: as in `lend`.
        unsafe { (vtable.poll)(pointer.0, value_ptr, cx) }
    }

    /// See [`BlockOwner::take_error`].
    ///
    /// # Safety
    ///
    /// The same conditions as there. The header must be alive.
    #[inline]
    pub(super) unsafe fn take_error(self, value_ptr: NonNull<()>) {
        // SAFETY: as in `lend`.
        let Owner { pointer, vtable } = unsafe { self.header() }.owner();
        // SAFETY: as in `lend`.
        unsafe { (vtable.take_error)(pointer.0, value_ptr) };
    }

    /// Drops the block before its end, because its marker is dropped. A panic of this drop is a panic of the block.
    ///
    /// # Safety
    ///
    /// The header and the owner must be alive.
    pub(super) unsafe fn release(self) {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { self.header() };
        if header.state.get().is_lent() {
            header.state.set(State::BlockDropped);
            // SAFETY: the previous state says that the block had not been dropped. The new state says that it has been.
            unsafe { self.drop_block() };
        }
    }

    /// Drops the block of a `with!` that is being dropped, and records that it was cancelled.
    ///
    /// # Safety
    ///
    /// The header and the owner must be alive. The block must not have been dropped, and what is lent to it must still
    /// be valid.
    #[inline(never)]
    pub(super) unsafe fn cancel_block(self) {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { self.header() };
        header.state.set(State::BlockDone);
        header.outcome.set(Outcome::Cancelled);
        let block = rescue::begin_block();
        // SAFETY: the caller guarantees that the block has not been dropped. The new state says that it has been.
        unsafe { self.drop_block() };
        rescue::end_block(block);
    }

    /// Records that the block has panicked, and drops the block if it has not been dropped.
    ///
    /// # Safety
    ///
    /// The header and the owner must be alive. The block must not be in use.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn fail(self, payload: Payload) {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { self.header() };
        let Owner { pointer, vtable } = header.owner();
        // SAFETY: these are the functions of this owner. The rest is guaranteed by the caller.
        unsafe { (vtable.set_panic)(pointer.0, &mut Some(payload)) };
        if header.state.replace(State::BlockDone).is_lent() {
            // SAFETY: the previous state says that the block had not been dropped.
            unsafe { self.drop_block() };
        }
        header.outcome.set(Outcome::Panicked);
    }

    /// Drops the block. A panic of this drop is a panic of the block.
    ///
    /// # Safety
    ///
    /// The header and the owner must be alive. The conditions of [`BlockOwner::drop_block`] apply as well.
    pub(super) unsafe fn drop_block(self) {
        // SAFETY: guaranteed by the caller.
        let header = unsafe { self.header() };
        let Owner { pointer, vtable } = header.owner();
        // SAFETY: these are the functions of this owner. The rest is guaranteed by the caller.
        if let Err(payload) = panics::catch(|| unsafe { (vtable.drop_block)(pointer.0) }) {
            header.outcome.set(Outcome::Panicked);
            // SAFETY: as above.
            unsafe { (vtable.set_panic)(pointer.0, &mut Some(payload)) };
        }
    }
}

/// Aborts the process: the block cannot be dropped, because what it borrows from the manager may be gone.
#[cold]
pub(super) fn abort_leaked(name: &str) -> ! {
    panics::abort(format_args!(
        "`{name}` leaked the future of its `yield!`, or dropped it on another thread, before its block ended"
    ))
}
