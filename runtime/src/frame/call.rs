//! How a body finds its frame: by the waker that it is polled with for the first time.

use core::any::TypeId;
use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, transmute};
use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::{Host, Link};
use crate::home::Home;
use crate::lend::Terms;

/// What the first poll of a body has for a waker: the driver's own, and where the frame is.
#[repr(C)]
pub(super) struct Call<'c, L: Terms> {
    head: CallHead<'c>,
    host: NonNull<dyn Host<L> + 'c>,
}

/// The part of a [`Call`] that is the same for all that can be lent.
pub(super) struct CallHead<'c> {
    pub(super) waker: &'c Waker,
    lent: TypeId,
    pub(super) home: &'c Cell<Option<Link<Home>>>,
}

impl<'c, L: Terms> Call<'c, L> {
    #[inline]
    pub(super) fn new(waker: &'c Waker, home: &'c Cell<Option<Link<Home>>>, host: &'c (dyn Host<L> + 'c)) -> Self {
        Self { head: CallHead { waker, lent: type_id::<L>(), home }, host: NonNull::from(host) }
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
    let head = unsafe { &*call.cast::<CallHead<'_>>() };
    let waker = ManuallyDrop::new(head.waker.clone());
    RawWaker::new(waker.data(), waker.vtable())
}

fn wake_call(call: *const ()) {
    // SAFETY: as in `clone_call`.
    let head = unsafe { &*call.cast::<CallHead<'_>>() };
    head.waker.wake_by_ref();
}

#[inline]
fn drop_call(_call: *const ()) {}

/// What is known of a [`Call`], whatever is lent.
#[inline]
pub(super) fn head_of(waker: &Waker) -> &CallHead<'_> {
    assert!(core::ptr::eq(waker.vtable(), &raw const CALL), "not polled by a driver");
    // SAFETY: by its vtable it is a `Call`, and it lives while it is polled with.
    unsafe { &*waker.data().cast() }
}

/// The host that polls with this waker, and whose manager lends `L`.
#[inline]
pub(super) fn find_host<'f, L: Terms>(waker: &Waker) -> Link<dyn Host<L> + 'f> {
    assert!(head_of(waker).lent == type_id::<L>(), "polled by the driver of another manager");
    // SAFETY: it is a `Call`, as `head_of` has seen, and its type is this one but for lifetimes. Those in `L` are the
    // frame's, by the signature that the generated code gives to both the manager and `attach`, or by that of `Shielded`,
    // whose `L` is that of its manager. `'f` is only where the pointer may be followed, which those say who do.
    let call = unsafe { &*waker.data().cast::<Call<'f, L>>() };
    Link(call.host)
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
