//! The future of a `with!`: polls the body of the manager, and the block where the body waits for that.

use core::cell::UnsafeCell;
use core::future::Future;
use core::marker::{PhantomData, PhantomPinned};
use core::mem::{ManuallyDrop, forget};
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::Link;
use super::call::Call;
use super::head::{Head, Host, Stage};
use super::marker::Within;
use super::unfinished::{Unfinished, drop_unfinished};
use crate::exit::{Ending, Exit, TakesFrom};
use crate::handoff::{End, Handoff};
use crate::layer::{Around, Shape, ShapeOf, Value};
use crate::lend::{Lent, Terms};
use crate::manager::{About, Held, OutputOf};
use crate::outcome::Outcome;
use crate::panics::{self, Payload};
use crate::rescue;
use crate::verdict::Verdict;

/// The part of a driver that the marker reaches by pointer.
#[repr(C)]
struct Frame<'h, L: Terms, V, Both, Rest: Shape, T, Jump, B: Future, Literal, W> {
    head: Head,
    handoff: &'h Handoff<L::Exit, V, Both, Rest, T, Jump, B::Output>,
    within: W,
    literal: PhantomData<fn() -> Literal>,
    block: UnsafeCell<ManuallyDrop<B>>,
}

impl<L, V, Both, Rest, T, Jump, B, Literal, W> Frame<'_, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    L: Terms,
    Both: Shape,
    Rest: Shape,
    B: Future,
{
    /// Drops the block where it stands.
    ///
    /// # Safety
    ///
    /// It is there, and is not used again.
    unsafe fn drop_block(&self) {
        // SAFETY: nobody else uses it (fact 3).
        let block = unsafe { &mut *self.block.get() };
        // SAFETY: the caller says so.
        unsafe { ManuallyDrop::drop(block) };
    }
}

impl<L, V, Both, Rest, T, Jump, B, Literal, W> Frame<'_, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    L: Terms<Exit: TakesFrom<B::Output, Literal>>,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    /// Polls the block: whether it has ended. It is dropped then. A panic in either is one of the block.
    #[inline]
    fn run_block(&self, cx: &mut Context<'_>) -> bool {
        let ran = panics::catch(|| {
            // SAFETY: the marker gets here, or the driver while the body waits at that. Neither is polled by the block, so
            // there is one such reference at a time (fact 3).
            let block = unsafe { &mut *self.block.get() };
            // SAFETY: the block is in the pinned driver, and dropped where it stands.
            let polled = unsafe { Pin::new_unchecked(&mut **block) }.poll(cx);
            match polled {
                Poll::Ready(value) => self.handoff.set_return(value),
                Poll::Pending if self.handoff.is_over() => {}
                Poll::Pending => return false,
            }
            self.head.outcome.set(self.handoff.outcome());
            self.head.stage.set(Stage::Ended);
            // SAFETY: it is the first time, as the stage was another.
            unsafe { ManuallyDrop::drop(block) };
            true
        });
        match ran {
            Ok(ended) => ended && self.pass(),
            Err(payload) => self.fail(payload),
        }
    }

    /// The block has ended; if it went well, there may be another outcome, of a marker in it.
    #[inline]
    fn pass(&self) -> bool {
        if let (Outcome::Completed, Some(outcome)) = (self.head.outcome.get(), self.within.outcome()) {
            self.head.outcome.set(passed_by::<L::Exit>(outcome));
        }
        true
    }

    /// As the marker has it.
    fn link(&self) -> Link<Head> {
        Link(NonNull::from(self).cast())
    }

    /// The block has panicked.
    #[cold]
    fn fail(&self, payload: Payload) -> bool {
        self.handoff.set_panic(payload);
        if self.head.stage.replace(Stage::Ended).is_lent() {
            // SAFETY: it was there, as the stage told.
            unsafe { self.link().drop_block() };
        }
        self.head.outcome.set(Outcome::Panicked);
        true
    }
}

/// What a manager is told of the outcome of another one in whose marker's way it stands. If it catches errors, there is
/// none to be caught: somebody else has it.
fn passed_by<X: Exit>(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(()) if X::CATCHES => Outcome::Cancelled,
        _ => outcome,
    }
}

