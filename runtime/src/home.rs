//! Looks after a marker that stands in an `async` block: it may be polled by wakers and threads that are not the
//! driver's.

use core::cell::Cell;
use core::task::{Context, Poll, Waker};

use crate::frame::{OneTask, Ops};
use crate::rescue::Rescues;

/// Where the marker of a body stands.
pub trait Here {
    /// Whether it is in the body itself.
    const INLINE: bool;

    /// What there is to be looked after when it is in an `async` block.
    fn home(&self) -> Option<&Home>;
}

/// The marker stands in the body itself.
#[derive(Debug)]
pub struct Inline;

impl Here for Inline {
    const INLINE: bool = true;

    #[inline]
    fn home(&self) -> Option<&Home> {
        None
    }
}

impl Here for Home {
    const INLINE: bool = false;

    #[inline]
    fn home(&self) -> Option<&Home> {
        Some(self)
    }
}

/// A local of a body whose marker stands in an `async` block (or in a macro's arguments, where one may be).
///
/// Without `std` there are no threads that could be told apart: such a manager is not `Send` then.
#[derive(Default)]
pub struct Home {
    state: OneTask<State>,
    #[cfg(not(feature = "std"))]
    one_thread: core::marker::PhantomData<*const ()>,
}

#[derive(Default)]
struct State {
    /// The functions of the host, to which the head has this home in the way.
    ops: Cell<Option<&'static Ops>>,
    /// The thread that polls the driver.
    thread: Cell<usize>,
    /// The addresses that make up the waker that the driver was polled with.
    driver: Cell<[usize; 2]>,
    /// The marker's waker, if it is another: of a `FuturesUnordered`, say, which polls only what was woken.
    marker: Cell<Option<Waker>>,
    /// What is left of the managers in a block that was raced away.
    left: Cell<Rescues>,
}

impl Home {
    /// Keeps these for the head.
    pub(crate) fn keep(&self, ops: &'static Ops) {
        self.state.get().ops.set(Some(ops));
    }

    pub(crate) fn ops(&self) -> Option<&'static Ops> {
        self.state.get().ops.get()
    }

    /// The driver is about to poll or drop the body.
    pub(crate) fn enter(&self, waker: &Waker) {
        let state = self.state.get();
        state.thread.set(current_thread());
        state.driver.set(identity(waker));
    }

    /// The marker is polled.
    pub(crate) fn visit(&self, waker: &Waker) {
        self.check();
        let state = self.state.get();
        if identity(waker) != state.driver.get() {
            let known = state.marker.take().filter(|known| known.will_wake(waker));
            state.marker.set(Some(known.unwrap_or_else(|| waker.clone())));
        }
    }

    /// Has the marker polled, whoever polls it.
    pub(crate) fn wake(&self) {
        self.state.get().marker.take().inspect(Waker::wake_by_ref);
    }

    /// Whether this is the thread that polls the driver.
    pub(crate) fn is_here(&self) -> bool {
        self.state.get().thread.get() == current_thread()
    }

    /// The body is to wait for these.
    pub(crate) fn add_left(&self, rescues: Rescues) {
        let left = &self.state.get().left;
        let mut all = left.take();
        all.extend(rescues);
        left.set(all);
    }

    /// Waits for what is left.
    pub(crate) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        let left = &self.state.get().left;
        let mut all = left.take();
        let polled = all.poll(cx);
        left.set(all);
        polled
    }

    fn check(&self) {
        assert!(self.is_here(), "the future of a `yield!` was polled on another thread than its `with!`");
    }
}

fn identity(waker: &Waker) -> [usize; 2] {
    [waker.data().addr(), core::ptr::from_ref(waker.vtable()).addr()]
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
