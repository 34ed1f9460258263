//! Runs a closure outside of the budget that tokio gives to a task.

/// Runs `f` with no limit of how many of tokio's futures may be ready in it.
///
/// Tokio makes futures of a task that has used up its budget return `Pending` though they are ready. Code that is polled
/// in a drop has no next poll, so it must not be held to what the block has used. Nothing but `f` itself bounds how long
/// it runs then, as with any `Drop`.
#[cfg(feature = "tokio")]
pub(crate) fn unconstrained(f: &mut dyn FnMut()) {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Is ready at once. It takes less of the stack than a closure.
    struct Once<'f>(&'f mut dyn FnMut());

    impl Future for Once<'_> {
        type Output = ();

        fn poll(mut self: std::pin::Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            self.0();
            Poll::Ready(())
        }
    }

    let polled = pin!(tokio::task::unconstrained(Once(f))).poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(polled.is_ready(), "it is ready at once");
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn unconstrained(f: &mut dyn FnMut()) {
    f();
}
