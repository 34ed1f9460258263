//! Starts the body of a manager with a handle to its `with!`.

use core::future::Future;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::TaskPtr;
#[cfg(feature = "std")]
use super::header::Flag;
use super::header::{Header, Route};
use super::yield_point::YieldPoint;
use crate::exit::Exit;
use crate::named::{NameAt, Named, ShowEnd};
#[cfg(feature = "std")]
use crate::outcome::Outcome;
use crate::raw::detached::{DetachedGuard, Inline};
use crate::scope_types::{RestOutput, Scope};
use crate::show::ShowsError;

/// The handle to a `with!`. A body is started with it and keeps it.
#[derive(Debug)]
pub struct FrameHandle(TaskPtr<Header>);

impl core::fmt::Debug for TaskPtr<Header> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("TaskPtr").finish()
    }
}

impl FrameHandle {
    /// Makes the handle to the `with!` with this header, for its own body.
    #[inline]
    pub(super) fn new(header: &Header) -> Self {
        Self(TaskPtr(NonNull::from(header)))
    }

    /// Records that something lies between the driver and the marker, and returns the header.
    pub(crate) fn detach(&self) -> TaskPtr<Header> {
        // SAFETY: the body owns this handle, and the header outlives the body (fact 1).
        unsafe { self.0.header() }.set_route(Route::Detached);
        self.0
    }

    /// Returns the outcome of the block. `None` if it has not ended.
    #[cfg(feature = "std")]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // SAFETY: the body owns this handle, and the header outlives the body (fact 1).
        unsafe { self.0.header() }.outcome()
    }

    /// Lets the `with!` end with a value although a scope has stopped its block: an error has taken the place of the stop,
    /// and has been suppressed.
    #[cfg(feature = "std")]
    pub(crate) fn forget_stop(&self) {
        // SAFETY: as in `outcome`.
        unsafe { self.0.header() }.set(Flag::Cut, false);
    }

    #[cfg(feature = "std")]
    pub(super) const fn into_ptr(self) -> TaskPtr<Header> {
        self.0
    }
}

/// The body of a manager that has not been started.
///
/// This is a trait so that the future can be named as a nested `impl Future` in the signature of a manager function.
/// There the compiler inspects the future to decide whether it is `Send`.
#[diagnostic::on_unimplemented(message = "`{Self}` is not the body of a manager")]
pub trait Body {
    /// The future of the started body. A driver does not drop a body that has ended, so the future must hold nothing then
    /// that must be dropped.
    type Future: Future;
    /// The name of the manager.
    type Name: Name<Output = <Self::Future as Future>::Output>;

    /// Returns the name of the manager.
    fn name(&self) -> Self::Name;

    /// Starts the body. None of its code runs yet. `named` is its name as the `with!` knows it.
    fn start(self, frame: FrameHandle, named: NamedBody<Self>) -> Self::Future;
}

/// The name of a manager with the body `B`.
pub(crate) type NamedBody<B> = Named<<<B as Body>::Future as Future>::Output>;

/// The name of a manager, as a type that needs no memory.
pub trait Name: Copy + Send + Sync {
    /// The kind of item that the name belongs to: `"function"` or `"type"`.
    const KIND: &'static str;

    /// The output of the body.
    type Output;

    /// Returns the name together with the function that formats the manager's error.
    fn named(&self) -> Named<Self::Output>;

    /// Returns whether work is lost when the body is dropped in its exit phase. It is not if other code finishes that work.
    #[inline]
    fn can_be_cut(&self) -> bool {
        true
    }
}

impl<N: Fn() -> Named<O> + Copy + Send + Sync, O> Name for N {
    const KIND: &'static str = "function";

    type Output = O;

    fn named(&self) -> Named<O> {
        self()
    }
}

/// The name of a manager of the type `M` whose body returns `O`.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "it is in a public type")]
pub struct TypeName<M, O>(PhantomData<fn() -> (O, PhantomData<M>)>);

impl<M, O> TypeName<M, O> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M, O> Clone for TypeName<M, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, O> Copy for TypeName<M, O> {}

impl<M, O> Name for TypeName<M, O> {
    const KIND: &'static str = "type";

    type Output = O;

    fn named(&self) -> Named<O> {
        Named::new(core::any::type_name::<M>())
    }
}

/// The name `N`, and the types that a `with!` has inferred for its literals: see `ShowsError`.
///
/// First, whether the `with!` asks about the value of its block. Then, four times the literals of one error: of the
/// manager's own, of that value, of the managers after this one in the header, and of a `return`.
#[derive(Debug)]
pub struct AtWith<N, Literals> {
    name: N,
    literals: PhantomData<fn() -> Literals>,
}

