//! Guards a marker in an `async` block: other wakers and threads than those of the driver may poll it.

use core::cell::Cell;
use core::task::{Context, Poll, Waker};

use crate::current_thread::current_thread;
use crate::panics;
#[cfg(feature = "std")]
use crate::raw::header::Route;
use crate::raw::stop_scope::task_waker;
use crate::raw::{FrameHandle, Header, TaskLocalCell, TaskPtr};
use crate::rescue::Rescues;
use crate::waker::identity;

/// The position of the marker in its body.
pub trait Placement: Copy {
    /// Returns the guard of a marker in an `async` block. `None` if the marker is in the body itself.
    fn guard(&self) -> Option<&DetachedGuard>;
}

/// The marker is in the body itself.
#[derive(Clone, Copy, Debug)]
pub struct Inline(());

impl Inline {
    /// Creates the placement.
    #[expect(clippy::new_without_default, reason = "only generated code creates one")]
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

/// A local of a body whose marker is in an `async` block, or in the arguments of a macro, which may contain one.
///
/// Without `std`, threads cannot be told apart, so such a manager is not `Send`.
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
    /// The [`identity`] of the waker that the driver was polled with.
    driver: Cell<[usize; 2]>,
    /// The waker of the marker, if it is not the driver's. For example, a `FuturesUnordered` polls only woken futures,
    /// with a waker of its own for each.
    marker: Cell<Option<Waker>>,
    /// The rescues of the managers in a block that lost a race and was dropped.
    rescues: Cell<Rescues>,
}

impl DetachedGuard {
    /// Creates the guard of the body that was started with this handle.
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

    /// Records that the body keeps its marker: the `async` block around it is pinned in the body itself, so no code can
    /// leak it. An exit stack can then return what is lent in the block of this manager.
    ///
    /// Only managers of this crate call this, because only the code of a body shows it. The exit stack relies on it for its
    /// safety. Must be called before the marker is polled.
    #[cfg(feature = "std")]
    pub(crate) fn keep_marker(&self) {
        // SAFETY: the guard is a local of the body, which the header outlives (fact 1).
        unsafe { self.header().header() }.route.set(Route::Scope);
    }

    /// Records the current thread and the waker. Must be called before the body is polled or dropped.
    pub(crate) fn enter(&self, waker: &Waker) {
        let state = self.state.get();
        state.thread.set(current_thread());
        state.driver.set(identity(waker));
    }

    /// Checks the thread of a poll of the marker, and stores the waker of the poll if it is not the driver's.
    ///
    /// # Panics
    ///
    /// Panics if it is called on another thread than the driver's.
    pub(crate) fn before_marker(&self, waker: &Waker) {
        assert!(self.is_driver_thread(), "the future of a `yield!` was polled on a different thread than its `with!`");
        let state = self.state.get();
        let waker = task_waker(waker);
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

    /// Returns whether the marker has its own waker.
    pub(crate) fn has_own_waker(&self) -> bool {
        let marker = self.state.get().marker.take();
        let has_own = marker.is_some();
        self.state.get().marker.set(marker);
        has_own
    }

    /// Wakes the marker, so that the future or executor around it polls it. Returns whether the marker has its own
    /// waker. A panic of the waker is contained.
    pub(crate) fn wake(&self) -> bool {
        let Some(marker) = self.state.get().marker.take() else { return false };
        panics::contain(|| marker.wake());
        true
    }

    /// Returns whether the current thread is the one that polls the driver.
    pub(crate) fn is_driver_thread(&self) -> bool {
        self.state.get().thread.get() == current_thread()
    }

    /// Adds rescues for which the body must wait.
    pub(crate) fn add_rescues(&self, rescues: Rescues) {
        let left = &self.state.get().rescues;
        let mut all = left.take();
        all.extend(rescues);
        left.set(all);
    }

    /// Polls the rescues. Ready once all of them have ended.
    pub(crate) fn poll_rescues(&self, cx: &mut Context<'_>) -> Poll<()> {
        let left = &self.state.get().rescues;
        let mut all = left.take();
        let polled = all.poll(cx);
        left.set(all);
        polled
    }
}
