//! Starts the body of a manager with the handle on its `with!`.

use core::future::Future;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::TaskPtr;
use super::header::{Header, Route};
use super::yield_point::YieldPoint;
use crate::named::Named;
use crate::raw::detached::{DetachedGuard, Inline};

/// The handle on a `with!` that a body is started with, and keeps.
#[derive(Debug)]
pub struct FrameHandle(TaskPtr<Header>);

impl core::fmt::Debug for TaskPtr<Header> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("TaskPtr").finish()
    }
}

impl FrameHandle {
    /// The handle on the `with!` with this header, for its own body.
    #[inline]
    pub(super) fn new(header: &Header) -> Self {
        Self(TaskPtr(NonNull::from(header)))
    }

    /// Notes that something stands between the driver and the marker, and returns the header.
    pub(crate) fn detach(&self) -> TaskPtr<Header> {
        // SAFETY: the body has this handle, and the header outlives the body (fact 1).
        unsafe { self.0.header() }.set_route(Route::Detached);
        self.0
    }

    #[cfg(feature = "std")]
    pub(super) const fn into_ptr(self) -> TaskPtr<Header> {
        self.0
    }
}

/// The body of a manager that has not been started.
///
/// It is a trait so that the future can be named as a nested `impl Future` in the signature of a manager function, where
/// the compiler looks into it to see whether it is `Send`.
#[diagnostic::on_unimplemented(message = "`{Self}` is not the body of a manager")]
pub trait Body {
    /// The body, started.
    type Future: Future;
    /// The name of the manager.
    type Name: Name<Output = <Self::Future as Future>::Output>;

    /// Returns the name of the manager.
    fn name(&self) -> Self::Name;

    /// Starts the body. None of its code runs yet.
    fn start(self, frame: FrameHandle) -> Self::Future;
}

/// The name of a manager, as a type that takes no room.
pub trait Name: Copy + Send + Sync {
    /// What it is the name of.
    const KIND: &'static str;

    /// Whether something is lost of a body that is dropped in its exit phase. Nothing is where others look after it.
    const CAN_BE_CUT: bool = true;

    /// What the manager ends in.
    type Output;

    /// Returns it, and how the error of the manager is shown.
    fn named(&self) -> Named<Self::Output>;
}

impl<N: Fn() -> Named<O> + Copy + Send + Sync, O> Name for N {
    const KIND: &'static str = "function";

    type Output = O;

    fn named(&self) -> Named<O> {
        self()
    }
}

/// The name of a manager of the type `M`, which ends in `O`.
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
        Named::generic(core::any::type_name::<M>())
    }
}

/// The name of a manager of which nothing is lost when it is dropped in its exit phase.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Uncut<N>(pub(crate) N);

#[cfg(feature = "std")]
impl<N: Name> Name for Uncut<N> {
    const KIND: &'static str = N::KIND;

    const CAN_BE_CUT: bool = false;

    type Output = N::Output;

    fn named(&self) -> Named<N::Output> {
        self.0.named()
    }
}

/// A body under another name.
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
    fn start(self, frame: FrameHandle) -> B::Future {
        self.body.start(frame)
    }
}

/// The body of a manager function: a closure that takes the handle, and the name of the function.
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
    fn start(self, frame: FrameHandle) -> F {
        (self.body)(frame)
    }
}

/// Ties the body of a manager to its signature: both say the same contract `L`, lifetimes and all.
///
/// It is made outside of the body and passed to both. `L` stands in an argument and in a result here, so it is
/// invariant: no lifetime in it can be longer on one side than on the other.
#[derive(Debug)]
pub struct SameContract<L>(PhantomData<fn(L) -> L>);

impl<L> Clone for SameContract<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for SameContract<L> {}

impl<L> SameContract<L> {
    /// Makes the value for one manager.
    #[expect(clippy::new_without_default, reason = "nobody else makes one")]
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Makes the yield point of a body whose marker stands in the body itself. `_this` is a local of the body, before all
    /// others.
    #[inline]
    pub const fn point<'f, T>(self, frame: &FrameHandle, _this: &'f T) -> YieldPoint<'f, L, Inline> {
        YieldPoint::new(frame.0, Inline::new())
    }

    /// Makes the yield point of a body whose marker stands in an `async` block. `this` is a local of the body, before all
    /// others.
    #[inline]
    pub fn detached_point(self, this: &DetachedGuard) -> YieldPoint<'_, L, &DetachedGuard> {
        YieldPoint::new(this.header(), this)
    }
}
