//! What a thread knows of the rescues that begin on it: who waits for them, and what they wait for.
//!
//! A rescue runs from the moment on in which it begins. What is gathered here are only the handles that tell when it is
//! done. So an executor that runs in a block or in a destructor keeps nothing back.
//!
//! None of this has a destructor, so that it is there at the end of a thread as well.

use std::cell::{Cell, RefCell};
use std::mem::{ManuallyDrop, forget, take};
use std::vec::Vec;

use super::cancellable;
use super::done::{Completion, Handle, Rescues, completion};

std::thread_local! {
    static COLLECTOR: Collector = const {
        Collector {
            mode: Cell::new(Mode::NONE),
            lists: RefCell::new(ManuallyDrop::new(Lists { collected: Vec::new(), before: Vec::new() })),
        }
    };
}

/// What is gathered at the moment.
struct Collector {
    mode: Cell<Mode>,
    /// Both have no memory where nothing collects.
    lists: RefCell<ManuallyDrop<Lists>>,
}

/// The innermost that collects.
#[derive(Clone, Copy)]
struct Mode {
    /// How many collect_scope, one in another.
    level: u32,
    /// How many of these collect_scope nothing at the moment: code runs in them that is no part of what they are for.
    apart: u32,
    /// It is a `with!` that is being dropped.
    in_place: bool,
    /// What begins in it is done one after the other.
    sequentially: bool,
    /// What begins in it belongs to what is around it, and there is nothing around it.
    forgets: bool,
}

impl Mode {
    const NONE: Self = Self { level: 0, apart: 0, in_place: false, sequentially: false, forgets: false };

    /// Whether anything collects.
    fn collects(self) -> bool {
        self.level > self.apart
    }

    /// Whether anything is to wait for what begins now.
    fn waits(self) -> bool {
        self.collects() && (self.sequentially || !self.forgets)
    }
}

#[derive(Default)]
struct Lists {
    /// What has collected. Those of the innermost are the last.
    collected: Vec<Collected>,
    /// What has to be done before a rescue that begins now. Those of the innermost are the last.
    before: Vec<(u32, Handle)>,
}

/// Something that has collected while something collects.
struct Collected {
    level: u32,
    handle: Handle,
    /// It waits for all that had to be done before when it began.
    waits: bool,
}

impl Lists {
    /// What has collected belongs to the innermost.
    fn add(&mut self, mode: Mode, collected: Vec<Collected>) {
        if collected.is_empty() || !mode.collects() {
            return;
        }
        let all_wait = collected.iter().all(|collected| collected.waits);
        self.forget_before(mode, all_wait);
        for collected in collected {
            self.push(mode, collected);
        }
    }

    /// The same for one.
    fn add_one(&mut self, mode: Mode, collected: Collected) {
        if mode.collects() {
            self.forget_before(mode, collected.waits);
            self.push(mode, collected);
        }
    }

    /// What has to be done before is not to be waited for again by those that come after what waits for it.
    fn forget_before(&mut self, mode: Mode, waits: bool) {
        if mode.sequentially && waits {
            self.drop_before(mode.level);
        }
    }

    fn push(&mut self, mode: Mode, collected: Collected) {
        if mode.sequentially {
            self.before.push((mode.level, collected.handle.clone()));
        }
        if !mode.forgets {
            self.collected.push(Collected { level: mode.level, ..collected });
        }
    }

    /// Whether nothing has been put into them since nothing gathered.
    fn have_no_memory(&self) -> bool {
        self.collected.capacity() == 0 && self.before.capacity() == 0
    }

    fn drop_before(&mut self, level: u32) {
        self.before.truncate(self.before.partition_point(|(of, _)| *of < level));
    }

    /// What has collected in the innermost, which is at its end.
    fn end(&mut self, level: u32) -> Vec<Collected> {
        if level == 1 {
            return take(self).collected;
        }
        self.drop_before(level);
        self.collected.drain(self.collected.partition_point(|collected| collected.level < level)..).collect()
    }
}

/// Runs `f` with what is known. Nothing of the user's runs in it.
fn with<T>(f: impl FnOnce(Mode, &mut Lists) -> T) -> Option<T> {
    COLLECTOR.try_with(|collector| f(collector.mode.get(), &mut collector.lists.borrow_mut())).ok()
}

fn replace_mode(mode: Mode) {
    let _at_end = COLLECTOR.try_with(|collector| collector.mode.set(mode));
}

/// What is gathered waits for this.
pub(crate) fn add(handle: Handle) {
    put(handle, false);
}

/// The completion of a rescue that begins now and waits for what [`before`] gave. `None` if nothing is to wait for it.
pub(super) fn add_rescue() -> Option<Completion> {
    let is_wanted = COLLECTOR.try_with(|collector| collector.mode.get().waits()).unwrap_or(false);
    is_wanted.then(|| {
        let (completion, handle) = completion();
        put(handle, true);
        completion
    })
}

