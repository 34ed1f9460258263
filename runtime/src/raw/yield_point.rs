//! What a body has of its `with!`: the yield point, and the future of its `yield!`.

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::header::{Header, Route, State};
use super::{Caught, TaskPtr};
use crate::exit::Exit;
use crate::frame::BodyToken;
use crate::lend::{Contract, FnContract, Lend0, Lend1, Lend2, Lends};
use crate::outcome::Outcome;
use crate::raw::detached::{DetachedGuard, Placement};
use crate::rescue;

/// A body's handle on its `with!`, from which `yield!` lends.
///
/// `'f` is the life of a local of the body, which the block can't outlive. A macro that is given the tokens of a marker
/// can get hold of it, and use it twice or on another thread: all that it is used for notices that, and panics. (Such a
/// macro may also be one that loops, but goes through the loop once; so it is `Copy`.)
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
        // SAFETY: `'f` is enclosing the body, which the header outlives (fact 1).
        unsafe { self.header.header() }
    }

    /// Returns what a `with!` around the marker sees of this yield point.
    #[inline]
    pub fn enclosing(point: &Self) -> EnclosingPoint<'f, H> {
        EnclosingPoint { header: point.header, placement: point.placement, life: PhantomData }
    }
}

/// Lends `value` at once, which borrows a local `M` of the body. Returns the marker, which is to be awaited then. Its type
/// says how long the borrow is.
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
    // SAFETY: the value is what `L` lends, and what it borrows is borrowed for as long as the marker lives, which has `'v`
    // in its type and drops the block when it is dropped (fact 2).
    unsafe { point.header.lend(NonNull::from(&mut value_ptr).cast()) };
    Yield { point: Some(point), value: None }
}

/// The functions that lend at a yield point, for the numbers of lifetimes that may be left out.
macro_rules! lend {
    ($n:literal $lend:ident $Lend:ident($($left_out:lifetime $block:lifetime)*) $($longer:lifetime: $shorter:lifetime)?) => {
        /// The yield point: lends `value` to the block and polls it to its end.
        ///
        /// The left-out lifetimes must end before the body does (`'f`): the block may store what it likes in a lent
        /// `&Cell<&T>`, and it must not find its way to somebody who reads it later.
        #[inline]
        #[allow(clippy::elidable_lifetime_names, clippy::needless_lifetimes, reason = "it is named for the others")]
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

/// What stands around a `with!`: the marker of a manager in its block, or nothing that matters (`()`).
///
/// A manager around a marker sees the outcome that the marker returned, though its own block went on to its end. In
/// Python, the error would have come through it.
pub trait Enclosing {
    /// Returns how the block ended that was lent to at the marker, if it has.
    fn outcome(&self) -> Option<Outcome>;

    /// Notes that the marker of the manager has lent, with this between it and the driver.
    fn has_lent(&self, route: Route);

    /// Whether the `with!` of the marker around is being dropped, and waits for that to be polled.
    fn wants_marker(&self) -> bool;
}

impl Enclosing for () {
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
    /// The header. On another thread than the driver's it is not even looked at.
    #[inline]
    fn header(&self) -> Option<&Header> {
        let is_driver_thread = self.placement.guard().is_none_or(DetachedGuard::is_driver_thread);
        // SAFETY: `'f` is enclosing the body, which the header outlives (fact 1).
        is_driver_thread.then(|| unsafe { self.header.header() })
    }
}

impl<H: Placement> Enclosing for EnclosingPoint<'_, H> {
    #[inline]
    fn outcome(&self) -> Option<Outcome> {
        self.header().and_then(Header::outcome)
    }

    /// # Panics
    ///
    /// On another thread than the driver's.
    #[inline]
    fn has_lent(&self, route: Route) {
        self.header().expect("the future of a `yield!` was polled on another thread than its `with!`").set_route(route);
    }

    fn wants_marker(&self) -> bool {
        self.header().is_some_and(|header| header.wants_marker.get() && header.state.get().is_lent())
    }
}

/// The future of a `yield!`: the block, as the manager has it.
#[must_use = "the block runs when this is awaited"]
pub struct Yield<'f, L, H: Placement, V> {
    /// `None` if the block has ended.
    point: Option<YieldPoint<'f, L, H>>,
    /// `None` if it has been lent.
    value: Option<V>,
}

// What it holds is moved out before anything is pinned.
impl<L, H: Placement, V> Unpin for Yield<'_, L, H, V> {}

impl<'f, L, H: Placement, V> Yield<'f, L, H, V> {
    /// `V` must be a member of the family `L`.
    #[inline]
    pub(crate) const fn new(point: YieldPoint<'f, L, H>, value: V) -> Self {
        Self { point: Some(point), value: Some(value) }
    }
}

impl<L: Contract, H: Placement, V> Future for Yield<'_, L, H, V> {
    type Output = Outcome<Caught<L>>;

    /// # Panics
    ///
    /// If it is polled after its end, on another thread than its driver, or if another marker has lent before.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let point = this.point.as_ref().expect("a `yield!` is awaited once");
        let header = point.header();
        if let Some(guard) = point.placement.guard() {
            guard.before_marker(cx.waker());
            if header.holds_marker.get() {
                return Poll::Pending;
            }
            header.wants_marker.set(false);
        }
        if this.value.is_some() {
            header.begin_lending();
        }
        let value_ptr = this.value.is_some().then(|| NonNull::from(&mut this.value).cast());
        // SAFETY: the value is what `L` lends (the callers of `new`: `lend0` to `lend2`), and what it borrows is borrowed
        // for as long as `self` lives, which has `V` in its type and drops the block when it is dropped (fact 2). Header
        // and owner are there, as the body is (fact 1).
        if header.state.get() != State::BlockDone && !unsafe { point.header.poll(value_ptr, cx) } {
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
            Outcome::Failed(()) => match L::Exit::unseen() {
                Some(unseen) => Outcome::Failed(unseen),
                None => self.take_error().map_or(Outcome::Cancelled, Outcome::Failed),
            },
            Outcome::Panicked => Outcome::Panicked,
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }

    fn take_error(&self) -> Option<Caught<L>> {
        let mut error = None::<Caught<L>>;
        // SAFETY: the value_ptr is such an `Option`. Header and owner are there, as the body is (fact 1).
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

/// Drops the block of a marker that is dropped before its end. On another thread it is left to the driver, as that of a
/// leaked marker is.
#[inline(never)]
fn release(header: TaskPtr<Header>, guard: Option<&DetachedGuard>) {
    // SAFETY: a marker calls this, so header and owner are there, as the body is (fact 1).
    let mut release = || unsafe { header.release() };
    match guard {
        // It is dropped with its body, or with the block of a manager in that, which races.
        None => release(),
        Some(guard) if guard.is_driver_thread() => guard.add_rescues(rescue::collect(&mut release)),
        Some(_) => {}
    }
}
