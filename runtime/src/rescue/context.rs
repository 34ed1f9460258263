//! What the thread is doing: whether a scope collects the rescues that begin, and whose enter phase is polled.
//!
//! It has no destructor, so it is there when the destructors of other thread-locals run.

use std::cell::Cell;

std::thread_local! {
    static CONTEXT: ThreadContext = const { ThreadContext { mode: Cell::new(Mode::NONE), watch: Cell::new(Watch::NONE) } };
}

/// Each part is put back by whoever has replaced it.
struct ThreadContext {
    mode: Cell<Mode>,
    watch: Cell<Watch>,
}

/// The innermost open [`CollectScope`](super::collector::CollectScope), by which a rescue that begins is collected.
#[derive(Clone, Copy)]
pub(super) struct Mode {
    /// How many scopes are open.
    pub(super) level: u32,
    /// How many of the open scopes the thread is outside of: these collect nothing at the moment.
    pub(super) outside: u32,
    /// Whether the scope is that of a `with!` that is dropped, whose manager leaves in place.
    pub(super) is_in_place: bool,
    /// Whether the rescues in the scope run one after the other.
    pub(super) is_sequence: bool,
    /// Whether what the scope collects would be added to the scope around it, and there is none.
    pub(super) is_outermost: bool,
}

impl Mode {
    const NONE: Self = Self { level: 0, outside: 0, is_in_place: false, is_sequence: false, is_outermost: false };

    /// Whether a scope collects what begins now.
    pub(super) const fn is_collecting(self) -> bool {
        self.level > self.outside
    }

    /// Whether anything is going to wait for what begins now.
    pub(super) const fn is_wanted(self) -> bool {
        self.is_collecting() && (self.is_sequence || !self.is_outermost)
    }
}

/// A poll of the body of a shielded manager that is entering.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    /// The number of the poll, which no other has. It is 0 before something is counted in it.
    pub(super) number: u64,
    /// How many futures of [`cancellable`](super::cancellable()) are pending in it.
    pub(super) pending: u32,
    /// The identity of the waker that it was polled with. What is polled with another waker is no part of it: an executor
    /// in it may poll anything.
    pub(super) waker: [usize; 2],
}

impl Watch {
    /// No such poll: no waker has this identity.
    pub(super) const NONE: Self = Self { number: 0, pending: 0, waker: [0; 2] };
}

pub(super) fn mode() -> Mode {
    CONTEXT.try_with(|context| context.mode.get()).unwrap_or(Mode::NONE)
}

/// Replaces the mode by what `change` makes of it. Returns the one before.
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

/// Whether a `with!` is being dropped, and its manager leaves in place.
pub(crate) fn is_in_place() -> bool {
    mode().is_in_place
}

/// Runs `f` outside of what is being dropped or polled on this thread: a rescue, a task, or code of the user.
pub(crate) fn outside<T>(f: impl FnOnce() -> T) -> T {
    let _around = PutBack::leave();
    f()
}

/// Puts the context back that was there before.
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
