//! Collects the rescues that begin while a future is polled or dropped on this thread.
//!
//! A rescue runs from the moment in which it begins. Only its [`Handle`] is collected, by which others wait for its
//! end. So an executor that runs in a block or in a destructor delays no rescue.
//!
//! A [`CollectScope`] is open while a shielded manager polls its block, and while a `with!` is dropped. Scopes are
//! nested as these calls are, and each has a level. In this example, `a` and `b` are shielded:
//!
//! ```text
//! drop of with!(a() => with!(b() => pending()))
//!   block_before_manager         level 1 opens: the drop of the `with!` of `a`
//!     begin_block                level 2 opens: the block of `a` is dropped
//!       block_before_manager     level 3 opens: the drop of the `with!` of `b`
//!         rescue of `b` begins   no rescue must end before it; its handle is collected at level 3
//!       level 3 closes           its handle moves to level 2
//!     end_block                  level 2 closes; at level 1, its handle must end before later rescues
//!     rescue of `a` begins       it waits for the handle of `b`
//!   level 1 closes               no scope is around it, so the handles are dropped
//! ```
//!
//! The thread-local has no destructor, so it is still accessible when the destructors of other thread-locals run.

use std::cell::RefCell;
use std::mem::{ManuallyDrop, forget, take};
use std::vec::Vec;

use super::completion::{Completion, Handle, completion};
use super::context::{Mode, change_mode, mode};

std::thread_local! {
    /// Allocates no memory while no scope is open.
    static LISTS: RefCell<ManuallyDrop<Lists>> =
        const { RefCell::new(ManuallyDrop::new(Lists { collected: Vec::new(), before: Vec::new() })) };
}

#[derive(Default)]
struct Lists {
    /// The rescues and tasks that have begun in each open scope, by ascending levels.
    collected: Vec<Collected>,
    /// The handles that must end before a rescue that begins in a scope, by ascending levels.
    before: Vec<(u32, Handle)>,
}

/// The handle of a rescue, or of the tasks of a group, that has begun in a scope.
struct Collected {
    /// The level of its scope.
    level: u32,
    handle: Handle,
    /// Whether it waits for every handle that had to end before it when it began.
    waits: bool,
}

impl Lists {
    /// Adds `collected` to the innermost scope.
    fn add(&mut self, mode: Mode, collected: Collected) {
        if mode.is_collecting() {
            self.replace_before(mode, collected.waits);
            self.push(mode, collected);
        }
    }

    /// Adds the handles that an inner scope has collected to the innermost scope.
    fn add_all(&mut self, mode: Mode, collected: Vec<Collected>) {
        if mode.is_collecting() {
            let all_wait = collected.iter().all(|collected| collected.waits);
            self.replace_before(mode, all_wait);
            for collected in collected {
                self.push(mode, collected);
            }
        }
    }

    /// In a sequence, the handles after one that waits need only wait for that one.
    fn replace_before(&mut self, mode: Mode, waits: bool) {
        if mode.is_sequence && waits {
            self.drop_before(mode.level);
        }
    }

    fn push(&mut self, mode: Mode, collected: Collected) {
        if mode.is_sequence {
            self.before.push((mode.level, collected.handle.clone()));
        }
        if !mode.is_outermost {
            self.collected.push(Collected { level: mode.level, ..collected });
        }
    }

    fn drop_before(&mut self, level: u32) {
        self.before.truncate(self.before.partition_point(|(of, _)| *of < level));
    }

    /// Closes the scope of this level, which is the innermost. Returns the handles that it has collected.
    fn close(&mut self, level: u32) -> Vec<Collected> {
        if level == 1 {
            return take(self).collected;
        }
        self.drop_before(level);
        self.collected.drain(self.collected.partition_point(|collected| collected.level < level)..).collect()
    }

    /// Returns whether no handle was added since the outermost scope was opened.
    fn have_no_memory(&self) -> bool {
        self.collected.capacity() == 0 && self.before.capacity() == 0
    }
}

