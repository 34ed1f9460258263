//! Tokio's budget for a task: how many of its futures may be ready in one poll.

/// Runs `f` without tokio's limit on how many of its futures may be ready in one poll.
///
/// Once a task has used up its budget, tokio makes its futures return `Pending` although they are ready. Code that is
/// polled in a drop has no next poll, so the budget that the block has used must not limit it. Only `f` itself then
/// bounds how long it runs, as with any `Drop`.
#[cfg(feature = "tokio")]
pub(crate) fn unconstrained(f: &mut dyn FnMut()) {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// A future that is ready immediately. It uses less of the stack than a closure.
    struct Once<'f>(&'f mut dyn FnMut());

    impl Future for Once<'_> {
        type Output = ();

        fn poll(mut self: std::pin::Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            self.0();
            Poll::Ready(())
        }
    }

    let polled = pin!(tokio::task::unconstrained(Once(f))).poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(polled.is_ready(), "the future is ready at once");
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn unconstrained(f: &mut dyn FnMut()) {
    f();
}

/// Returns whether the task has used up its budget, so that tokio's futures return `Pending` although they are ready.
#[cfg(feature = "tokio")]
pub(crate) fn is_used_up() -> bool {
    !tokio::task::coop::has_budget_remaining()
}

/// Polls again in the next poll of the task, which has a new budget.
#[cfg(feature = "tokio")]
pub(crate) fn wait_for_more(waker: &core::task::Waker) {
    crate::user_code::wake_by_ref(waker);
}

#[cfg(all(feature = "std", not(feature = "tokio")))]
pub(crate) const fn wait_for_more(_waker: &core::task::Waker) {}

#[cfg(not(feature = "tokio"))]
pub(crate) const fn is_used_up() -> bool {
    false
}
