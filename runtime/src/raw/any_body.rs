//! Polls the body of a driver, also where its type is not known.

use core::future::Future;
use core::mem::forget;
use core::pin::Pin;
use core::ptr::drop_in_place;
use core::task::{Context, Poll};

use super::any_driver::{AnyBody, BodyPoll, PartsOf};
use super::header::{Flag, Header};
use crate::named::Named;
use crate::output::BodyOutput;
use crate::panics;
use crate::rescue;

/// Polls the body of the driver with this header once.
#[inline]
pub(super) fn poll_body<F: Future + ?Sized>(
    header: &Header,
    body: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let panics = SetPanicked(header);
    let output = body.poll(cx);
    forget(panics);
    output
}

/// When dropped, records that the body has panicked and that its locals are gone.
struct SetPanicked<'h>(&'h Header);

impl Drop for SetPanicked<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.set(Flag::Panicked, true);
    }
}

/// The body of a live driver, and its output. The body returns `O`.
pub(super) struct BodyOf<'b, O> {
    header: &'b Header,
    parts: &'b dyn PartsOf<O>,
    /// `None` once it has been dropped.
    body: Option<Pin<&'b mut (dyn Future<Output = O> + 'b)>>,
    output: Option<O>,
}

impl<'b, O> BodyOf<'b, O> {
    pub(super) fn new(
        header: &'b Header,
        parts: &'b dyn PartsOf<O>,
        body: Pin<&'b mut (dyn Future<Output = O> + 'b)>,
    ) -> Self {
        Self { header, parts, body: Some(body), output: None }
    }

    /// Returns the output, if the body has ended.
    pub(super) fn into_output(self) -> Poll<O> {
        self.output.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<O: BodyOutput> AnyBody for BodyOf<'_, O> {
    fn poll(&mut self, cx: &mut Context<'_>) -> BodyPoll {
        let body = self.body.as_mut().expect("a body is not polled after it has been dropped");
        let Poll::Ready(output) = poll_body(self.header, body.as_mut(), cx) else { return BodyPoll::Pending };
        let has_failed = output.as_error().is_some();
        self.output = Some(output);
        if has_failed { BodyPoll::Failed } else { BodyPoll::Succeeded }
    }

    fn discard_output(&mut self, what: Option<&str>) {
        if let Some(output) = self.output.take() {
            discard_output(self.parts.named(), output, what);
        }
    }

    unsafe fn drop_body(&mut self) {
        if let Some(body) = self.body.take() {
            // SAFETY: the body is not moved.
            let body = unsafe { body.get_unchecked_mut() };
            // SAFETY: guaranteed by the caller.
            unsafe { drop_in_place(body) };
        }
    }
}

/// See [`AnyBody::discard_output`].
pub(super) fn discard_output<O: BodyOutput>(named: Named<O>, output: O, what: Option<&str>) {
    if let (Some(what), Some(_)) = (what, output.as_error()) {
        named.report(rescue::failed, what, &output);
    }
    panics::discard(output);
}
