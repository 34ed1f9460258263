//! Bodies in a box, of which only the output is known: they are started in place.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::boxed::Box;

use super::body::{Body, FrameHandle, Name, NamedBody};
use super::in_place::InPlace;
use crate::named::Named;

/// A body that is started in place, without its type.
pub trait AnyBody {
    /// The output of the body.
    type Output;

    /// Returns the name of the manager.
    fn name(&self) -> BoxName<Self::Output>;

    /// Starts the body. It is called once, before [`poll`](Self::poll).
    fn start(self: Pin<&mut Self>, frame: FrameHandle, named: Named<Self::Output>);

    /// Polls the started body.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

/// A body in a box. `D` is an [`AnyBody`], as a trait object.
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct BoxBody<D: ?Sized>(Pin<Box<D>>);

/// The future of a [`BoxBody`]. `None` once it has ended: see [`Body::Future`].
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct BoxedFuture<D: ?Sized>(Option<Pin<Box<D>>>);

/// The name of a manager whose body is in a box.
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct BoxName<O> {
    named: Named<O>,
    can_be_cut: bool,
}

impl<O> Clone for BoxName<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for BoxName<O> {}

impl<O> Name for BoxName<O> {
    const KIND: &'static str = "boxed";

    type Output = O;

    fn named(&self) -> Named<O> {
        self.named
    }

    fn can_be_cut(&self) -> bool {
        self.can_be_cut
    }
}

impl<D: AnyBody + ?Sized> BoxBody<D> {
    pub(crate) const fn new(body: Pin<Box<D>>) -> Self {
        Self(body)
    }
}

impl<D: AnyBody + ?Sized> Body for BoxBody<D> {
    type Future = BoxedFuture<D>;
    type Name = BoxName<D::Output>;

    fn name(&self) -> BoxName<D::Output> {
        self.0.name()
    }

    fn start(mut self, frame: FrameHandle, named: NamedBody<Self>) -> BoxedFuture<D> {
        self.0.as_mut().start(frame, named);
        BoxedFuture(Some(self.0))
    }
}

impl<D: AnyBody + ?Sized> Future for BoxedFuture<D> {
    type Output = D::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<D::Output> {
        let body = self.0.as_mut().expect("a body is not polled after its end");
        let output = ready!(body.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<B: Body> AnyBody for InPlace<B> {
    type Output = <B::Future as Future>::Output;

    fn name(&self) -> BoxName<Self::Output> {
        let name = InPlace::name(self);
        BoxName { named: name.named(), can_be_cut: name.can_be_cut() }
    }

    fn start(self: Pin<&mut Self>, frame: FrameHandle, named: Named<Self::Output>) {
        InPlace::start(self, frame, named);
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        InPlace::poll(self, cx)
    }
}
