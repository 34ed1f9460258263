//! What a driver and the marker of its manager know of each other, whatever the block is.

use core::cell::Cell;
use core::ptr::NonNull;
use core::task::{Context, Waker};

use super::Link;
use super::unfinished::abort_leaked;
use crate::home::Home;
use crate::manager::About;
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::rescue;

/// How far a `with!` has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The body has not been polled.
    New,
    /// It is under way, and has not reached its marker.
    Entering,
    /// The marker has lent a value, and the block lives. It stands straight in the way of the driver.
    Lent,
    /// So too, but something comes between the driver and the marker.
    LentApart,
    /// So too, but the `with!` is being dropped.
    Cancelled,
    /// The block is over.
    Ended,
    /// The marker was dropped, and the block with it.
    RacedAway,
    /// The body has ended, and the block is no more.
    Concluded,
}

impl Stage {
    /// Whether a value is lent, and the block has not been dropped.
    #[inline]
    pub(super) const fn is_lent(self) -> bool {
        matches!(self, Self::Lent | Self::LentApart | Self::Cancelled)
    }
}

/// What stands between a host and the marker of its manager. The later one of several counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Nothing: the body itself waits at the marker, and can't but do so.
    Straight,
    /// A shielded manager, which looks at what is left of others when it is polled. The body waits as well.
    Shielded,
    /// Something that may put the marker aside, or leak it.
    Apart,
}

/// The beginning of a [`Host`].
pub(super) struct Head {
    pub(super) about: &'static About,
    reach: Cell<Reach>,
    /// Which of these it is.
    reached: Cell<Reached>,
    pub(super) stage: Cell<Stage>,
    /// Where the marker stands in the body, and what the managers in whose blocks it stands have on their way.
    pub(super) way: Cell<Way>,
    /// How the block ended, when it has.
    pub(super) outcome: Cell<Outcome>,
    /// The body has panicked.
    pub(super) panicked: Cell<bool>,
}

/// How the marker comes from the head to the functions of its host: in one word, as each `with!` has one.
#[derive(Clone, Copy)]
union Reach {
    /// (A `()` would leave the word open, and the compiler moves what is open piece by piece.)
    nothing: usize,
    ops: &'static Ops,
    home: Link<Home>,
}

/// Which member of a [`Reach`] there is.
#[derive(Clone, Copy)]
enum Reached {
    /// The body has not been polled, or has ended.
    Nothing,
    Ops,
    /// The marker stands in an `async` block, which has to be looked after. The home has the functions.
    Home,
}

/// What has the block, or can reach it, as the marker sees it: a frame or a relay.
///
/// # Safety
///
/// It is `repr(C)` and begins with its `Head`.
pub(super) unsafe trait Host: Sized {
    /// How the marker calls it.
    const OPS: &'static Ops = &Ops {
        lend: lend::<Self>,
        poll: poll::<Self>,
        drop_block: drop_block::<Self>,
        set_panic: set_panic::<Self>,
        take_error: if Self::CATCHES { take_error::<Self> } else { no_error },
    };

    /// Whether errors go through the manager.
    const CATCHES: bool;

    /// Takes the value out of `slot` for the block.
    ///
    /// # Safety
    ///
    /// `slot` points to an `Option` of what the manager lends, and the value in it is good until the block is dropped.
    unsafe fn lend(&self, slot: NonNull<()>);

    /// Polls the block, or drops it if it is cancelled: whether it is over. It is dropped then, and the head tells how
    /// it ended. For the first time there is a `slot`: the value in it is lent before.
    ///
    /// # Safety
    ///
    /// As of `lend`.
    unsafe fn poll(&self, slot: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool;

    /// Drops the block where it stands.
    ///
    /// # Safety
    ///
    /// It is there, and is not used again.
    unsafe fn drop_block(&self);

    /// Dropping the block has panicked.
    fn set_panic(&self, payload: Payload);

    /// Puts the error of the block into `slot`, if the manager is to have it.
    ///
    /// # Safety
    ///
    /// `slot` points to an `Option` of what the outcome of the manager holds of an error.
    unsafe fn take_error(&self, slot: NonNull<()>);
}