// SAFETY: it is `repr(C)`, and begins with its head.
unsafe impl<L, V, Both, Rest, T, Jump, B, Literal, W> Host for Frame<'_, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    L: Terms<Exit: TakesFrom<B::Output, Literal>>,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    const CATCHES: bool = L::Exit::CATCHES;

    #[inline]
    unsafe fn lend(&self, slot: NonNull<()>) {
        // SAFETY: the caller says that it points to such an `Option`, and `V` is what `L` lends, by the signature of
        // `run`. The lifetime changes to that of the handoff, which is over when the block and the exit phase are; the
        // value is good so long (fact 2).
        let slot = unsafe { slot.cast::<Option<V>>().as_mut() };
        if let Some(value) = slot.take() {
            self.handoff.lend(value);
            self.within.lent(self.head.way.get());
        }
    }

    unsafe fn poll(&self, slot: Option<NonNull<()>>, cx: &mut Context<'_>) -> bool {
        if let Some(slot) = slot {
            // SAFETY: the caller says the same.
            unsafe { self.lend(slot) };
        }
        match self.head.stage.get() {
            Stage::Lent | Stage::LentApart => self.run_block(cx),
            Stage::Cancelled => {
                self.head.stage.set(Stage::Ended);
                self.head.outcome.set(Outcome::Cancelled);
                // SAFETY: it was there, as the stage told.
                rescue::of_block(&mut || unsafe { self.link().drop_block() });
                true
            }
            _ => panic!("polled after its end"),
        }
    }

    unsafe fn drop_block(&self) {
        // SAFETY: the caller says the same.
        unsafe { self.drop_block() };
    }

    fn set_panic(&self, payload: Payload) {
        self.handoff.set_panic(payload);
    }

    unsafe fn take_error(&self, slot: NonNull<()>) {
        // SAFETY: the caller says that it points to such an `Option`.
        let slot = unsafe { slot.cast::<Option<super::Caught<L>>>().as_mut() };
        *slot = self.handoff.take_error();
    }
}

/// The future of a `with!`: runs the manager, and the block at its marker.
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
    manager: Held<F, L>,
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
    let head = Head::new(manager.about);
    let block = UnsafeCell::new(ManuallyDrop::new(block));
    let frame = Frame { head, handoff, within, literal: PhantomData, block };
    Driver { frame, body: manager.body, _pinned: PhantomPinned }
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
    /// Polls the body once more.
    #[inline]
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: callers have the driver pinned; the body stays where it is until it is dropped there.
        let body = unsafe { Pin::new_unchecked(&mut *self.body) };
        let panics = Panics(&self.frame.head);
        let output = body.poll(cx);
        forget(panics);
        output
    }
}

impl<'h, F, L, V, Both, Rest, T, Jump, B, Literal, W> Driver<'h, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output = OutputOf<L>>,
    L: Terms<Exit: TakesFrom<B::Output, Literal>>,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    /// Polls the body for the first time: it finds the frame by that.
    #[inline]
    fn begin(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.frame.head.begin::<Frame<'h, L, V, Both, Rest, T, Jump, B, Literal, W>>();
        let call = Call::new::<L, _>(cx.waker(), &self.frame);
        // SAFETY: as in `go_on`.
        let body = unsafe { Pin::new_unchecked(&mut *self.body) };
        let panics = Panics(&self.frame.head);
        let output = body.poll(&mut Context::from_waker(&call.waker()));
        forget(panics);
        output
    }

    /// What becomes of the `with!` when its manager has ended in `output`.
    #[inline]
    fn conclude(&self, output: F::Output) -> End<Value<Both, T>, Jump, B::Output>
    where
        ShapeOf<L::Exit>: Around<Rest, Both = Both, Ending = OutputOf<L>>,
    {
        let before = self.frame.head.conclude();
        if let Some(error) = <ShapeOf<L::Exit>>::error(output) {
            let name = || self.frame.head.about.name();
            let lost = || rescue::failed(name(), "failed while a panic was under way; its error is lost");
            self.frame.handoff.give_way(lost);
            return End::Value(error);
        }
        self.frame.handoff.take_end::<ShapeOf<L::Exit>>().unwrap_or_else(|| match <ShapeOf<L::Exit>>::nothing() {
            Some(nothing) if before != Stage::Entering => End::Value(nothing),
            _ => no_value(self.frame.head.about, before),
        })
    }
}

/// The body has panicked, and its locals are gone.
struct Panics<'h>(&'h Head);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        self.0.panicked.set(true);
        self.0.leave_home();
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
        let output = match this.frame.head.stage.get() {
            Stage::New => this.begin(cx),
            Stage::Lent if !this.frame.run_block(cx) => return Poll::Pending,
            _ => {
                this.frame.head.enter_home(cx.waker());
                this.go_on(cx)
            }
        };
        Poll::Ready(this.conclude(ready!(output)))
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
        if self.frame.head.stage.get() != Stage::Concluded {
            drop_unfinished(self);
        }
    }
}

impl<F, L, V, Both, Rest, T, Jump, B, Literal, W> Unfinished for Driver<'_, F, L, V, Both, Rest, T, Jump, B, Literal, W>
where
    F: Future<Output: Ending>,
    L: Terms,
    Both: Shape,
    Rest: Shape,
    B: Future<Output: Verdict<Literal>>,
    W: Within,
{
    fn head(&self) -> &Head {
        &self.frame.head
    }

    fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(output) = self.go_on(cx) else { return false };
        self.frame.head.leave_home();
        output.error().is_some()
    }

    unsafe fn drop_body(&mut self) {
        // SAFETY: the caller says so.
        unsafe { ManuallyDrop::drop(&mut self.body) };
    }

    unsafe fn drop_block(&mut self) {
        // SAFETY: the caller says so.
        unsafe { self.frame.drop_block() };
    }

    fn drop_end(&mut self) {
        self.frame.handoff.clear();
    }
}
