//! The one module with `unsafe`: how the parts of a running `with!` reach each other. Here are the driver and the frame;
//! `marker` has what the body has of them, `call` how it finds them, `shield` what goes on without them, and `held` what is
//! entered by hand.
//!
//! A `with!` is one future. In it stand, as locals that are pinned with it, the [`Handoff`] and the [`Driver`]; and in
//! the driver the body of the manager and the [`Frame`] with the block. The driver polls the body; the marker in the
//! body polls the block:
//!
//! ```text
//! with! ── polls ──▶ Driver ── polls ──▶ body ── polls ──▶ marker (Lending)
//!                      │ owns                                 │ finds by pointer, polls, drops
//!                      └──────▶ Frame ◀──────────────────────┘
//!                                 │ owns
//!                                 └──▶ block
//! ```
//!
//! Where the body itself waits at its marker, all that its polls come to is a poll of the block, until that has ended.
//! There the driver polls the block at once, and leaves out what is in between.
//!
//! Everything here that is called unsafe rests on three facts:
//!
//! 1. **The frame outlives the body.** Both are in the pinned driver, which drops the body first. When the driver is
//!    leaked, so is the body, and nobody can poll or drop a part of it any more.
//! 2. **The block never outlives what is lent to it.** The value borrows from the body for as long as the marker's
//!    future lives (it is in its type), and that future drops the block before it ends or is dropped. If it is leaked
//!    while the block is there, the driver notices when the body is gone, and aborts. (Where nothing is borrowed, others
//!    may drop the block as well: see [`shield`].)
//! 3. **One at a time.** The block, the body and the driver are polled and dropped by one thread at a time, the one
//!    that holds the `with!`. A marker that stands by itself is polled by nobody but the body. One in an `async` block
//!    is a value that a scoped thread could get hold of: there each poll and drop looks whether it is on the driver's
//!    thread ([`Home`]).
//!
//! The generated code has no `unsafe`; what it must keep to is said at the items that it calls. They are hidden and not
//! for anyone else; what of a misuse can be noticed panics.

mod call;
#[cfg(feature = "std")]
pub(crate) mod held;
mod marker;
#[cfg(feature = "std")]
pub(crate) mod shield;

use core::cell::{Cell, UnsafeCell};
use core::future::Future;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker, ready};

use self::call::Call;
pub(crate) use self::marker::Lending;
pub use self::marker::{Within, YieldPoint, attach};
use crate::exit::{Ending, Exit, TakesFrom};
use crate::handoff::{End, Handoff};
use crate::home::Home;
use crate::layer::{Around, Shape, ShapeOf, Value};
use crate::lend::{Lent, Terms};
use crate::manager::{About, Manager, OutputOf};
use crate::outcome::Outcome;
use crate::panics;
use crate::rescue;
use crate::verdict::Verdict;

/// A value that is shared within one task only.
#[derive(Default)]
pub(crate) struct OneTask<T>(T);

// SAFETY: by fact 3 no two threads use the value at the same time, so sharing it is no more than sending it.
unsafe impl<T: Send> Sync for OneTask<T> {}

impl<T> OneTask<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    #[inline]
    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

impl<T> OneTask<Cell<T>> {
    /// What `question` says of the value, which stays where it is. It has no way to the cell.
    #[inline]
    pub(crate) fn ask<A>(&self, question: fn(&T) -> A) -> A {
        // SAFETY: by fact 3 nobody else uses the cell now, and `question`, which captures nothing, does not.
        question(unsafe { &*self.0.as_ptr() })
    }
}

/// A pointer from one part of a `with!` to another.
struct Link<T: ?Sized>(NonNull<T>);

// SAFETY: what it points to is a part of the same future, moves from thread to thread with it only, and says itself by
// its own type whether it may (the driver holds it by value). By fact 3 nobody follows the pointer on another thread
// meanwhile. A shielded body that goes elsewhere forgets its pointer before.
unsafe impl<T: ?Sized> Send for Link<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Link<T> {}

impl<T: ?Sized> Clone for Link<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Link<T> {}

/// How far a `with!` has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
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
    const fn is_lent(self) -> bool {
        matches!(self, Self::Lent | Self::LentApart | Self::Cancelled)
    }
}

