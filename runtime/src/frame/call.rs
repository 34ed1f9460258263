//! How a body finds its frame: by the waker that it is polled with for the first time.

use core::any::TypeId;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, transmute};
use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::Link;
use super::head::{Head, Host};
use crate::lend::Terms;

/// What the first poll of a body has for a waker: the driver's own, and where the frame is.
pub(super) struct Call<'c> {
    pub(super) waker: &'c Waker,
    lent: TypeId,
    head: NonNull<Head>,
}

impl<'c> Call<'c> {
    /// Of a host whose manager lends `L`.
    #[inline]
    pub(super) fn new<L: Terms, H: Host>(waker: &'c Waker, host: &'c H) -> Self {
        Self { waker, lent: type_id::<L>(), head: NonNull::from(host).cast() }
    }

    /// What the body is polled with.
    #[inline]
    pub(super) fn waker(&self) -> ManuallyDrop<Waker> {
        // SAFETY: the functions of `CALL` keep to the contract of wakers: they only use the driver's waker, which is
        // shared between threads like any. What they read lives longer than this waker, and clones of it are not of its
        // kind.
        ManuallyDrop::new(unsafe { Waker::new((&raw const *self).cast(), &CALL) })
    }
}

/// Its address tells that a waker is a [`Call`].
static CALL: RawWakerVTable = RawWakerVTable::new(clone_call, wake_call, wake_call, drop_call);

/// A clone is one of the driver's waker: it outlives the call.
fn clone_call(call: *const ()) -> RawWaker {
    // SAFETY: `Call::waker` made it, of a call that lives as long as the waker that is being cloned.
    let call = unsafe { &*call.cast::<Call<'_>>() };
    let waker = ManuallyDrop::new(call.waker.clone());
    RawWaker::new(waker.data(), waker.vtable())
}

fn wake_call(call: *const ()) {
    // SAFETY: as in `clone_call`.
    let call = unsafe { &*call.cast::<Call<'_>>() };
    call.waker.wake_by_ref();
}

#[inline]
fn drop_call(_call: *const ()) {}

/// The call that this waker is, of a manager that lends `L`.
#[inline]
pub(super) fn call_of<L: Terms>(waker: &Waker) -> &Call<'_> {
    assert!(core::ptr::eq(waker.vtable(), &raw const CALL), "not polled by a driver");
    // SAFETY: by its vtable it is a `Call`, and it lives while it is polled with.
    let call = unsafe { &*waker.data().cast::<Call<'_>>() };
    assert!(call.lent == type_id::<L>(), "polled by the driver of another manager");
    call
}

impl Call<'_> {
    /// The host. It lends what `L` says but for lifetimes, which are the same by the signature that the generated code
    /// gives to both the manager and `attach`, or by that of `Shielded`, whose `L` is that of its manager.
    #[inline]
    pub(super) fn host(&self) -> Link<Head> {
        Link(self.head)
    }
}

/// The identity of a type, apart from its lifetimes.
#[inline]
fn type_id<T>() -> TypeId {
    trait Identity {
        fn identity(&self) -> TypeId
        where
            Self: 'static;
    }

    impl<T> Identity for PhantomData<T> {
        fn identity(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<Self>()
        }
    }

    let phantom: &dyn Identity = &PhantomData::<T>;
    // SAFETY: only a lifetime changes, and an identity is the same for all of them.
    let phantom = unsafe { transmute::<&dyn Identity, &(dyn Identity + 'static)>(phantom) };
    phantom.identity()
}
