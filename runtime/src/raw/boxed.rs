//! Bodies in a box, of which only the output is known: they are started in place.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;

use super::body::{Body, FrameHandle, Name, NamedBody};
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

/// The future of a [`BoxBody`].
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct BoxedFuture<D: ?Sized>(Pin<Box<D>>);

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
        BoxedFuture(self.0)
    }
}

impl<D: AnyBody + ?Sized> Future for BoxedFuture<D> {
    type Output = D::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<D::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// A body of the type `B`, and its future once it is started. Both use the same memory.
pub(crate) enum InBox<B: Body> {
    /// `None` while the body is being started.
    NotStarted(Option<B>),
    Started(B::Future),
}

/// A reference to the content of an [`InBox`].
enum Content<'p, B: Body> {
    NotStarted(&'p mut Option<B>),
    Started(Pin<&'p mut B::Future>),
}

impl<B: Body> InBox<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self::NotStarted(Some(body))
    }

    fn content(self: Pin<&mut Self>) -> Content<'_, B> {
        // SAFETY: the reference is used in this match only. It does not move the future, and a body that has not been
        // started is not pinned.
        match unsafe { self.get_unchecked_mut() } {
            Self::NotStarted(body) => Content::NotStarted(body),
            // SAFETY: `self` is pinned, and the future is in it. No code moves the future: only this function returns a reference
            // to it, which is pinned, and `start` writes the future once, in the place of a body.
            Self::Started(future) => Content::Started(unsafe { Pin::new_unchecked(future) }),
        }
    }
}

impl<B: Body> AnyBody for InBox<B> {
    type Output = <B::Future as Future>::Output;

    fn name(&self) -> BoxName<Self::Output> {
        let Self::NotStarted(Some(body)) = self else { unreachable!("a manager has its name before it is started") };
        let name = body.name();
        BoxName { named: name.named(), can_be_cut: name.can_be_cut() }
    }

    fn start(mut self: Pin<&mut Self>, frame: FrameHandle, named: Named<Self::Output>) {
        if let Content::NotStarted(body) = self.as_mut().content() {
            let body = body.take().expect("a body is started once");
            self.set(Self::Started(body.start(frame, named)));
        }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.content() {
            Content::Started(future) => future.poll(cx),
            Content::NotStarted(_) => unreachable!("a body is started before it is polled"),
        }
    }
}