/// What stands between a driver and the marker of its manager. The later one of several counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Nothing: the body itself waits at the marker, and can't but do so.
    Straight,
    /// A shielded manager, which looks at what is left of others when it is polled. The body waits as well.
    Shielded,
    /// Something that may put the marker aside, or leak it.
    Apart,
}

/// The part of a driver that the marker reaches by pointer.
struct Frame<'h, L: Terms, V, Both, Rest: Shape, T, Jump, B: Future, Literal, W> {
    about: &'static About,
    block: UnsafeCell<ManuallyDrop<B>>,
    handoff: &'h Handoff<L::Exit, V, Both, Rest, T, Jump, B::Output>,
    stage: Cell<Stage>,
    /// How the block ended, when it has.
    outcome: Cell<Outcome>,
    /// The body is being polled, or has panicked.
    polling: Cell<bool>,
    /// Where the marker stands in the body, and what the managers in whose blocks it stands have on their way.
    way: Cell<Way>,
    home: Cell<Option<Link<Home>>>,
    within: W,
    literal: PhantomData<fn() -> Literal>,
}

/// What the outcome holds of an error.
type Caught<L> = <<L as Terms>::Exit as Exit>::Caught;

/// What the marker does to its [`Frame`], whatever the block in it is.
trait Host<L: Terms> {
    /// Looks after a marker that stands in an `async` block, and is about to be polled.
    fn visit(&self, waker: &Waker);

    /// Takes the value out of `slot` for the block.
    ///
    /// # Safety
    ///
    /// `slot` points to an `Option` of what `L` lends, and the value in it is good until the block is dropped.
    unsafe fn lend(&self, slot: NonNull<()>);

    /// Polls the block, and drops it when it has ended or is cancelled.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<Caught<L>>>;

    /// Both: the first poll.
    ///
    /// # Safety
    ///
    /// As of `lend`.
    unsafe fn lend_and_poll(&self, slot: NonNull<()>, cx: &mut Context<'_>) -> Poll<Outcome<Caught<L>>>;

    /// Drops the block though it has not ended.
    fn release(&self);

    /// How the block ended.
    fn outcome(&self) -> Option<Outcome>;

    /// There is this between the driver and the marker.
    fn set_way(&self, way: Way);

    /// The block is there, and only the marker may drop it.
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "nothing is shielded"))]
    fn is_lent(&self) -> bool;

    /// The `with!` is being dropped.
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "nothing is shielded"))]
    fn is_cancelled(&self) -> bool;

    /// Something is left of the managers in a block that was raced away.
    fn is_waiting(&self) -> bool;
}

impl<L, V, Both, Rest, T, Jump, B, Literal, W> Frame<'_, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    L: Terms,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
{
    #[inline]
    fn home(&self) -> Option<&Home> {
        // SAFETY: `attach` got it from a reference to the first local of the body, which is pinned; the driver forgets
        // it when the body has ended.
        self.home.get().map(|home| unsafe { home.0.as_ref() })
    }

