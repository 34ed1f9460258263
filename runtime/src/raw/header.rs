//! What a driver and the marker of its manager share, whatever the type of the block.

use core::cell::Cell;
use core::ptr::NonNull;
use core::task::Context;

use super::TaskPtr;
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::rescue;

/// How far a `with!` has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The body has not been polled.
    Unpolled,
    /// The body is under way and has not reached its marker.
    Entering,
    /// The marker has lent a value, and the block is there. The body itself waits at the marker.
    Running,
    /// As `Running`, but something stands between the driver and the marker.
    RunningDetached,
    /// As `RunningDetached`, but the `with!` is being dropped.
    Cancelling,
    /// The block has ended and has been dropped.
    BlockDone,
    /// The marker was dropped, and the block with it.
    BlockDropped,
    /// The body has ended, and the block has been dropped.
    Done,
}

impl State {
    /// Whether a value is lent and the block has not been dropped.
    #[inline]
    pub(super) const fn is_lent(self) -> bool {
        matches!(self, Self::Running | Self::RunningDetached | Self::Cancelling)
    }
}

/// What stands between a block owner and the marker of its manager. The later one of several counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Nothing: the body itself waits at the marker.
    Direct,
    /// A shielded manager, which looks at what is left of others when it is polled. The body waits as well.
    Shielded,
    /// Something that may put the marker aside, or leak it.
    Detached,
}

/// The beginning of a [`Frame`](crate::frame::Frame), and of a shielded manager's relay.
pub(crate) struct Header {
    owner: Cell<Option<Owner>>,
    pub(super) state: Cell<State>,
    /// Where the marker stands in the body, together with what the managers around it have on their way.
    pub(super) route: Cell<Route>,
    /// How the block ended, if it has.
    pub(super) outcome: Cell<Outcome>,
    /// Whether the body has panicked.
    pub(super) panicked: Cell<bool>,
    /// Whether the body has come to its end, though it still waits for what is left of its block.
    pub(super) has_ended: Cell<bool>,
    /// Whether the `with!` is being dropped and waits for its marker to be polled.
    pub(super) wants_marker: Cell<bool>,
    /// Whether a marker that is polled waits, as the wakers in what stands between are exchanged first.
    pub(super) holds_marker: Cell<bool>,
}

/// Who has the block, or can reach it, and how.
#[derive(Clone, Copy)]
struct Owner {
    pointer: TaskPtr<()>,
    vtable: &'static Vtable,
}

/// What has the block, or can reach it, as the marker sees it: a driver or a relay.
///
/// Each function takes the pointer that was given to [`Header::begin`], while that is still there.
///
/// # Safety
///
/// `name` must not use the pointer for more than to read a value that is never written.
pub(super) unsafe trait BlockOwner: Sized {
    /// How the marker calls it.
    const VTABLE: &'static Vtable = &Vtable {
        name: name::<Self>,
        lend: lend::<Self>,
        poll: poll::<Self>,
        drop_block: drop_block::<Self>,
        set_panic: set_panic::<Self>,
        take_error: if Self::CATCHES { take_error::<Self> } else { no_error },
    };

    /// Whether errors go through the manager.
    const CATCHES: bool;

    /// Returns the name of the manager.
    ///
    /// # Safety
    ///
    /// The owner is there.
    unsafe fn name(this: NonNull<Self>) -> &'static str;

    /// Catches the value out of `value_ptr` for the block.
    ///
    /// # Safety
    ///
    /// The owner is there. `value_ptr` points to an `Option` of what the manager lends, and the value in it is good until the
    /// block is dropped.
    unsafe fn lend(this: NonNull<Self>, value_ptr: NonNull<()>);

    /// Polls the block, or drops it if it is cancelled. Returns whether it is over; it is dropped then, and the header
    /// says how it ended. The first call has a `value_ptr`, and lends the value in it before.
    ///
    /// # Safety
    ///
    /// As of `lend`.
    unsafe fn poll(this: NonNull<Self>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool;

    /// Drops the block in place.
    ///
    /// # Safety
    ///
    /// The owner and the block are there, and the block is not used again.
    unsafe fn drop_block(this: NonNull<Self>);

    /// Keeps the panic of dropping the block.
    ///
    /// # Safety
    ///
    /// The owner is there.
    unsafe fn set_panic(this: NonNull<Self>, payload: Payload);

    /// Puts the error of the block into `value_ptr`, if the manager is to have it.
    ///
    /// # Safety
    ///
    /// The owner is there, and `value_ptr` points to an `Option` of what the outcome of the manager holds of an error.
    unsafe fn take_error(this: NonNull<Self>, value_ptr: NonNull<()>);
}

