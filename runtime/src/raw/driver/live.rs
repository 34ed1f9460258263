//! A driver that is live: polls its body and its block.

use core::future::Future;
use core::hint::unreachable_unchecked;
use core::marker::PhantomData;
use core::mem::forget;
use core::pin::Pin;
use core::ptr::{NonNull, drop_in_place};
use core::task::{Context, Poll};

use super::{Driver, DriverParts};
use crate::classify::Classify;
use crate::exit::CatchesFrom;
use crate::frame::{Frame, SlotState};
use crate::named::{NameAt, Named};
use crate::output::BodyOutput;
use crate::panics::{self, Parcel};
use crate::raw::TaskPtr;
use crate::raw::any_driver::{AnyDriver, BodyPoll};
use crate::raw::header::{Flag, Header};
use crate::raw::yield_point::Enclosing;
use crate::rescue::{self, Show};
use crate::scope_types::Scope;

/// A driver that is live during `'p`, and pinned if it has been polled. Each field is borrowed separately, because the
/// body is borrowed while its marker uses the other fields.
pub(super) struct Live<'p, 'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    pub(super) driver: NonNull<Driver<'h, F, N, S, B, W, Literal>>,
    pub(super) frame: &'h Frame<S>,
    life: PhantomData<&'p ()>,
}

impl<F, N, S, B, W, Literal> Clone for Live<'_, '_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, N, S, B, W, Literal> Copy for Live<'_, '_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
}

/// Evaluates to `value`, in which a field of the driver is bound. Creates no reference to another field.
macro_rules! with_field {
    ($driver:expr, [$($field:tt)*] => $value:expr) => {
        match *$driver.as_ptr() {
            Driver::Live { $($field)*, .. } => $value,
            Driver::Done => unreachable_unchecked(),
        }
    };
}

impl<'p, 'h, F, N, S, B, W, Literal> Live<'p, 'h, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// # Safety
    ///
    /// The driver must be live for as long as this is used, and pinned if it has been polled.
    #[inline]
    pub(super) unsafe fn new(driver: NonNull<Driver<'h, F, N, S, B, W, Literal>>) -> Self {
        // SAFETY: guaranteed by the caller.
        let frame = unsafe { parts_of(driver) }.frame;
        Self { driver, frame, life: PhantomData }
    }

    /// Returns what the driver was created with.
    #[inline]
    pub(super) fn parts(self) -> &'p DriverParts<'h, N, S, W> {
        // SAFETY: the driver is live: see `new`.
        unsafe { parts_of(self.driver) }
    }

    /// Returns the header of the frame.
    #[inline]
    pub(super) fn header(self) -> &'h Header {
        self.frame.header()
    }

    /// # Safety
    ///
    /// The body must not have been dropped, and must not be in use while the reference is.
    #[inline]
    unsafe fn body(self) -> &'p mut F {
        // SAFETY: the driver is not `Done`: see `new`. The rest is guaranteed by the caller.
        unsafe { with_field!(self.driver, [ref mut body] => body) }
    }

    /// # Safety
    ///
    /// The block must not have been dropped, and must not be in use while the reference is.
    #[inline]
    pub(super) unsafe fn block(self) -> &'p mut B {
        // SAFETY: as in `body`.
        unsafe { with_field!(self.driver, [ref mut block] => block) }
    }

    /// Takes the value out of `value_ptr`, and lends it to the block.
    ///
    /// # Safety
    ///
    /// See [`BlockOwner::lend`](crate::raw::header::BlockOwner::lend).
    #[inline]
    pub(super) unsafe fn lend(self, value_ptr: NonNull<()>) {
        // SAFETY: guaranteed by the caller.
        unsafe { lend(self.frame, value_ptr) };
        self.parts().enclosing.has_lent(self.header().route.get());
    }

    /// Polls the body once.
    ///
    /// # Safety
    ///
    /// The driver must be pinned. The body must not have been dropped, and must not be in use.
    #[inline]
    pub(super) unsafe fn poll_body(self, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: guaranteed by the caller. The marker, which is part of the body, uses the other fields only.
        let body = unsafe { self.body() };
        // SAFETY: the driver is pinned, and the body is not moved before it is dropped in place.
        let body = unsafe { Pin::new_unchecked(body) };
        let panics = SetPanicked(self.header());
        let output = body.poll(cx);
        forget(panics);
        output
    }
}