impl<N, Literals> AtWith<N, Literals> {
    #[inline]
    pub(super) const fn new(name: N) -> Self {
        Self { name, literals: PhantomData }
    }
}

impl<N: Clone, Literals> Clone for AtWith<N, Literals> {
    fn clone(&self) -> Self {
        Self::new(self.name.clone())
    }
}

impl<N: Copy, Literals> Copy for AtWith<N, Literals> {}

impl<N, S, A, Own, T, Rest, Return> NameAt<S> for AtWith<N, (PhantomData<A>, Own, T, Rest, Return)>
where
    N: Name,
    S: Scope<Exit: Exit<Output = N::Output>>,
    <S::Exit as Exit>::Asks:
        ShowsError<N::Output, Own> + ShowsError<RestOutput<S>, Rest> + ShowsError<S::Return, Return>,
    A: ShowsError<S::Value, T>,
{
    const SHOW_END: ShowEnd<S> = ShowEnd {
        value: <A as ShowsError<_, T>>::SHOW,
        rest: <<S::Exit as Exit>::Asks as ShowsError<_, Rest>>::SHOW,
        returned: <<S::Exit as Exit>::Asks as ShowsError<_, Return>>::SHOW,
    };

    type Output = N::Output;

    #[inline]
    fn named(&self) -> Named<N::Output> {
        self.name.named().or_shown_by(<<S::Exit as Exit>::Asks as ShowsError<_, Own>>::SHOW)
    }

    #[inline]
    fn can_be_cut(&self) -> bool {
        self.name.can_be_cut()
    }
}

/// The name `N` for a manager that loses no work when it is dropped in its exit phase.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Uncut<N>(pub(crate) N);

#[cfg(feature = "std")]
impl<N: Name> Name for Uncut<N> {
    const KIND: &'static str = N::KIND;

    type Output = N::Output;

    fn named(&self) -> Named<N::Output> {
        self.0.named()
    }

    fn can_be_cut(&self) -> bool {
        false
    }
}

/// The body `B` with the name `N`.
#[cfg(feature = "std")]
#[expect(unreachable_pub, reason = "it is in a public type")]
pub struct Renamed<B, N> {
    pub(crate) body: B,
    pub(crate) name: N,
}

#[cfg(feature = "std")]
impl<B: Body, N: Name<Output = <B::Future as Future>::Output>> Body for Renamed<B, N> {
    type Future = B::Future;
    type Name = N;

    #[inline]
    fn name(&self) -> N {
        self.name
    }

    #[inline]
    fn start(self, frame: FrameHandle, named: NamedBody<B>) -> B::Future {
        self.body.start(frame, named)
    }
}

/// The body of a manager function: a closure that takes the handle, with the name of the function.
pub struct FunctionBody<N, B> {
    name: N,
    body: B,
}

impl<N, B> FunctionBody<N, B> {
    #[inline]
    pub(crate) const fn new(name: N, body: B) -> Self {
        Self { name, body }
    }
}

impl<N: Name<Output = F::Output>, B: FnOnce(FrameHandle) -> F, F: Future> Body for FunctionBody<N, B> {
    type Future = F;
    type Name = N;

    #[inline]
    fn name(&self) -> N {
        self.name
    }

    #[inline]
    fn start(self, frame: FrameHandle, _named: Named<F::Output>) -> F {
        (self.body)(frame)
    }
}

/// Ties the body of a manager to its signature: both use the same contract `L`, including its lifetimes.
///
/// The value is made outside of the body and passed to both. `L` is an argument and a result here, so it is invariant:
/// no lifetime in it can be longer on one side than on the other.
#[derive(Debug)]
pub struct SameContract<L>(PhantomData<fn(L) -> L>);

impl<L> Clone for SameContract<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for SameContract<L> {}

impl<L> SameContract<L> {
    /// Creates the value for one manager.
    #[expect(clippy::new_without_default, reason = "only generated code creates one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Creates the yield point of a body whose marker is in the body itself. `_this` must be the first local of the
    /// body.
    #[inline]
    pub const fn point<'f, T>(self, frame: &FrameHandle, _this: &'f T) -> YieldPoint<'f, L, Inline> {
        YieldPoint::new(frame.0, Inline::new())
    }

    /// Creates the yield point of a body whose marker is in an `async` block. `this` must be the first local of the
    /// body.
    #[inline]
    pub fn detached_point(self, this: &DetachedGuard) -> YieldPoint<'_, L, &DetachedGuard> {
        YieldPoint::new(this.header(), this)
    }
}