    /// Polls the block: whether it has ended.
    #[inline]
    fn poll_block(&self, cx: &mut Context<'_>) -> bool
    where
        L::Exit: TakesFrom<B::Output, Literal>,
    {
        // SAFETY: only the marker's future gets here, or the driver while that waits, and neither is polled by the
        // block, so there is one such reference at a time (fact 3).
        let block = unsafe { &mut *self.block.get() };
        // SAFETY: the block is in the pinned driver, and dropped where it stands: in `drop_block`, when the stage is no
        // more `Lent` and nobody gets here.
        let block = unsafe { Pin::new_unchecked(&mut **block) };
        match panics::catch(|| block.poll(cx)) {
            Ok(Poll::Pending) => return self.handoff.is_over(),
            Ok(Poll::Ready(value)) => self.handoff.set_return(value),
            Err(payload) => self.handoff.set_panic(payload),
        }
        true
    }

    /// Drops the block where it stands. A panic in that is a panic of the block: whether there was one.
    ///
    /// # Safety
    ///
    /// It is dropped once.
    #[inline]
    unsafe fn drop_block(&self) -> bool {
        // SAFETY: as in `poll_block`.
        let block = unsafe { &mut *self.block.get() };
        // SAFETY: the caller says so.
        match panics::catch(|| unsafe { ManuallyDrop::drop(block) }) {
            Ok(()) => false,
            Err(payload) => {
                self.handoff.set_panic(payload);
                true
            }
        }
    }

    /// Ends the block; `outcome` is how, unless dropping it panics.
    #[inline]
    fn end(&self, outcome: Outcome<Caught<L>>) -> Outcome<Caught<L>>
    where
        W: Within,
    {
        self.stage.set(Stage::Ended);
        self.outcome.set(outcome.kind());
        // SAFETY: the callers have seen the stage `Lent` or `Cancelled`, which it is no more.
        let panicked = unsafe { self.drop_block() };
        let outcome = match outcome {
            _ if panicked => Outcome::Panicked,
            Outcome::Completed => self.within.outcome().map_or(outcome, passed_by::<L::Exit>),
            _ => outcome,
        };
        self.outcome.set(outcome.kind());
        outcome
    }

    /// What becomes of the `with!` when its manager has ended in `output`.
    #[inline]
    fn conclude(&self, output: OutputOf<L>) -> End<Value<Both, T>, Jump, B::Output>
    where
        ShapeOf<L::Exit>: Around<Rest, Both = Both, Ending = OutputOf<L>>,
    {
        let stage = self.stage.get();
        if stage.is_lent() {
            abort_leaked(self.about);
        }
        if stage != Stage::Entering {
            self.stage.set(Stage::Concluded);
        }
        match (<ShapeOf<L::Exit>>::error(output), self.handoff.take_end()) {
            (None, Some(Err(parcel))) => parcel.resume(),
            (Some(_lost), Some(Err(parcel))) => {
                rescue::failed(self.about.name(), "failed while a panic was under way; its error is lost");
                parcel.resume()
            }
            (Some(error), _) => End::Value(error),
            (None, Some(Ok(End::Value(value)))) => End::Value(<ShapeOf<L::Exit>>::value(value)),
            (None, Some(Ok(End::Jump(jump)))) => End::Jump(jump),
            (None, Some(Ok(End::Return(value)))) => End::Return(value),
            (None, None) => match <ShapeOf<L::Exit>>::nothing() {
                Some(nothing) if stage != Stage::Entering => End::Value(nothing),
                _ => no_value(self.about, stage),
            },
        }
    }
}

/// The manager ended in success, and there is no value for its `with!`.
#[cold]
fn no_value(about: &About, stage: Stage) -> ! {
    let name = about.name();
    let what = match stage {
        Stage::RacedAway => "dropped its block before the end",
        Stage::Ended => "caught the error of its block",
        _ => panic!("`{name}` ended without reaching its `yield!`"),
    };
    panic!("`{name}` {what} and then succeeded: `with!` has no value; return an `Err`, or add the option `suppress`")
}

/// What a manager is told of the outcome of another one in whose marker's way it stands. If it catches errors, there is
/// none to be caught: somebody else has it.
fn passed_by<X: Exit>(outcome: Outcome) -> Outcome<X::Caught> {
    match outcome {
        Outcome::Completed => Outcome::Completed,
        Outcome::Failed(()) => X::unseen().map_or(Outcome::Cancelled, Outcome::Failed),
        Outcome::Panicked => Outcome::Panicked,
        Outcome::Cancelled => Outcome::Cancelled,
    }
}

impl<L, V, Both, Rest, T, Jump, B, Literal, W> Host<L> for Frame<'_, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    L: Terms<Exit: TakesFrom<B::Output, Literal>>,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    fn visit(&self, waker: &Waker) {
        self.home().inspect(|home| home.visit(waker));
    }

    #[inline]
    unsafe fn lend(&self, slot: NonNull<()>) {
        if self.stage.get() != Stage::Entering {
            yielded_twice(self.about);
        }
        // SAFETY: the caller says that it points to such an `Option`, and `V` is what `L` lends, by the signature of
        // `run`. The lifetime changes to that of the handoff, which is over when the block and the exit phase are; the
        // value is good so long (fact 2).
        let slot = unsafe { slot.cast::<Option<V>>().as_mut() };
        if let Some(value) = slot.take() {
            let way = self.way.get();
            self.stage.set(if way == Way::Straight { Stage::Lent } else { Stage::LentApart });
            self.handoff.lend(value);
            self.within.lent(way);
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<Caught<L>>> {
        match self.stage.get() {
            Stage::Lent | Stage::LentApart if self.handoff.is_over() || self.poll_block(cx) => {
                Poll::Ready(self.end(self.handoff.outcome()))
            }
            Stage::Lent | Stage::LentApart => Poll::Pending,
            Stage::Cancelled => Poll::Ready(rescue::of_block(|| self.end(Outcome::Cancelled))),
            _ => panic!("polled after its end"),
        }
    }

    unsafe fn lend_and_poll(&self, slot: NonNull<()>, cx: &mut Context<'_>) -> Poll<Outcome<Caught<L>>> {
        // SAFETY: the caller says the same.
        unsafe { self.lend(slot) };
        if self.poll_block(cx) { Poll::Ready(self.end(self.handoff.outcome())) } else { Poll::Pending }
    }

    fn release(&self) {
        let at_home = self.home().is_none_or(Home::is_here);
        // A block that may not be dropped on this thread is left to the driver, as one whose marker was leaked.
        if at_home && self.stage.get().is_lent() {
            self.stage.set(Stage::RacedAway);
            // SAFETY: it was there, as the stage told, which tells now that it is not.
            let drop_block = || unsafe { self.drop_block() };
            if self.home().is_none() {
                // It was dropped with its body, or with the block of a manager in that, which races.
                drop_block();
            } else {
                let (_panicked, rescues) = rescue::collect(drop_block);
                self.handoff.wait_for(rescues);
            }
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        // On another thread it is not even looked at.
        let at_home = self.home().is_none_or(Home::is_here);
        (at_home && self.stage.get() == Stage::Ended).then(|| self.outcome.get())
    }

    fn set_way(&self, way: Way) {
        self.way.set(way.max(self.way.get()));
    }

    fn is_lent(&self) -> bool {
        self.stage.get().is_lent()
    }

    fn is_cancelled(&self) -> bool {
        self.stage.get() == Stage::Cancelled
    }

    fn is_waiting(&self) -> bool {
        self.handoff.is_waiting()
    }
}

/// The future of a `with!`: runs the manager, and through it the block.
#[must_use = "a driver does nothing until it is awaited"]
pub struct Driver<'h, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output: Ending>,
    L: Terms,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    frame: Frame<'h, L, V, Both, Rest, T, Jump, B, Literal, W>,
    body: ManuallyDrop<F>,
    /// The frame is reached by pointer.
    _pinned: PhantomPinned,
}

/// Runs `block` with what `manager` lends.
///
/// The [`Loan`](crate::handoff::Loan) of the `handoff` must be a local that stands beside it, so that nothing of the
/// lent value outlives the `with!`. For `literal` see [`Verdict`]; for `within` see [`Within`].
#[inline]
pub fn run<'h, 'a, 'b, F, L, V, Both, Rest, T, Jump, B, Literal, W>(
    manager: Manager<F, L>,
    handoff: &'h Handoff<L::Exit, V, Both, Rest, T, Jump, B::Output>,
    block: B,
    within: W,
    _literal: Literal,
) -> Driver<'h, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output: Ending>,
    L: Lent<'a, 'b, Value = V>,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    let frame = Frame {
        about: manager.about,
        block: UnsafeCell::new(ManuallyDrop::new(block)),
        handoff,
        stage: Cell::new(Stage::New),
        outcome: Cell::new(Outcome::Completed),
        polling: Cell::new(false),
        way: Cell::new(Way::Straight),
        home: Cell::new(None),
        within,
        literal: PhantomData,
    };
    Driver { frame, body: ManuallyDrop::new(manager.body), _pinned: PhantomPinned }
}