fn put(handle: Handle, waits: bool) {
    with(|mode, lists| lists.add_one(mode, Collected { level: mode.level, handle, waits }));
}

/// What has to be done before a rescue that begins now.
pub(super) fn before() -> Rescues {
    let of_these = |mode: Mode, lists: &Lists| {
        let first = lists.before.partition_point(|(of, _)| *of <= mode.apart);
        lists.before[first..].iter().map(|(_, handle)| handle.clone()).collect()
    };
    let handles = with(|mode, lists| of_these(mode, lists));
    Rescues::new(handles.unwrap_or_default())
}

/// Whether a `with!` that is being dropped has its manager leave in place.
pub(crate) fn is_in_place() -> bool {
    COLLECTOR.try_with(|collector| collector.mode.get().in_place).unwrap_or(false)
}

/// Runs `f`: the rescues that have collected in it.
pub(crate) fn collect(f: &mut dyn FnMut()) -> Rescues {
    let collected = collect_scope(false, false, f);
    if collected.is_empty() {
        return Rescues::default();
    }
    Rescues::new(collected.into_iter().map(|collected| collected.handle).collect())
}

fn collect_scope(in_place: bool, sequentially: bool, f: &mut dyn FnMut()) -> Vec<Collected> {
    let level = CollectScope::begin(in_place, sequentially);
    f();
    level.end()
}

/// One that collects, until it is dropped. Where scopes are nested, this takes less of the stack than a closure.
pub(crate) struct CollectScope {
    number: u32,
    around: Mode,
}

impl CollectScope {
    fn begin(in_place: bool, sequentially: bool) -> Self {
        let begin = |collector: &Collector| {
            let around = collector.mode.get();
            let forgets = (in_place || sequentially) && !around.waits();
            collector.mode.set(Mode { level: around.level + 1, apart: around.apart, in_place, sequentially, forgets });
            around
        };
        let around = COLLECTOR.try_with(begin).unwrap_or(Mode::NONE);
        Self { number: around.level + 1, around }
    }

    /// Goes back to the one around it.
    fn end(self) -> Vec<Collected> {
        let collected = self.take();
        forget(self);
        collected
    }

    fn take(&self) -> Vec<Collected> {
        let take = |collector: &Collector| {
            collector.mode.set(self.around);
            let mut lists = collector.lists.borrow_mut();
            // Mostly nothing has collected.
            if lists.have_no_memory() { Vec::new() } else { lists.end(self.number) }
        };
        COLLECTOR.try_with(take).unwrap_or_default()
    }
}

/// What has collected belongs to what is around it.
impl Drop for CollectScope {
    fn drop(&mut self) {
        move_out(self.take());
    }
}

fn move_out(collected: Vec<Collected>) {
    if !collected.is_empty() {
        with(|mode, lists| lists.add(mode, collected));
    }
}

/// From here to [`end_block`], the block of a `with!` that is being dropped is.
pub(crate) fn begin_block() -> CollectScope {
    CollectScope::begin(false, false)
}

/// What begins later on waits for what is left of the block.
pub(crate) fn end_block(block: CollectScope) {
    let collected = block.end();
    if collected.is_empty() {
        return;
    }
    let waits = collected.iter().all(|collected| collected.waits);
    let handles = collected.into_iter().map(|collected| collected.handle).collect();
    let Some(handle) = Handle::all(handles) else { return };
    with(|mode, lists| {
        lists.add_one(mode, Collected { level: mode.level, handle: handle.clone(), waits });
        if mode.collects() {
            lists.before.push((mode.level, handle));
        }
    });
}

/// From here on, a `with!` is dropped: what is left of its block is finished before the others begin.
pub(crate) fn block_before_manager() -> CollectScope {
    CollectScope::begin(true, false)
}

/// Runs `f`. The rescues that begin in it run one after the other.
pub(crate) fn sequentially(f: &mut dyn FnMut()) {
    move_out(collect_scope(false, true, f));
}

/// Runs `f`, which is no part of what is being dropped or polled here: a rescue, a task, or the user's code.
pub(crate) fn outside<T>(f: impl FnOnce() -> T) -> T {
    let _around = Outside::leave();
    f()
}

/// What was known before.
struct Outside {
    mode: Mode,
    watch: cancellable::Aside,
}

impl Outside {
    fn leave() -> Self {
        let leave = |collector: &Collector| {
            let around = collector.mode.get();
            collector.mode.set(Mode { level: around.level, apart: around.level, ..Mode::NONE });
            around
        };
        Self { mode: COLLECTOR.try_with(leave).unwrap_or(Mode::NONE), watch: cancellable::put_aside() }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        replace_mode(self.mode);
        self.watch.put_back();
    }
}