/// The functions of a [`BlockOwner`].
pub(super) struct Vtable {
    name: unsafe fn(NonNull<()>) -> &'static str,
    lend: unsafe fn(NonNull<()>, NonNull<()>),
    poll: unsafe fn(NonNull<()>, Option<NonNull<()>>, &mut Context<'_>) -> bool,
    drop_block: unsafe fn(NonNull<()>),
    set_panic: unsafe fn(NonNull<()>, Payload),
    take_error: unsafe fn(NonNull<()>, NonNull<()>),
}

unsafe fn name<O: BlockOwner>(owner: NonNull<()>) -> &'static str {
    // SAFETY: the caller says that it is such an owner, and keeps to what the trait asks for.
    unsafe { O::name(owner.cast()) }
}

unsafe fn lend<O: BlockOwner>(owner: NonNull<()>, value_ptr: NonNull<()>) {
    // SAFETY: as in `name`.
    unsafe { O::lend(owner.cast(), value_ptr) };
}

unsafe fn poll<O: BlockOwner>(owner: NonNull<()>, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
    // SAFETY: as in `name`.
    unsafe { O::poll(owner.cast(), value_ptr, cx) }
}

unsafe fn drop_block<O: BlockOwner>(owner: NonNull<()>) {
    // SAFETY: as in `name`.
    unsafe { O::drop_block(owner.cast()) };
}

unsafe fn set_panic<O: BlockOwner>(owner: NonNull<()>, payload: Payload) {
    // SAFETY: as in `name`.
    unsafe { O::set_panic(owner.cast(), payload) };
}

unsafe fn no_error(_owner: NonNull<()>, _slot: NonNull<()>) {}

unsafe fn take_error<O: BlockOwner>(owner: NonNull<()>, value_ptr: NonNull<()>) {
    // SAFETY: as in `name`.
    unsafe { O::take_error(owner.cast(), value_ptr) };
}

impl Header {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            owner: Cell::new(None),
            state: Cell::new(State::Unpolled),
            route: Cell::new(Route::Direct),
            outcome: Cell::new(Outcome::Completed),
            panicked: Cell::new(false),
            has_ended: Cell::new(false),
            wants_marker: Cell::new(false),
            holds_marker: Cell::new(false),
        }
    }

    /// Notes that the body of `owner`, which is pinned, is about to be polled for the first time.
    #[inline]
    pub(super) fn begin<O: BlockOwner>(&self, owner: NonNull<O>) {
        self.owner.set(Some(Owner { pointer: TaskPtr(owner.cast()), vtable: O::VTABLE }));
        self.state.set(State::Entering);
    }

    /// # Panics
    ///
    /// If the body has not been polled by a driver.
    #[inline]
    fn owner(&self) -> Owner {
        self.owner.get().expect("a marker is reached when its body is polled")
    }

    /// Notes that `route` is between the owner and the marker.
    #[inline]
    pub(super) fn set_route(&self, route: Route) {
        self.route.set(route.max(self.route.get()));
    }

    /// Notes that the marker lends its value.
    ///
    /// # Panics
    ///
    /// If another marker has lent before.
    #[inline]
    pub(super) fn begin_lending(&self) {
        if self.state.get() != State::Entering {
            self.yielded_twice();
        }
        let is_direct = self.route.get() == Route::Direct;
        self.state.set(if is_direct { State::Running } else { State::RunningDetached });
    }

    #[cold]
    fn yielded_twice(&self) -> ! {
        panic!("`{}` reached its `yield!` a second time", self.name());
    }

    /// Returns the name of the manager, whose body calls this.
    pub(super) fn name(&self) -> &'static str {
        let Owner { pointer, vtable } = self.owner();
        // SAFETY: the body is there, and so is the owner (fact 1).
        unsafe { (vtable.name)(pointer.0) }
    }

    /// Notes that the body has ended. Returns how far it had come.
    #[inline]
    pub(super) fn conclude(&self, name: impl FnOnce() -> &'static str) -> State {
        let before = self.state.get();
        if before == State::BlockDone {
            self.state.set(State::Done);
        } else {
            self.conclude_without_end(before, name);
        }
        before
    }

    /// Notes that the body has ended, but not the block.
    #[cold]
    fn conclude_without_end(&self, before: State, name: impl FnOnce() -> &'static str) {
        if before.is_lent() {
            abort_leaked(name());
        }
        if before != State::Entering {
            self.state.set(State::Done);
        }
    }

    /// Returns how the block ended, if it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        (self.state.get() == State::BlockDone).then(|| self.outcome.get())
    }
}

