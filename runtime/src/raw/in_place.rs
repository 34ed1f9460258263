//! Bodies that are started where they are, so that a future which owns one does not store it twice.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::body::{Body, FrameHandle, NamedBody};

/// A body of the type `B`, and its future once it is started. Both use the same memory.
pub(crate) enum InPlace<B: Body> {
    /// `None` while the body is being started, and once its future has been dropped.
    NotStarted(Option<B>),
    Started(B::Future),
}

/// A reference to the content of an [`InPlace`].
enum Content<'p, B: Body> {
    NotStarted(&'p mut Option<B>),
    Started(Pin<&'p mut B::Future>),
}

impl<B: Body> InPlace<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self::NotStarted(Some(body))
    }

    /// Returns the body, which is started where it is.
    ///
    /// # Safety
    ///
    /// `self` must not be moved until it is dropped.
    pub(super) unsafe fn body(&mut self) -> BodyInPlace<'_, B> {
        // SAFETY: guaranteed by the caller.
        BodyInPlace(unsafe { Pin::new_unchecked(self) })
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

    pub(super) fn name(&self) -> B::Name {
        let Self::NotStarted(Some(body)) = self else { unreachable!("a manager has its name before it is started") };
        body.name()
    }

    /// Starts the body. It is called once, before [`poll`](Self::poll).
    pub(super) fn start(mut self: Pin<&mut Self>, frame: FrameHandle, named: NamedBody<B>) {
        if let Content::NotStarted(body) = self.as_mut().content() {
            let body = body.take().expect("a body is started once");
            self.set(Self::Started(body.start(frame, named)));
        }
    }

    /// Polls the started body.
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<<B::Future as Future>::Output> {
        match self.content() {
            Content::Started(future) => future.poll(cx),
            Content::NotStarted(_) => unreachable!("a body is started before it is polled"),
        }
    }
}

/// A body that is started where it is. The future around the `with!` owns it.
pub(crate) struct BodyInPlace<'p, B: Body>(Pin<&'p mut InPlace<B>>);

/// The future of a [`BodyInPlace`]. When it is dropped, it drops what it refers to.
pub(crate) struct FutureInPlace<'p, B: Body>(Pin<&'p mut InPlace<B>>);

impl<'p, B: Body> Body for BodyInPlace<'p, B> {
    type Future = FutureInPlace<'p, B>;
    type Name = B::Name;

    #[inline]
    fn name(&self) -> B::Name {
        self.0.name()
    }

    #[inline]
    fn start(mut self, frame: FrameHandle, named: NamedBody<Self>) -> FutureInPlace<'p, B> {
        self.0.as_mut().start(frame, named);
        FutureInPlace(self.0)
    }
}

impl<B: Body> Future for FutureInPlace<'_, B> {
    type Output = <B::Future as Future>::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<B: Body> Drop for FutureInPlace<'_, B> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(InPlace::NotStarted(None));
    }
}
