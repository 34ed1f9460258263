//! Rescues: what is left of a shielded manager goes on when its `with!` is dropped.
//!
//! A manager with the option `shielded` (or [`Manager::shielded`](crate::Manager::shielded)) can't be cancelled while
//! it enters or leaves. When the future around its `with!` is dropped, the block is dropped there and then, and the
//! rest of the manager is a rescue: it runs to its end on
//!
//! 1. the executor that [`set_spawner`] has named, if any;
//! 2. else, with the feature `tokio`, the runtime on which the manager was entered;
//! 3. else, or when that is gone or shuts down before the rescue ends, threads of this crate's own. With the feature
//!    `tokio` they have a runtime, so that timers and connections can still be opened there.
//!
//! It starts at once. Rescues keep the order of the scopes: the exit phase of a shielded manager begins when what is
//! left of the `with!`s in its block is done. So a stack is left from its top, and what waits in a block (a task group,
//! a time limit) waits for what is left in that.
//!
//! A manager that has not come to its `yield!` when its `with!` is dropped is rescued, too: it is entered, is told
//! [`Cancelled`](crate::Outcome::Cancelled) at once, and leaves. Nobody waits for that but [`drain`](drain()), as nothing
//! has used what it makes. Where it waits for its turn, it can be given up instead: see [`cancellable`].
//!
//! A process that ends does not wait for them by itself. [`drain`](drain()) does:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::time::Duration;
//!
//! use async_context_manager::{async_context_manager, rescue, with};
//!
//! #[async_context_manager(shielded)]
//! async fn lease() {
//!     r#yield!();
//!     tokio::time::sleep(Duration::from_millis(1)).await; // says to the server that it is free
//! }
//!
//! let work = async { with!(lease() => tokio::time::sleep(Duration::from_secs(60)).await) };
//! tokio::time::timeout(Duration::from_millis(1), work).await.unwrap_err();
//!
//! assert_eq!(rescue::pending(), 1);
//! rescue::drain().await; // at the end of `main`
//! assert_eq!(rescue::pending(), 0);
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! What a rescue ends in has nobody to be told: an `Err` or a panic is a [`Loss`], for which there is a hook, see
//! [`set_hook`]. So is the exit phase of a manager that is not shielded, when it is cut off at an `.await`.
//!
//! # What is not rescued
//!
//! - What a process has not done when it ends: [`drain`](drain()) before.
//! - What is on a runtime that is there, but that nobody drives: it goes on when somebody does, or drops the runtime.
//! - What waits for a timer of a runtime that is gone: that is a panic of tokio's, and a [`Loss`]. What is opened on this
//!   crate's own threads is good.
//! - What uses tokio's `block_in_place` on a runtime of one thread: that is a panic of tokio's as well. On this crate's own
//!   threads it may be used, and a cleanup may block there: up to 32 of them don't hold up the others.
//! - What was under way in a process that calls `fork`: it is the parent's. The child counts it, but does not have it.
//!   What begins in the child is rescued there.
//! - What an executor forgets that was given a [`Rescue`]. It stays under way, and what waits for it does, too.
//! - A manager that lends a reference to what it has, has put the future of its `yield!` aside, and awaits something else
//!   when it is cancelled. Only that future may drop the block, so it is dropped there, and the rest of the manager with
//!   it. That is a [`Loss`], too. One that lends no reference goes on.
//! - A manager after a panic with `panic = "abort"`.

mod cancellable;
mod collector;
mod completion;
pub(crate) mod context;
mod count;
mod drain;
mod executor;
mod loss;
mod origin;
mod queue;
mod rescues;
mod thread;
mod timer;
mod waiters;

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::boxed::Box;

use crate::{panics, user_code};
pub use cancellable::cancellable;
pub(crate) use cancellable::{Counted, Phase, Watched};
pub(crate) use collector::{begin_block, block_before_manager, end_block, sequentially};
pub(crate) use context::{is_in_place, outside};
pub(crate) use drain::PendingGuard;
pub use drain::{drain, drain_timeout, pending};
pub use executor::set_spawner;
pub(crate) use loss::{CANCELLED, Lost, PANICKING, Show, failed, panicked, replaced, replaced_panic, unfinished};
pub use loss::{Loss, LossKind, set_hook};
pub(crate) use origin::Origin;
pub(crate) use rescues::{Rescues, collect};
#[cfg(feature = "tokio")]
pub(crate) use {
    collector::add,
    completion::{Completion, completion},
};

/// What is left to be done of a manager.
pub(crate) trait Cleanup: Send {
    /// Polls it to its end, and tells of what it ends in.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Tells that it can't be done.
    fn report_unfinished(&self);
}

/// A rescue: the future that [`set_spawner`] hands to an executor.
///
/// It never panics, and may be moved to another thread between polls. One that is dropped before its end goes on on the
/// crate's own threads.
#[must_use = "a rescue goes on when it is polled, or on the crate's own threads when it is dropped"]
pub struct Rescue {
    /// Nothing when it has ended, or goes on elsewhere.
    parts: Option<Parts>,
    poller: Poller,
}

/// Dropped in this order: when others are told that it is done, nothing of the manager is left.
struct Parts {
    cleanup: Pin<Box<dyn Cleanup>>,
    origin: Origin,
    /// What has to be done before it is polled.
    before: Rescues,
    /// `None` if nothing waits for it but [`drain`](drain()).
    _completion: Option<completion::Completion>,
    _pending: PendingGuard,
}

/// Who has a rescue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Poller {
    /// An executor.
    Executor,
    /// The crate's own threads.
    Thread,
}

impl Rescue {
    /// Has `cleanup` done, from now on. What is being dropped or polled at the moment waits for it if it `entered`, that
    /// is, if its manager has lent: one that has not is in nobody's use.
    pub(crate) fn begin(cleanup: Pin<Box<dyn Cleanup>>, origin: Origin, entered: bool) {
        let before = rescues::before();
        let completion = if entered { collector::add_rescue() } else { None };
        let parts = Parts { cleanup, origin, before, _completion: completion, _pending: PendingGuard::begin() };
        executor::spawn(Self { parts: Some(parts), poller: Poller::Executor });
    }
}

impl Parts {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.before.poll(cx));
        let mut polled = None;
        user_code::call(|| polled = Some(self.origin.within_span(|| self.cleanup.as_mut().poll(cx))));
        // A subscriber that panics when it is told of the span.
        polled.unwrap_or_else(|| outside(|| self.cleanup.as_mut().poll(cx)))
    }

    /// Drops what is the user's. The others are told then.
    fn discard(self) {
        outside(|| {
            panics::discard(self.cleanup);
            panics::discard(self.origin);
            drop(self.before);
        });
    }
}

impl Future for Rescue {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(parts) = &mut self.parts {
            ready!(parts.poll(cx));
        }
        self.parts.take().into_iter().for_each(Parts::discard);
        Poll::Ready(())
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        if self.poller == Poller::Executor {
            return thread::spawn(Self { parts: Some(parts), poller: Poller::Thread });
        }
        user_code::call(|| parts.cleanup.report_unfinished());
        parts.discard();
    }
}

impl fmt::Debug for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rescue").finish_non_exhaustive()
    }
}