impl<F, L, V, Both, Rest, T, Jump, B, Literal, W> Driver<'_, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output: Ending>,
    L: Terms,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    /// Has the body go on, and concludes when it has ended. It stands by itself to keep the polls of the block short.
    #[inline(never)]
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<End<Value<Both, T>, Jump, B::Output>>
    where
        F: Future<Output = OutputOf<L>>,
        L::Exit: TakesFrom<B::Output, Literal>,
        ShapeOf<L::Exit>: Around<Rest, Both = Both, Ending = OutputOf<L>>,
    {
        let mut output = if self.frame.stage.get() == Stage::New {
            self.frame.stage.set(Stage::Entering);
            let call = Call::<L>::new(cx.waker(), &self.frame.home, &self.frame);
            self.poll_body(&mut Context::from_waker(&call.waker()))
        } else {
            self.poll_body(cx)
        };
        while output.is_pending() && self.frame.stage.get() == Stage::RacedAway && self.frame.handoff.poll_rescues(cx) {
            output = self.poll_body(cx);
        }
        Poll::Ready(self.frame.conclude(ready!(output)))
    }

    /// Polls the body.
    #[inline]
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.frame.home().inspect(|home| home.enter(cx.waker()));
        // SAFETY: callers have the driver pinned; the body stays where it is until it is dropped there.
        let body = unsafe { Pin::new_unchecked(&mut *self.body) };
        self.frame.polling.set(true);
        let output = body.poll(cx);
        self.frame.polling.set(false);
        if output.is_ready() {
            // It was a local of the body.
            self.frame.home.set(None);
        }
        output
    }

    /// The `with!` is dropped while the block is under way: the marker drops the block and gives `Cancelled`, and the
    /// exit phase runs on from there as far as it gets.
    fn cancel(&mut self) {
        self.frame.stage.set(Stage::Cancelled);
        self.frame.home().inspect(|home| home.wake());
        let output = self.poll_body(&mut Context::from_waker(Waker::noop()));
        if matches!(output.map(Ending::error), Poll::Ready(Some(_lost))) {
            rescue::failed(self.frame.about.name(), "failed after a cancellation; its error is lost");
        }
    }

    /// Drops the body. A marker that is still there drops the block with it.
    ///
    /// # Safety
    ///
    /// It is not used again.
    unsafe fn drop_body(&mut self) {
        self.frame.home().inspect(|home| home.enter(Waker::noop()));
        // SAFETY: the caller says so.
        panics::contain(|| unsafe { ManuallyDrop::drop(&mut self.body) });
    }

    /// Drops what a driver has that was left before its end, or that has ended without a block.
    #[cold]
    fn drop_unfinished(&mut self) {
        if self.frame.polling.get() {
            // The body has panicked, and its locals are gone.
            self.frame.home.set(None);
        }
        if !self.frame.polling.get() && self.frame.stage.get().is_lent() {
            // What is left of the block goes before what is left of the manager.
            rescue::block_first(|| {
                if let Err(payload) = panics::catch(|| self.cancel()) {
                    rescue::panicked(self.frame.about.name(), payload);
                }
                // SAFETY: this is the end of the driver.
                unsafe { self.drop_body() };
            });
        } else {
            // SAFETY: as above.
            unsafe { self.drop_body() };
        }
        match self.frame.stage.get() {
            Stage::Lent | Stage::LentApart | Stage::Cancelled => abort_leaked(self.frame.about),
            // SAFETY: nobody has dropped it, as no marker has lent.
            Stage::New | Stage::Entering => drop(unsafe { self.frame.drop_block() }),
            Stage::Ended | Stage::RacedAway | Stage::Concluded => {}
        }
        // What nobody came for: a value, or a panic.
        panics::contain(|| drop(self.frame.handoff.take_end()));
    }
}

