//! `cancel_scope`: a block that any code with a handle can stop.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use super::race::{UnlessSet, race};
use super::signal::Signal;
use crate::async_context_manager;

/// Runs a block that can be stopped by a handle, which the scope lends to it.
///
/// ```
/// use async_context_manager::{cancel_scope, with};
/// # async fn serve() { std::future::pending().await }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let served = with!(cancel_scope() as scope => {
///     let stop = scope.clone();
///     tokio::spawn(async move { stop.cancel() }); // for example, when a signal arrives
///     serve().await
/// });
/// assert!(served.is_none());
/// # }
/// ```
///
/// `with!` evaluates to an `Option`, which is `None` if the block was stopped. A block that reaches its end or leaves
/// by itself has ended, even if it was cancelled meanwhile.
///
/// # Panics
///
/// Panics if the block panics.
///
/// # Cancel safety
///
/// This manager has no cleanup, so nothing is lost when the future around the `with!` is dropped.
///
/// This is `CancelScope` of trio and anyio.
#[async_context_manager(crate = crate, suppress)]
pub async fn cancel_scope() -> CancelScope {
    __this_manager.keep_marker();
    let scope = CancelScope { signal: Arc::new(Signal::new()) };
    let signal = Arc::clone(&scope.signal);
    let block = pin!(async { r#yield!(scope) });
    let _stopped = race(block, pin!(signal.wait()), UnlessSet(signal.handle())).await;
}

/// A handle to a [`cancel_scope`](cancel_scope()), which stops its block.
///
/// Clones are handles to the same scope. They may be sent to other tasks and threads, and may outlive the scope.
#[derive(Clone)]
pub struct CancelScope {
    signal: Arc<Signal>,
}

impl CancelScope {
    /// Stops the block of the scope. Does nothing if the scope is cancelled, or has ended.
    ///
    /// The block continues to its next `.await` if it calls this method itself.
    pub fn cancel(&self) {
        self.signal.set();
    }

    /// Returns whether [`cancel`](Self::cancel) has been called, also if the scope had ended before.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.signal.is_set()
    }
}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope").field("is_cancelled", &self.is_cancelled()).finish()
    }
}
