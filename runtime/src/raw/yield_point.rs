//! The yield point of a body, and the future of its `yield!`.

use core::cell::Cell;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::header::{Flag, Header, Route, State};
use super::{Caught, TaskPtr};
use crate::exit::Exit;
use crate::frame::BodyToken;
use crate::lend::{Contract, FnContract, Lend0, Lend1, Lend2, Lends};
use crate::outcome::Outcome;
use crate::raw::detached::{DetachedGuard, Placement};
use crate::rescue;

/// A body's handle to its `with!`, from which `yield!` lends.
///
/// `'f` is the lifetime of a local of the body. The block cannot outlive it. A macro that receives the tokens of a
/// `yield!` can copy the yield point, and use it twice or on another thread. Each use detects this and panics. The type
/// is `Copy` because such a macro may also expand to a loop that runs once.
pub struct YieldPoint<'f, L, H> {
    header: TaskPtr<Header>,
    placement: H,
    contract: PhantomData<(fn(L) -> L, &'f BodyToken)>,
}

impl<L, H: Copy> Clone for YieldPoint<'_, L, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L, H: Copy> Copy for YieldPoint<'_, L, H> {}

impl<'f, L, H: Placement> YieldPoint<'f, L, H> {
    #[inline]
    pub(super) const fn new(header: TaskPtr<Header>, placement: H) -> Self {
        Self { header, placement, contract: PhantomData }
    }

    #[inline]
    pub(super) fn header(&self) -> &'f Header {
        // SAFETY: `'f` is within the life of the body, which the header outlives (fact 1).
        unsafe { self.header.header() }
    }

    /// Returns this yield point as a `with!` around its marker sees it.
    #[inline]
    pub fn enclosing(point: &Self) -> EnclosingPoint<'f, H> {
        EnclosingPoint { header: point.header, placement: point.placement, life: PhantomData }
    }
}

/// Lends `value`, which borrows a local `M` of the body, at once. Returns the marker, which the body must await next.
/// The type of the marker contains the lifetime of the borrow.
#[inline]
pub(crate) fn lend_from_type<'f, 'v, L, M, H>(
    point: YieldPoint<'f, L, H>,
    value: <L as Lends<'v, 'v>>::Value,
) -> Yield<'f, L, H, &'v mut M>
where
    L: Lends<'v, 'v>,
    H: Placement,
{
    let mut value_ptr = Some(value);
    point.header().begin_lending();
    // SAFETY: the value is what `L` lends. What it borrows stays borrowed for as long as the marker lives, because the
    // marker has `'v` in its type. The marker drops the block when it is dropped (fact 2).
    unsafe { point.header.lend(NonNull::from(&mut value_ptr).cast()) };
    Yield { point: Some(point), value: None }
}

/// The functions that lend at a yield point, one for each number of elided lifetimes.
macro_rules! lend {
    ($n:literal $lend:ident $Lend:ident($($left_out:lifetime $block:lifetime)*) $($longer:lifetime: $shorter:lifetime)?) => {
        /// Returns the marker, which lends `value` to the block and polls the block to its end.
        ///
        /// The elided lifetimes must end before the body does (`'f`). The block may store any reference that it likes
        /// in a lent `&Cell<&T>`, and this reference must not reach code that reads it after the block.
        #[inline]
        #[allow(clippy::elidable_lifetime_names, clippy::needless_lifetimes, reason = "named like the others")]
        pub const fn $lend<'f, $($block,)* L, X, H>(
            point: YieldPoint<'f, FnContract<L, $n, X>, H>,
            value: <L as $Lend<$($block),*>>::Out,
        ) -> Yield<'f, FnContract<L, $n, X>, H, <L as $Lend<$($block),*>>::Out>
        where
            L: ?Sized + for<$($left_out),*> $Lend<$($left_out),*>,
            H: Placement,
            $('f: $block,)*
            $($longer: $shorter)?
        {
            Yield::new(point, value)
        }
    };
}

lend!(0 lend0 Lend0());
lend!(1 lend1 Lend1('y 'a));
lend!(2 lend2 Lend2('y 'a 'z 'b) 'b: 'a);

/// The manager that encloses a `with!`: the marker of that manager is in the block of the `with!`. `()` if the block
/// contains no such marker.
///
/// A `with!` around a marker sees the outcome that the marker returned, although its own block ran to its end. In
/// Python, the error would pass through its manager.
pub trait Enclosing {
    /// Returns whether the block of the `with!` contains a marker, or the end of a stack's entry.
    fn is_around_marker(&self) -> bool;

    /// Returns whether a scope around the `with!` can stop the block. The block of a stack's entry ends only when the stack
    /// is left, or when its own manager stops it.
    fn can_stop(&self) -> bool {
        true
    }

    /// Returns the outcome of the block that the marker has lent to. `None` if that block has not ended.
    fn outcome(&self) -> Option<Outcome>;

    /// Called once the manager of this `with!` has lent. `route` says what lies between its marker and its driver.
    fn has_lent(&self, route: Route);

    /// Returns whether the `with!` of the marker is being dropped and needs the marker to be polled.
    fn wants_marker(&self) -> bool;

    /// Completes the outcome of a block that has ended. If the block completed and contains the marker of an enclosing
    /// manager, the outcome of that marker replaces `Completed`.
    #[inline]
    fn pass(&self, outcome: &Cell<Outcome>) {
        if let (Outcome::Completed, Some(passed)) = (outcome.get(), self.outcome()) {
            outcome.set(passed);
        }
    }
}

impl Enclosing for () {
    fn is_around_marker(&self) -> bool {
        false
    }

    fn outcome(&self) -> Option<Outcome> {
        None
    }