/// A header, as those have it who may reach the block owner behind it.
impl TaskPtr<Header> {
    /// # Safety
    ///
    /// The header is there.
    #[inline]
    pub(super) unsafe fn header<'h>(self) -> &'h Header {
        // SAFETY: the caller says so; a header is only used by shared references.
        unsafe { self.0.as_ref() }
    }

    /// See [`BlockOwner::lend`].
    ///
    /// # Safety
    ///
    /// As there; and the header is there.
    #[inline]
    pub(super) unsafe fn lend(self, value_ptr: NonNull<()>) {
        // SAFETY: the caller says so.
        let Owner { pointer, vtable } = unsafe { self.header() }.owner();
        // SAFETY: these are the owner's functions; the rest the caller says.
        unsafe { (vtable.lend)(pointer.0, value_ptr) };
    }

    /// See [`BlockOwner::poll`].
    ///
    /// # Safety
    ///
    /// As there; and the header is there.
    #[inline]
    pub(super) unsafe fn poll(self, value_ptr: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        // SAFETY: as in `lend`.
        let Owner { pointer, vtable } = unsafe { self.header() }.owner();
        // SAFETY: as in `lend`.
        unsafe { (vtable.poll)(pointer.0, value_ptr, cx) }
    }

    /// See [`BlockOwner::take_error`].
    ///
    /// # Safety
    ///
    /// As there; and the header is there.
    #[inline]
    pub(super) unsafe fn take_error(self, value_ptr: NonNull<()>) {
        // SAFETY: as in `lend`.
        let Owner { pointer, vtable } = unsafe { self.header() }.owner();
        // SAFETY: as in `lend`.
        unsafe { (vtable.take_error)(pointer.0, value_ptr) };
    }

    /// Drops the block though it has not ended, for a marker that is dropped. A panic in that is a panic of the block.
    ///
    /// # Safety
    ///
    /// Header and owner are there.
    pub(super) unsafe fn release(self) {
        // SAFETY: the caller says so.
        let header = unsafe { self.header() };
        if header.state.get().is_lent() {
            header.state.set(State::BlockDropped);
            // SAFETY: the block was there, as the state said, which says now that it is not.
            unsafe { self.drop_block() };
        }
    }

    /// Drops the block of a `with!` that is being dropped, and notes that it was cancelled.
    ///
    /// # Safety
    ///
    /// Header and owner are there, and the block, with what is lent to it, is as well.
    #[inline(never)]
    pub(super) unsafe fn cancel_block(self) {
        // SAFETY: the caller says so.
        let header = unsafe { self.header() };
        header.state.set(State::BlockDone);
        header.outcome.set(Outcome::Cancelled);
        let block = rescue::begin_block();
        // SAFETY: the block was there, as the caller says; the state says now that it is not.
        unsafe { self.drop_block() };
        rescue::end_block(block);
    }

    /// Drops the block. A panic in that is a panic of the block.
    ///
    /// # Safety
    ///
    /// Header and owner are there; the rest as of [`BlockOwner::drop_block`].
    pub(super) unsafe fn drop_block(self) {
        // SAFETY: the caller says so.
        let header = unsafe { self.header() };
        let Owner { pointer, vtable } = header.owner();
        // SAFETY: these are the owner's functions; the rest the caller says.
        if let Err(payload) = panics::catch(|| unsafe { (vtable.drop_block)(pointer.0) }) {
            header.outcome.set(Outcome::Panicked);
            // SAFETY: as above.
            unsafe { (vtable.set_panic)(pointer.0, payload) };
        }
    }
}

/// Ends the process: the block can't be dropped, as what it borrows from the manager may be gone.
#[cold]
pub(super) fn abort_leaked(name: &str) -> ! {
    panics::abort(format_args!(
        "`{name}` leaked the future of its `yield!`, or dropped it on another thread, while a block was lent to it"
    ))
}