impl<F, N, S, B, W, Literal> Live<'_, '_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Exit: CatchesFrom<S::Return, Literal>, Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    /// Polls the block and returns whether it has ended. A block that has ended is dropped. A panic of the poll or of
    /// the drop is a panic of the block.
    ///
    /// # Safety
    ///
    /// The driver must be pinned. The block must not have been dropped, and must not be in use.
    #[inline]
    pub(super) unsafe fn run_block(self, cx: &mut Context<'_>) -> bool {
        let (frame, header) = (self.frame, TaskPtr(NonNull::from(self.header())));
        // SAFETY: the caller is the marker, or the driver while the body is suspended at the marker. The block polls neither
        // of them, so only one such reference exists at a time (fact 3).
        let block = unsafe { self.block() };
        let ran = panics::catch(move || {
            // SAFETY: the block is a field of the pinned driver and is dropped in place.
            let has_ended = frame.end_block(unsafe { Pin::new_unchecked(&mut *block) }.poll(cx));
            if has_ended {
                // SAFETY: the block has not been dropped before: only this poll has set the state to `BlockDone`, and nothing
                // else drops the block while it is polled (fact 3).
                unsafe { drop_in_place(block) };
            }
            has_ended
        });
        match ran {
            Ok(false) => return false,
            Ok(true) => self.parts().enclosing.pass(&self.header().outcome),
            // SAFETY: the driver is the owner of the block, which is not in use any more.
            Err(payload) => unsafe { header.fail(payload) },
        }
        true
    }
}

/// # Safety
///
/// The driver must be live during `'p`.
#[inline]
unsafe fn parts_of<'p, F, N, S, B, W, Literal>(
    driver: NonNull<Driver<'_, F, N, S, B, W, Literal>>,
) -> &'p DriverParts<'_, N, S, W>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    // SAFETY: the driver is not `Done`. This field is not written while it is live.
    unsafe { with_field!(driver, [ref parts] => parts) }
}

/// When dropped, records that the body has panicked and that its locals are gone.
struct SetPanicked<'h>(&'h Header);

impl Drop for SetPanicked<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.set(Flag::Panicked, true);
    }
}

impl<F, N, S, B, W, Literal> AnyDriver for Live<'_, '_, F, N, S, B, W, Literal>
where
    F: Future<Output: BodyOutput>,
    N: NameAt<S, Output = F::Output>,
    S: Scope<Return: Classify<Literal>>,
    B: Future<Output = S::Return>,
    W: Enclosing,
{
    fn header(&self) -> &Header {
        self.frame.header()
    }

    fn enclosing(&self) -> &dyn Enclosing {
        &self.parts().enclosing
    }

    fn can_be_cut(&self) -> bool {
        self.parts().name.can_be_cut()
    }

    fn slot_state(&self) -> SlotState {
        self.frame.slot_state()
    }

    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel> {
        self.frame.clear(&N::SHOW_END, report)
    }

    unsafe fn poll_body(&self, cx: &mut Context<'_>, output: NonNull<()>) -> BodyPoll {
        // SAFETY: guaranteed by the caller.
        let polled = unsafe { Live::poll_body(*self, cx) };
        // SAFETY: guaranteed by the caller.
        unsafe { store(polled, output.cast()) }
    }

    unsafe fn discard(&self, output: NonNull<()>, what: Option<&str>) {
        // SAFETY: guaranteed by the caller.
        unsafe { discard(self.parts().name.named(), output.cast(), what) };
    }

    unsafe fn drop_body(&self) {
        // SAFETY: guaranteed by the caller.
        let body = unsafe { self.body() };
        // SAFETY: guaranteed by the caller.
        unsafe { drop_in_place(body) };
    }

    unsafe fn drop_block(&self) {
        // SAFETY: guaranteed by the caller.
        let block = unsafe { self.block() };
        // SAFETY: guaranteed by the caller.
        unsafe { drop_in_place(block) };
    }
}

/// See [`Live::lend`].
///
/// # Safety
///
/// See there.
#[inline]
unsafe fn lend<S: Scope>(frame: &Frame<S>, value_ptr: NonNull<()>) {
    // SAFETY: the caller guarantees that it points to an `Option` of what the manager lends. That is `S::Lent`, by the
    // signature of `run`. The lifetime of the value changes to that of the frame, which ends when the block and the exit
    // phase have ended. The value is valid that long (fact 2).
    let value_ptr = unsafe { value_ptr.cast::<Option<S::Lent>>().as_mut() };
    // SAFETY: guaranteed by the caller.
    frame.lend(unsafe { value_ptr.take().unwrap_unchecked() });
}

/// Writes the output of a body to `output`, if it has one.
///
/// # Safety
///
/// `output` must be valid.
unsafe fn store<O: BodyOutput>(polled: Poll<O>, mut output: NonNull<Option<O>>) -> BodyPoll {
    let Poll::Ready(ended) = polled else { return BodyPoll::Pending };
    let has_failed = ended.as_error().is_some();
    // SAFETY: guaranteed by the caller.
    *unsafe { output.as_mut() } = Some(ended);
    if has_failed { BodyPoll::Failed } else { BodyPoll::Succeeded }
}

/// See [`AnyDriver::discard`].
///
/// # Safety
///
/// `output` must be valid.
unsafe fn discard<O: BodyOutput>(named: Named<O>, mut output: NonNull<Option<O>>, what: Option<&str>) {
    // SAFETY: guaranteed by the caller.
    let Some(output) = unsafe { output.as_mut() }.take() else { return };
    if let (Some(what), Some(_)) = (what, output.as_error()) {
        named.report(rescue::failed, what, &output);
    }
    panics::discard(output);
}