    fn has_lent(&self, _route: Route) {}

    fn wants_marker(&self) -> bool {
        false
    }
}

/// A yield point, as a `with!` around its marker sees it.
#[derive(Clone, Copy)]
pub struct EnclosingPoint<'f, H> {
    header: TaskPtr<Header>,
    placement: H,
    life: PhantomData<&'f BodyToken>,
}

impl<H: Placement> EnclosingPoint<'_, H> {
    /// Returns the header. `None` on another thread than the driver's: the header is not accessed there.
    #[inline]
    fn header(&self) -> Option<&Header> {
        let is_driver_thread = self.placement.guard().is_none_or(DetachedGuard::is_driver_thread);
        // SAFETY: `'f` is within the life of the body, which the header outlives (fact 1).
        is_driver_thread.then(|| unsafe { self.header.header() })
    }
}

impl<H: Placement> Enclosing for EnclosingPoint<'_, H> {
    fn is_around_marker(&self) -> bool {
        true
    }

    #[inline]
    fn outcome(&self) -> Option<Outcome> {
        self.header().and_then(Header::outcome)
    }

    /// # Panics
    ///
    /// Panics on another thread than the driver's.
    #[inline]
    fn has_lent(&self, route: Route) {
        self.header()
            .expect("the future of a `yield!` was polled on a different thread than its `with!`")
            .set_route(route);
    }

    fn wants_marker(&self) -> bool {
        self.header().is_some_and(|header| header.has(Flag::WantsMarker) && header.state.get().is_lent())
    }
}

/// The future of a `yield!`, called the marker: lends the value and polls the block to its end.
#[must_use = "the block runs only when this is awaited"]
pub struct Yield<'f, L, H: Placement, V> {
    /// `None` if the block has ended.
    point: Option<YieldPoint<'f, L, H>>,
    /// `None` once the value has been lent.
    value: Option<V>,
}

// No field is pinned: the value is moved out before the block is polled.
impl<L, H: Placement, V> Unpin for Yield<'_, L, H, V> {}

impl<'f, L, H: Placement, V> Yield<'f, L, H, V> {
    /// Creates the marker. `V` must be the type that `L` lends.
    #[inline]
    pub(crate) const fn new(point: YieldPoint<'f, L, H>, value: V) -> Self {
        Self { point: Some(point), value: Some(value) }
    }
}

impl<L: Contract, H: Placement, V> Future for Yield<'_, L, H, V> {
    type Output = Outcome<Caught<L>>;

    /// # Panics
    ///
    /// Panics if it is polled after its end or on another thread than its driver, or if another marker has lent before.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let point = this.point.as_ref().expect("the future of a `yield!` was polled after completion");
        let header = point.header();
        if let Some(guard) = point.placement.guard() {
            guard.before_marker(cx.waker());
            if header.has(Flag::HoldsMarker) {
                return Poll::Pending;
            }
            header.set(Flag::WantsMarker, false);
        }
        // SAFETY of both blocks: the value is what `L` lends (guaranteed by the callers of `new`: `lend0` to `lend2`). What it
        // borrows stays borrowed for as long as `self` lives, because `self` has `V` in its type. `self` drops the block when
        // it is dropped (fact 2). The header and the owner are alive, because the body is (fact 1).
        let has_ended = if this.value.is_some() && header.try_begin_plain() {
            // SAFETY: see above.
            unsafe { point.header.begin(NonNull::from(&mut this.value).cast(), cx) }
        } else {
            let value_ptr = this.value.is_some().then(|| NonNull::from(&mut this.value).cast());
            if value_ptr.is_some() {
                header.begin_lending();
            }
            // SAFETY: see above.
            header.state.get() == State::BlockDone || unsafe { point.header.poll(value_ptr, cx) }
        };
        if !has_ended {
            return Poll::Pending;
        }
        let outcome = point.outcome();
        this.point = None;
        Poll::Ready(outcome)
    }
}

impl<L: Contract, H: Placement> YieldPoint<'_, L, H> {
    /// Returns the outcome, with the error of the block if the manager catches it.
    #[inline]
    fn outcome(&self) -> Outcome<Caught<L>> {
        match self.header().outcome.get() {
            Outcome::Completed => Outcome::Completed,
            Outcome::Failed(()) => match L::Exit::UNSEEN {
                Some(unseen) => Outcome::Failed(unseen),
                // There is no error if the manager encloses the marker of another one, which the error has been moved to.
                None => self.take_error().map_or(Outcome::Cancelled, Outcome::Failed),
            },
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }

    fn take_error(&self) -> Option<Caught<L>> {
        let mut error = None::<Caught<L>>;
        // SAFETY: the pointer points to an `Option` of the caught error. The header and the owner are alive, because
        // the body is (fact 1).
        unsafe { self.header.take_error(NonNull::from(&mut error).cast()) };
        error
    }
}

impl<L, H: Placement, V> Drop for Yield<'_, L, H, V> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(point), None) = (&self.point, &self.value) {
            release(point.header, point.placement.guard());
        }
    }
}

/// Drops the block of a marker that is dropped before its end. On another thread than the driver's, the block is left
/// to the driver, like that of a leaked marker.
#[inline(never)]
fn release(header: TaskPtr<Header>, guard: Option<&DetachedGuard>) {
    // SAFETY: the caller is a marker, so the header and the owner are alive, because the body is (fact 1).
    let mut release = || unsafe { header.release() };
    match guard {
        // The marker is dropped with its body, or with the block of a manager in the body that races its block.
        None => release(),
        Some(guard) if guard.is_driver_thread() => guard.add_rescues(rescue::collect(&mut release)),
        Some(_) => {}
    }
}