/// The functions of a [`Host`]. Each takes the head of one of that type.
pub(crate) struct Ops {
    lend: unsafe fn(NonNull<Head>, NonNull<()>),
    poll: unsafe fn(NonNull<Head>, Option<NonNull<()>>, &mut Context<'_>) -> bool,
    drop_block: unsafe fn(NonNull<Head>),
    set_panic: unsafe fn(NonNull<Head>, Payload),
    take_error: unsafe fn(NonNull<Head>, NonNull<()>),
}

unsafe fn lend<H: Host>(head: NonNull<Head>, slot: NonNull<()>) {
    // SAFETY: the caller says that it is the head of such a host.
    let host = unsafe { head.cast::<H>().as_ref() };
    // SAFETY: the caller keeps to what `Host::lend` asks for.
    unsafe { host.lend(slot) };
}

unsafe fn poll<H: Host>(head: NonNull<Head>, slot: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
    // SAFETY: as above.
    let host = unsafe { head.cast::<H>().as_ref() };
    // SAFETY: the caller keeps to what `Host::poll` asks for.
    unsafe { host.poll(slot, cx) }
}

unsafe fn drop_block<H: Host>(head: NonNull<Head>) {
    // SAFETY: as above.
    let host = unsafe { head.cast::<H>().as_ref() };
    // SAFETY: the caller keeps to what `Host::drop_block` asks for.
    unsafe { host.drop_block() };
}

unsafe fn set_panic<H: Host>(head: NonNull<Head>, payload: Payload) {
    // SAFETY: as above.
    unsafe { head.cast::<H>().as_ref() }.set_panic(payload);
}

unsafe fn no_error(_head: NonNull<Head>, _slot: NonNull<()>) {}

unsafe fn take_error<H: Host>(head: NonNull<Head>, slot: NonNull<()>) {
    // SAFETY: as above.
    let host = unsafe { head.cast::<H>().as_ref() };
    // SAFETY: the caller keeps to what `Host::take_error` asks for.
    unsafe { host.take_error(slot) };
}

impl Head {
    #[inline]
    pub(super) const fn new(about: &'static About) -> Self {
        Self {
            about,
            reach: Cell::new(Reach { nothing: 0 }),
            reached: Cell::new(Reached::Nothing),
            stage: Cell::new(Stage::New),
            way: Cell::new(Way::Straight),
            outcome: Cell::new(Outcome::Completed),
            panicked: Cell::new(false),
        }
    }

    /// The body of an `H` is about to be polled for the first time.
    #[inline]
    pub(super) fn begin<H: Host>(&self) {
        self.reach.set(Reach { ops: H::OPS });
        self.reached.set(Reached::Ops);
        self.stage.set(Stage::Entering);
    }

    /// The marker stands in an `async` block, and the body looks after it here.
    pub(super) fn set_home(&self, home: &Home) {
        home.keep(self.ops());
        self.reach.set(Reach { home: Link(NonNull::from(home)) });
        self.reached.set(Reached::Home);
    }

    /// The body has ended, or has panicked, and its locals are gone. (What stands between the driver and the body may have
    /// panicked, too: then the marker is still there.)
    pub(super) fn leave_home(&self) {
        if let Reached::Home = self.reached.get() {
            self.reached.set(Reached::Nothing);
        }
    }

    #[inline]
    fn ops(&self) -> &'static Ops {
        let Reached::Ops = self.reached.get() else { return self.ops_at_home() };
        // SAFETY: `begin` has set this member together with `reached`, and `set_home` would have changed both.
        unsafe { self.reach.get().ops }
    }

