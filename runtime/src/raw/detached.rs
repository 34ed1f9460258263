//! Looks after a marker that stands in an `async` block: it may be polled by wakers and threads that are not the
//! driver's.

use core::cell::Cell;
use core::task::{Context, Poll, Waker};

use crate::panics;
use crate::raw::{FrameHandle, Header, TaskLocalCell, TaskPtr};
use crate::rescue::Rescues;
use crate::waker::identity;

/// Where the marker of a body stands.
pub trait Placement: Copy {
    /// Returns what there is to be looked after if it is in an `async` block.
    fn guard(&self) -> Option<&DetachedGuard>;
}

/// The marker stands in the body itself.
#[derive(Clone, Copy, Debug)]
pub struct Inline(());

impl Inline {
    /// Makes one.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Placement for Inline {
    #[inline]
    fn guard(&self) -> Option<&DetachedGuard> {
        None
    }
}

impl Placement for &DetachedGuard {
    #[inline]
    fn guard(&self) -> Option<&DetachedGuard> {
        Some(self)
    }
}

/// A local of a body whose marker stands in an `async` block (or in a macro's arguments, where one may be).
///
/// Without `std` there are no threads that could be told apart: such a manager is not `Send` then.
pub struct DetachedGuard {
    state: TaskLocalCell<GuardState>,
    #[cfg(not(feature = "std"))]
    one_thread: core::marker::PhantomData<*const ()>,
}

struct GuardState {
    /// The header of the `with!`.
    header: TaskPtr<Header>,
    /// The thread that polls the driver.
    thread: Cell<usize>,
    /// The addresses that make up the waker that the driver was polled with.
    driver: Cell<[usize; 2]>,
    /// The marker's waker, if it is another: of a `FuturesUnordered`, say, which polls only what was woken.
    marker: Cell<Option<Waker>>,
    /// What is left of the managers in a block that was raced away.
    rescues: Cell<Rescues>,
}

impl DetachedGuard {
    /// Makes one, for the body that has been started with this handle.
    #[must_use]
    pub fn new(frame: &FrameHandle) -> Self {
        let state = GuardState {
            header: frame.detach(),
            thread: Cell::default(),
            driver: Cell::default(),
            marker: Cell::default(),
            rescues: Cell::default(),
        };
        Self {
            state: TaskLocalCell::new(state),
            #[cfg(not(feature = "std"))]
            one_thread: core::marker::PhantomData,
        }
    }

    pub(crate) const fn header(&self) -> TaskPtr<Header> {
        self.state.get().header
    }

    /// Notes that the body is about to be polled or dropped.
    pub(crate) fn enter(&self, waker: &Waker) {
        let state = self.state.get();
        state.thread.set(current_thread());
        state.driver.set(identity(waker));
    }

    /// Notes that the marker is polled, with this waker.
    ///
    /// # Panics
    ///
    /// On another thread than the driver's.
    pub(crate) fn before_marker(&self, waker: &Waker) {
        assert!(self.is_driver_thread(), "the future of a `yield!` was polled on another thread than its `with!`");
        let state = self.state.get();
        if identity(waker) != state.driver.get() {
            let known = state.marker.take();
            if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
                state.marker.set(known);
            } else {
                panics::contain(|| drop(known));
                let mut own = None;
                panics::contain(|| own = Some(waker.clone()));
                state.marker.set(own);
            }
        }
    }

    /// Whether the marker has a waker of its own.
    pub(crate) fn has_own_waker(&self) -> bool {
        let marker = self.state.get().marker.take();
        let has_own = marker.is_some();
        self.state.get().marker.set(marker);
        has_own
    }

    /// Wakes the marker, so that whoever polls it does. Returns whether it has a waker of its own. A panic of that goes no
    /// further.
    pub(crate) fn wake(&self) -> bool {
        let Some(marker) = self.state.get().marker.take() else { return false };
        panics::contain(|| marker.wake());
        true
    }

    /// Whether this is the thread that polls the driver.
    pub(crate) fn is_driver_thread(&self) -> bool {
        self.state.get().thread.get() == current_thread()
    }

    /// The body is to wait for these.
    pub(crate) fn add_rescues(&self, rescues: Rescues) {
        let left = &self.state.get().rescues;
        let mut all = left.take();
        all.extend(rescues);
        left.set(all);
    }

    /// Waits for what is left.
    pub(crate) fn poll_rescues(&self, cx: &mut Context<'_>) -> Poll<()> {
        let left = &self.state.get().rescues;
        let mut all = left.take();
        let polled = all.poll(cx);
        left.set(all);
        polled
    }
}

/// A number that no other living thread has.
#[cfg(feature = "std")]
fn current_thread() -> usize {
    std::thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| core::ptr::from_ref(here).addr())
}

#[cfg(not(feature = "std"))]
fn current_thread() -> usize {
    0
}
