//! The state of the thread: whether a scope collects the rescues that begin, and whose enter phase is polled.
//!
//! The thread-local has no destructor, so it is still accessible when the destructors of other thread-locals run.

use std::cell::Cell;

std::thread_local! {
    static CONTEXT: ThreadContext = const { ThreadContext { mode: Cell::new(Mode::NONE), watch: Cell::new(Watch::NONE) } };
}

/// The function that replaces a part also restores it.
struct ThreadContext {
    mode: Cell<Mode>,
    watch: Cell<Watch>,
}

/// The innermost open [`CollectScope`](super::collector::CollectScope), which collects the rescues that begin.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    /// The number of open scopes.
    pub(super) level: u32,
    /// The number of open scopes that the thread is outside of. These scopes collect nothing at the moment.
    pub(super) outside: u32,
    /// Whether the scope belongs to a `with!` that is being dropped and whose manager leaves in place.
    pub(super) is_in_place: bool,
    /// Whether the rescues in the scope run one after the other.
    pub(super) is_sequence: bool,
    /// Whether the handles of the scope have no receiver: it would add them to the scope around it, and nothing waits
    /// for those.
    pub(super) is_outermost: bool,
}

impl Mode {
    const NONE: Self = Self { level: 0, outside: 0, is_in_place: false, is_sequence: false, is_outermost: false };

    /// Returns whether a scope collects the rescues that begin now.
    pub(super) const fn is_collecting(self) -> bool {
        self.level > self.outside
    }

    /// Returns whether anything will wait for a rescue that begins now.
    pub(super) const fn is_wanted(self) -> bool {
        self.is_collecting() && (self.is_sequence || !self.is_outermost)
    }
}

/// A poll of the body of a shielded manager in its enter phase.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    /// The unique number of the poll. 0 until a future is counted in it.
    pub(super) number: u64,
    /// The number of futures of [`cancellable`](super::cancellable()) that are pending in it.
    pub(super) pending: u32,
    /// The identity of the waker that the body was polled with. A future that is polled with another waker does not
    /// belong to the enter phase, because an executor in the body may poll any future.
    pub(super) waker: [usize; 2],
}

impl Watch {
    /// Means that no such poll is running: no waker has this identity.
    pub(super) const NONE: Self = Self { number: 0, pending: 0, waker: [0; 2] };
}

pub(super) fn mode() -> Mode {
    CONTEXT.try_with(|context| context.mode.get()).unwrap_or(Mode::NONE)
}

/// Replaces the mode by the result of `change`. Returns the previous mode.
pub(super) fn change_mode(change: impl FnOnce(Mode) -> Mode) -> Mode {
    CONTEXT.try_with(|context| context.mode.replace(change(context.mode.get()))).unwrap_or(Mode::NONE)
}

pub(super) fn watch() -> Watch {
    CONTEXT.try_with(|context| context.watch.get()).unwrap_or(Watch::NONE)
}

#[inline]
pub(super) fn replace_watch(watch: Watch) -> Watch {
    CONTEXT.try_with(|context| context.watch.replace(watch)).unwrap_or(Watch::NONE)
}

/// Returns whether a `with!` is being dropped whose manager leaves in place.
pub(crate) fn is_in_place() -> bool {
    mode().is_in_place
}

/// Runs `f` (a rescue, a task, or code of the user) as if nothing were being dropped or polled on this thread.
pub(crate) fn outside<T>(f: impl FnOnce() -> T) -> T {
    let _around = PutBack::leave();
    f()
}

/// Restores the previous context when it is dropped.
struct PutBack {
    mode: Mode,
    watch: Watch,
}

impl PutBack {
    fn leave() -> Self {
        let leave = |context: &ThreadContext| {
            let mode = context.mode.get();
            context.mode.set(Mode { level: mode.level, outside: mode.level, ..Mode::NONE });
            Self { mode, watch: context.watch.replace(Watch::NONE) }
        };
        CONTEXT.try_with(leave).unwrap_or(Self { mode: Mode::NONE, watch: Watch::NONE })
    }
}

impl Drop for PutBack {
    fn drop(&mut self) {
        let _at_end = CONTEXT.try_with(|context| {
            context.mode.set(self.mode);
            context.watch.set(self.watch);
        });
    }
}