/// Runs `f` with the lists of this thread. No code of the user runs in it.
fn with_lists<T>(f: impl FnOnce(&mut Lists) -> T) -> Option<T> {
    LISTS.try_with(|lists| f(&mut lists.borrow_mut())).ok()
}

/// Adds the handle of tasks that have begun to the innermost scope.
pub(crate) fn add(handle: Handle) {
    put(handle, false);
}

/// Returns the completion of a rescue that begins now and waits for [`before`]. `None` if nothing will wait for the
/// rescue.
pub(super) fn add_rescue() -> Option<Completion> {
    mode().is_wanted().then(|| {
        let (completion, handle) = completion();
        put(handle, true);
        completion
    })
}

fn put(handle: Handle, waits: bool) {
    let mode = mode();
    with_lists(|lists| lists.add(mode, Collected { level: mode.level, handle, waits }));
}

/// Returns the handles that must end before a rescue that begins now.
pub(super) fn before() -> Vec<Handle> {
    let outside = mode().outside;
    let of_open_scopes = |lists: &mut Lists| {
        let first = lists.before.partition_point(|(of, _)| *of <= outside);
        lists.before[first..].iter().map(|(_, handle)| handle.clone()).collect()
    };
    with_lists(of_open_scopes).unwrap_or_default()
}

/// Runs `f`. Returns the handles of the rescues and tasks that have begun in it.
pub(super) fn collect(f: &mut dyn FnMut()) -> Vec<Handle> {
    let scope = CollectScope::open(false, false);
    f();
    let collected = scope.close();
    if collected.is_empty() {
        return Vec::new();
    }
    collected.into_iter().map(|collected| collected.handle).collect()
}

/// An open scope. Its drop closes it, and adds the handles that it has collected to the scope around it.
///
/// It is a guard because a closure would use more of the stack in a deep nest.
pub(crate) struct CollectScope {
    level: u32,
    around: Mode,
}

impl CollectScope {
    fn open(is_in_place: bool, is_sequence: bool) -> Self {
        let around = change_mode(|around| Mode {
            level: around.level + 1,
            outside: around.outside,
            is_in_place,
            is_sequence,
            is_outermost: (is_in_place || is_sequence) && !around.is_wanted(),
        });
        Self { level: around.level + 1, around }
    }

    /// Closes the scope. Returns the handles that it has collected.
    fn close(self) -> Vec<Collected> {
        let collected = self.take();
        forget(self);
        collected
    }

    fn take(&self) -> Vec<Collected> {
        change_mode(|_| self.around);
        // Most scopes collect nothing.
        let take = |lists: &mut Lists| if lists.have_no_memory() { Vec::new() } else { lists.close(self.level) };
        with_lists(take).unwrap_or_default()
    }
}

impl Drop for CollectScope {
    fn drop(&mut self) {
        let collected = self.take();
        if !collected.is_empty() {
            let mode = mode();
            with_lists(|lists| lists.add_all(mode, collected));
        }
    }
}

/// Opens the scope of a `with!` that is being dropped. Its manager leaves after the rescues of its block.
pub(crate) fn block_before_manager() -> CollectScope {
    CollectScope::open(true, false)
}

/// Opens the scope of the block of that `with!`, which is dropped next.
pub(crate) fn begin_block() -> CollectScope {
    CollectScope::open(false, false)
}

/// Closes the scope of a block. Rescues that begin in the scope around it from now on wait for the rescues of the
/// block.
pub(crate) fn end_block(block: CollectScope) {
    let collected = block.close();
    if collected.is_empty() {
        return;
    }
    let waits = collected.iter().all(|collected| collected.waits);
    let handles: Vec<_> = collected.into_iter().map(|collected| collected.handle).collect();
    let Some(handle) = Handle::all(&handles) else { return };
    let mode = mode();
    with_lists(|lists| {
        lists.add(mode, Collected { level: mode.level, handle: handle.clone(), waits });
        if mode.is_collecting() {
            lists.before.push((mode.level, handle));
        }
    });
}

/// Runs `f`. The rescues that begin in it run one after the other.
pub(crate) fn sequentially(f: &mut dyn FnMut()) {
    let _scope = CollectScope::open(false, true);
    f();
}
