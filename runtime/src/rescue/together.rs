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
    static TOGETHER: Together = const {
        Together {
            kind: Cell::new(Kind::NONE),
            lists: RefCell::new(ManuallyDrop::new(Lists { begun: Vec::new(), before: Vec::new() })),
        }
    };
}

/// What is gathered at the moment.
struct Together {
    kind: Cell<Kind>,
    /// Both have no memory where nothing gathers.
    lists: RefCell<ManuallyDrop<Lists>>,
}

/// The innermost that gathers.
#[derive(Clone, Copy)]
struct Kind {
    /// How many gather, one in another.
    level: u32,
    /// How many of these gather nothing at the moment: code runs in them that is no part of what they are for.
    apart: u32,
    /// It is a `with!` that is being dropped.
    in_place: bool,
    /// What begins in it is done one after the other.
    in_turn: bool,
    /// What begins in it belongs to what is around it, and there is nothing around it.
    forgets: bool,
}

impl Kind {
    const NONE: Self = Self { level: 0, apart: 0, in_place: false, in_turn: false, forgets: false };

    /// Whether anything gathers.
    fn gathers(self) -> bool {
        self.level > self.apart
    }

    /// Whether anything is to wait for what begins now.
    fn waits(self) -> bool {
        self.gathers() && (self.in_turn || !self.forgets)
    }
}

#[derive(Default)]
struct Lists {
    /// What has begun. Those of the innermost are the last.
    begun: Vec<Begun>,
    /// What has to be done before a rescue that begins now. Those of the innermost are the last.
    before: Vec<(u32, Handle)>,
}

/// Something that has begun while something gathers.
struct Begun {
    level: u32,
    handle: Handle,
    /// It waits for all that had to be done before when it began.
    waits: bool,
}

impl Lists {
    /// What has begun belongs to the innermost.
    fn add(&mut self, kind: Kind, begun: Vec<Begun>) {
        if begun.is_empty() || !kind.gathers() {
            return;
        }
        let all_wait = begun.iter().all(|begun| begun.waits);
        self.forget_before(kind, all_wait);
        for begun in begun {
            self.push(kind, begun);
        }
    }

    /// The same for one.
    fn add_one(&mut self, kind: Kind, begun: Begun) {
        if kind.gathers() {
            self.forget_before(kind, begun.waits);
            self.push(kind, begun);
        }
    }

    /// What has to be done before is not to be waited for again by those that come after what waits for it.
    fn forget_before(&mut self, kind: Kind, waits: bool) {
        if kind.in_turn && waits {
            self.drop_before(kind.level);
        }
    }

    fn push(&mut self, kind: Kind, begun: Begun) {
        if kind.in_turn {
            self.before.push((kind.level, begun.handle.clone()));
        }
        if !kind.forgets {
            self.begun.push(Begun { level: kind.level, ..begun });
        }
    }

    /// Whether nothing has been put into them since nothing gathered.
    fn have_no_memory(&self) -> bool {
        self.begun.capacity() == 0 && self.before.capacity() == 0
    }

    fn drop_before(&mut self, level: u32) {
        self.before.truncate(self.before.partition_point(|(of, _)| *of < level));
    }

    /// What has begun in the innermost, which is at its end.
    fn end(&mut self, level: u32) -> Vec<Begun> {
        if level == 1 {
            return take(self).begun;
        }
        self.drop_before(level);
        self.begun.drain(self.begun.partition_point(|begun| begun.level < level)..).collect()
    }
}

/// Runs `f` with what is known. Nothing of the user's runs in it.
fn with<T>(f: impl FnOnce(Kind, &mut Lists) -> T) -> Option<T> {
    TOGETHER.try_with(|together| f(together.kind.get(), &mut together.lists.borrow_mut())).ok()
}

fn replace_kind(kind: Kind) {
    let _at_end = TOGETHER.try_with(|together| together.kind.set(kind));
}

/// What is gathered waits for this.
pub(crate) fn add(handle: Handle) {
    put(handle, false);
}

/// The completion of a rescue that begins now and waits for what [`before`] gave. `None` if nothing is to wait for it.
pub(super) fn add_rescue() -> Option<Completion> {
    let is_wanted = TOGETHER.try_with(|together| together.kind.get().waits()).unwrap_or(false);
    is_wanted.then(|| {
        let (completion, handle) = completion();
        put(handle, true);
        completion
    })
}

fn put(handle: Handle, waits: bool) {
    with(|kind, lists| lists.add_one(kind, Begun { level: kind.level, handle, waits }));
}