    #[cold]
    fn ops_at_home(&self) -> &'static Ops {
        self.home().and_then(Home::ops).expect("a marker is reached when its body is polled")
    }

    #[inline]
    pub(super) fn home(&self) -> Option<&Home> {
        let Reached::Home = self.reached.get() else { return None };
        // SAFETY: `set_home` has set this member together with `reached`.
        let home = unsafe { self.reach.get().home };
        // SAFETY: `attach` got it from a reference to the first local of the body, which is pinned; whoever polls the
        // body calls `leave_home` or `conclude` when that has ended.
        Some(unsafe { home.0.as_ref() })
    }

    /// The body is about to be polled or dropped.
    #[inline]
    pub(super) fn enter_home(&self, waker: &Waker) {
        if let Some(home) = self.home() {
            home.enter(waker);
        }
    }

    /// Whether this is the thread of the driver, where that is in question.
    #[inline]
    fn is_here(&self) -> bool {
        self.home().is_none_or(Home::is_here)
    }

    /// There is this between the driver and the marker.
    #[inline]
    pub(super) fn set_way(&self, way: Way) {
        self.way.set(way.max(self.way.get()));
    }

    /// The marker lends its value.
    #[inline]
    pub(super) fn begin_lending(&self) {
        if self.stage.get() != Stage::Entering {
            yielded_twice(self.about);
        }
        self.stage.set(if self.way.get() == Way::Straight { Stage::Lent } else { Stage::LentApart });
    }

    /// The body has ended: how far it had come.
    #[inline]
    pub(super) fn conclude(&self) -> Stage {
        // There is no marker any more, wherever it stood.
        self.reached.set(Reached::Nothing);
        let before = self.stage.get();
        if before == Stage::Ended {
            self.stage.set(Stage::Concluded);
        } else {
            self.conclude_without_end(before);
        }
        before
    }

    /// The body has ended, but not the block.
    #[cold]
    fn conclude_without_end(&self, before: Stage) {
        if before.is_lent() {
            abort_leaked(self.about);
        }
        if before != Stage::Entering {
            self.stage.set(Stage::Concluded);
        }
    }

    /// How the block ended. On another thread it is not even looked at.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        (self.is_here() && self.stage.get() == Stage::Ended).then(|| self.outcome.get())
    }
}

/// A head, as those have it who may reach the host behind it. In all of these the host has to be there.
impl Link<Head> {
    /// See [`Host::lend`].
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(super) unsafe fn lend(self, slot: NonNull<()>) {
        // SAFETY: a link to a head is made of a link to its host, which is there.
        let ops = unsafe { self.0.as_ref() }.ops();
        // SAFETY: these are its functions; the rest the caller says.
        unsafe { (ops.lend)(self.0, slot) };
    }

    /// See [`Host::poll`].
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(super) unsafe fn poll(self, slot: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        // SAFETY: as in `lend`.
        let ops = unsafe { self.0.as_ref() }.ops();
        // SAFETY: as in `lend`.
        unsafe { (ops.poll)(self.0, slot, cx) }
    }

    /// See [`Host::take_error`].
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub(super) unsafe fn take_error(self, slot: NonNull<()>) {
        // SAFETY: as in `lend`.
        let ops = unsafe { self.0.as_ref() }.ops();
        // SAFETY: as in `lend`.
        unsafe { (ops.take_error)(self.0, slot) };
    }

    /// The marker is dropped: drops the block though it has not ended.
    ///
    /// # Safety
    ///
    /// The host is there.
    #[inline(never)]
    pub(super) unsafe fn release(self) {
        // SAFETY: the caller says so.
        let head = unsafe { self.0.as_ref() };
        // A block that may not be dropped on this thread is left to the driver, as one whose marker was leaked.
        if !head.is_here() || !head.stage.get().is_lent() {
            return;
        }
        head.stage.set(Stage::RacedAway);
        // SAFETY: it was there, as the stage told, which tells now that it is not.
        let mut drop_block = || unsafe { self.drop_block() };
        match head.home() {
            // It is dropped with its body, or with the block of a manager in that, which races.
            None => drop_block(),
            Some(home) => home.add_left(rescue::collect(&mut drop_block)),
        }
    }

    /// Drops the block. A panic in that is a panic of the block.
    ///
    /// # Safety
    ///
    /// The host is there; the rest as of [`Host::drop_block`].
    pub(super) unsafe fn drop_block(self) {
        // SAFETY: the caller says so.
        let head = unsafe { self.0.as_ref() };
        let ops = head.ops();
        // SAFETY: these are its functions; the rest the caller says.
        if let Err(payload) = panics::catch(|| unsafe { (ops.drop_block)(self.0) }) {
            head.outcome.set(Outcome::Panicked);
            // SAFETY: as above.
            unsafe { (ops.set_panic)(self.0, payload) };
        }
    }
}

#[cold]
fn yielded_twice(about: &About) -> ! {
    panic!("`{}` reached its `yield!` a second time", about.name())
}