impl<F, L, V, Both, Rest, T, Jump, B, Literal, W> Future for Driver<'_, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output = OutputOf<L>>,
    L: Terms<Exit: TakesFrom<B::Output, Literal>>,
    ShapeOf<L::Exit>: Around<Rest, Both = Both, Ending = OutputOf<L>>,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    type Output = End<Value<Both, T>, Jump, B::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of the driver.
        let this = unsafe { self.get_unchecked_mut() };
        // The body would do the same.
        if this.frame.stage.get() == Stage::Lent && !this.frame.poll_block(cx) {
            return Poll::Pending;
        }
        this.advance(cx)
    }
}

impl<F, L, V, Both, Rest, T, Jump, B, Literal, W> Drop for Driver<'_, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output: Ending>,
    L: Terms,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    #[inline]
    fn drop(&mut self) {
        // A body is an `async` block, which has nothing left in it when it has ended.
        if self.frame.stage.get() != Stage::Concluded {
            self.drop_unfinished();
        }
    }
}

#[cold]
fn yielded_twice(about: &About) -> ! {
    panic!("`{}` reached its `yield!` a second time", about.name())
}

/// The block can't be dropped: what it borrows from the manager may be gone.
#[cold]
fn abort_leaked(about: &About) -> ! {
    let name = about.name();
    panics::abort(format_args!(
        "`{name}` leaked the future of its `yield!`, or dropped it on another thread, while a block was lent to it"
    ))
}