/// What has to be done before a rescue that begins now.
pub(super) fn before() -> Rescues {
    let of_these = |kind: Kind, lists: &Lists| {
        let first = lists.before.partition_point(|(of, _)| *of <= kind.apart);
        lists.before[first..].iter().map(|(_, handle)| handle.clone()).collect()
    };
    let handles = with(|kind, lists| of_these(kind, lists));
    Rescues::new(handles.unwrap_or_default())
}

/// Whether a `with!` that is being dropped has its manager leave in place.
pub(crate) fn is_in_place() -> bool {
    TOGETHER.try_with(|together| together.kind.get().in_place).unwrap_or(false)
}

/// Runs `f`: the rescues that have begun in it.
pub(crate) fn collect(f: &mut dyn FnMut()) -> Rescues {
    let begun = gather(false, false, f);
    if begun.is_empty() {
        return Rescues::default();
    }
    Rescues::new(begun.into_iter().map(|begun| begun.handle).collect())
}

fn gather(in_place: bool, in_turn: bool, f: &mut dyn FnMut()) -> Vec<Begun> {
    let level = Level::begin(in_place, in_turn);
    f();
    level.end()
}

/// One that gathers, until it is dropped. Where scopes are nested, this takes less of the stack than a closure.
pub(crate) struct Level {
    number: u32,
    around: Kind,
}

impl Level {
    fn begin(in_place: bool, in_turn: bool) -> Self {
        let begin = |together: &Together| {
            let around = together.kind.get();
            let forgets = (in_place || in_turn) && !around.waits();
            together.kind.set(Kind { level: around.level + 1, apart: around.apart, in_place, in_turn, forgets });
            around
        };
        let around = TOGETHER.try_with(begin).unwrap_or(Kind::NONE);
        Self { number: around.level + 1, around }
    }

    /// Goes back to the one around it.
    fn end(self) -> Vec<Begun> {
        let begun = self.take();
        forget(self);
        begun
    }

    fn take(&self) -> Vec<Begun> {
        let take = |together: &Together| {
            together.kind.set(self.around);
            let mut lists = together.lists.borrow_mut();
            // Mostly nothing has begun.
            if lists.have_no_memory() { Vec::new() } else { lists.end(self.number) }
        };
        TOGETHER.try_with(take).unwrap_or_default()
    }
}

/// What has begun belongs to what is around it.
impl Drop for Level {
    fn drop(&mut self) {
        move_out(self.take());
    }
}

fn move_out(begun: Vec<Begun>) {
    if !begun.is_empty() {
        with(|kind, lists| lists.add(kind, begun));
    }
}

/// From here to [`end_block`], the block of a `with!` that is being dropped is.
pub(crate) fn begin_block() -> Level {
    Level::begin(false, false)
}

/// What begins later on waits for what is left of the block.
pub(crate) fn end_block(block: Level) {
    let begun = block.end();
    if begun.is_empty() {
        return;
    }
    let waits = begun.iter().all(|begun| begun.waits);
    let handles = begun.into_iter().map(|begun| begun.handle).collect();
    let Some(handle) = Handle::all(handles) else { return };
    with(|kind, lists| {
        lists.add_one(kind, Begun { level: kind.level, handle: handle.clone(), waits });
        if kind.gathers() {
            lists.before.push((kind.level, handle));
        }
    });
}

/// From here on, a `with!` is dropped: what is left of its block is finished before the others begin.
pub(crate) fn block_first() -> Level {
    Level::begin(true, false)
}

/// Runs `f`. The rescues that begin in it run one after the other.
pub(crate) fn in_turn(f: &mut dyn FnMut()) {
    move_out(gather(false, true, f));
}

/// Runs `f`, which is no part of what is being dropped or polled here: a rescue, a task, or the user's code.
pub(crate) fn apart<T>(f: impl FnOnce() -> T) -> T {
    let _around = Around::leave();
    f()
}

/// What was known before.
struct Around {
    kind: Kind,
    watch: cancellable::Aside,
}

impl Around {
    fn leave() -> Self {
        let leave = |together: &Together| {
            let around = together.kind.get();
            together.kind.set(Kind { level: around.level, apart: around.level, ..Kind::NONE });
            around
        };
        Self { kind: TOGETHER.try_with(leave).unwrap_or(Kind::NONE), watch: cancellable::put_aside() }
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        replace_kind(self.kind);
        self.watch.put_back();
    }
}
