//! Rescues: they finish a shielded manager whose `with!` was dropped.
//!
//! A manager with the option `shielded` (or [`Manager::shielded`](crate::Manager::shielded)) cannot be cancelled in its
//! enter phase or its exit phase. When the future around its `with!` is dropped, the block is dropped immediately, and
//! the rest of the manager becomes a rescue, which runs to its end on
//!
//! 1. the executor that [`set_spawner`] has set, if any;
//! 2. otherwise, with the feature `tokio`, the runtime on which the manager was entered;
//! 3. otherwise, or if that runtime is gone or shuts down before the rescue ends, threads of this crate. With the
//!    feature `tokio` these threads have a runtime, so that timers and connections can still be opened on them.
//!
//! A rescue starts immediately. Rescues keep the order of the scopes: the exit phase of a shielded manager begins when
//! the rescues of the `with!`s in its block are done. So an exit stack is left from its top, and a manager that waits
//! in a block (a task group, a time limit) waits for the rescues in its own block.
//!
//! A manager whose `with!` is dropped before it has reached its `yield!` is rescued, too: the rescue finishes the enter
//! phase, the `yield!` returns [`Cancelled`](crate::Outcome::Cancelled) immediately, and the exit phase follows. Only
//! [`drain`](drain()) waits for such a rescue, because no code has used the value of the manager. A manager that waits
//! for its turn can be given up instead: see [`cancellable`].
//!
//! A process that ends does not wait for its rescues by itself. Await [`drain`](drain()) to wait for them:
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
//!     tokio::time::sleep(Duration::from_millis(1)).await; // informs the server that the lease is free
//! }
//!
//! let work = async { with!(lease() => tokio::time::sleep(Duration::from_secs(60)).await) };
//! tokio::time::timeout(Duration::from_millis(1), work).await.unwrap_err();
//!
//! assert_eq!(rescue::pending()[0].manager(), "lease");
//! rescue::drain().await; // at the end of `main`
//! assert!(rescue::pending().is_empty());
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! The result of a rescue has no caller to return to. An `Err` or a panic of a rescue is a [`Loss`], which is passed to
//! a hook: see [`set_hook`]. The exit phase of a manager that is not shielded is a `Loss` as well, if it is cut off at
//! an `.await`. A `Loss` shows its error. Its documentation has a table of what is shown.
//!
//! A rescue runs in the `tracing` span in which its manager was entered, with the feature `tracing`. A value of
//! `tokio::task_local!` is not set in it, because it is not part of the task that had the value. Read such a value at the
//! beginning of the enter phase.
//!
//! # Limits and metrics
//!
//! [`pending`] lists the rescues that have not ended, by name and age. [`metrics`] returns how many have begun, ended,
//! failed and been cut. [`set_limit`] bounds the time of each rescue. [`drain_timeout`] bounds the time of a drain.
//!
//! # Executors in a block
//!
//! If a block drives an executor, for example by `block_on`, everything that the executor polls or drops there counts
//! as part of the block. A shielded manager whose block drives an executor therefore waits for the rescues that begin
//! in that executor. If one of these rescues belongs to an unrelated task and needs a lock that the manager holds, both
//! wait for each other: a deadlock.
//!
//! # What is not rescued
//!
//! - A rescue that has not ended when the process ends. Await [`drain`](drain()) before.
//! - A rescue on a runtime that exists but is not driven. It continues when the runtime is driven again, or dropped.
//! - A rescue that waits for a timer of a runtime that is gone. Tokio panics in this case, and the panic is a [`Loss`].
//!   Timers and connections that are opened on this crate's own threads work.
//! - A rescue that uses tokio's `block_in_place` on a runtime of one thread. Tokio panics in this case, too. On this
//!   crate's own threads `block_in_place` works, and a rescue may block there: up to 32 blocked rescues do not delay
//!   the others.
//! - A rescue that is pending in a process that calls `fork`. It belongs to the parent. The child counts it, but does
//!   not run it. Rescues that begin in the child run there.
//! - A [`Rescue`] that an executor leaks (forgets). It stays pending, and so does everything that waits for it.
//! - A manager that lends a reference into its own data, keeps the future of its `yield!` in a variable, and awaits
//!   something else when it is cancelled. Only that future may drop the block, so it is dropped immediately, and the rest
//!   of the manager with it. This is a [`Loss`], too. A manager that lends no reference is rescued.
//! - A manager after a panic with `panic = "abort"`.

mod cancellable;
mod collector;
mod completion;
pub(crate) mod context;
mod drain;
mod executor;
mod limit;
mod loss;
mod origin;
mod pending;
mod queue;
mod registry;
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
pub(crate) use cancellable::{Counted, Phase, poll_watched};
#[cfg(feature = "tokio")]
pub(crate) use collector::add;
pub(crate) use collector::{begin_block, block_before_manager, end_block, sequentially};
pub(crate) use completion::{Completion, Handle, completion};
pub(crate) use context::{is_in_place, outside};
pub use drain::{DrainError, drain, drain_timeout};
pub use executor::set_spawner;
pub(crate) use limit::Limit;
pub use limit::set_limit;
pub(crate) use loss::{CANCELLED, Lost, PANICKING, Show, failed, panicked, replaced, replaced_panic, unfinished};
pub use loss::{Loss, LossKind, set_hook};
pub(crate) use origin::Origin;
pub(crate) use pending::PendingGuard;
pub use pending::{Metrics, PendingRescue, metrics, pending};
pub(crate) use registry::RescueEnd;
pub(crate) use rescues::{Rescues, Wait, collect};

/// The remaining cleanup of a manager.
///
/// Each method has a pinned `&mut Self`. A `&Self` would cover the future in it, whose locals may be borrowed mutably.
pub(crate) trait Cleanup: Send {
    /// Returns the name of the manager.
    fn name(self: Pin<&mut Self>) -> &'static str;

    /// Polls the cleanup. Reports its error or panic when it ends.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RescueEnd>;

    /// Returns whether it waits for other rescues, so that its own time does not pass.
    fn is_waiting(self: Pin<&mut Self>) -> bool;
}

/// A rescue: the future that [`set_spawner`] passes to an executor.
///
/// It never panics, and may be moved to another thread between polls. If it is dropped before its end, it continues on
/// the crate's own threads.
#[must_use = "a rescue makes progress only when it is polled; if dropped, it continues on the crate's own threads"]
pub struct Rescue {
    /// `None` once the rescue has ended or was moved to another executor.
    parts: Option<Parts>,
    poller: Poller,
}

/// The parts of a pending rescue. They are dropped in this order, so that the manager is gone when waiters are
/// notified.
struct Parts {
    /// `None` if the cleanup was dropped because its limit has passed.
    cleanup: Option<Pin<Box<dyn Cleanup>>>,
    origin: Origin,
    /// The rescues that must end before this one is polled, or those that began when the cleanup was dropped.
    before: Rescues,
    limit: Limit,
    /// `None` if only [`drain`](drain()) waits for it.
    _completion: Option<completion::Completion>,
    pending: PendingGuard,
}

/// The executor that polls a rescue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Poller {
    /// The user's executor, or a tokio runtime.
    Executor,
    /// The crate's own threads.
    Thread,
}

impl Rescue {
    /// Starts a rescue that runs `cleanup`.
    ///
    /// If the manager has `entered`, that is, has lent its value, then whatever is being dropped or polled on this
    /// thread waits for the rescue. A manager that has not entered is not in use, so nothing waits for it.
    pub(crate) fn begin(mut cleanup: Pin<Box<dyn Cleanup>>, origin: Origin, entered: bool) {
        let before = rescues::before();
        let completion = if entered { collector::add_rescue() } else { None };
        let (limit, pending) = (Limit::of_rescues(), PendingGuard::begin(cleanup.as_mut().name()));
        let parts = Parts { cleanup: Some(cleanup), origin, before, limit, _completion: completion, pending };
        executor::spawn(Self { parts: Some(parts), poller: Poller::Executor });
    }
}

impl Parts {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.before.poll(cx));
        let Some(end) = self.poll_cleanup(cx) else { return Poll::Ready(()) };
        if let Poll::Ready(end) = end {
            self.pending.set_end(end);
            return Poll::Ready(());
        }
        if self.cleanup.as_mut().is_some_and(|cleanup| cleanup.as_mut().is_waiting()) {
            return Poll::Pending;
        }
        ready!(self.limit.poll(cx));
        self.cut("did not end within the limit of rescues; the rest of it is dropped");
        self.before.poll(cx)
    }

    /// Returns `None` if the cleanup was dropped.
    fn poll_cleanup(&mut self, cx: &mut Context<'_>) -> Option<Poll<RescueEnd>> {
        let cleanup = self.cleanup.as_mut()?;
        let mut polled = None;
        user_code::call(|| polled = Some(self.origin.within_span(|| cleanup.as_mut().poll(cx))));
        // `None` if the subscriber panicked when the span was entered. The cleanup is then polled without the span.
        Some(polled.unwrap_or_else(|| outside(|| cleanup.as_mut().poll(cx))))
    }

    /// Drops the cleanup before its end. The rescues that begin in the drop are waited for.
    fn cut(&mut self, why: &str) {
        let Some(mut cleanup) = self.cleanup.take() else { return };
        self.pending.set_end(RescueEnd::Cut);
        unfinished(cleanup.as_mut().name(), why);
        let mut cleanup = Some(cleanup);
        self.before = outside(|| collect(&mut || panics::discard(cleanup.take())));
    }

    /// Drops the user's values first, and then notifies the waiters.
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
        let Some(mut parts) = self.parts.take() else { return };
        if self.poller == Poller::Executor {
            return thread::spawn(Self { parts: Some(parts), poller: self.poller });
        }
        parts.cut("could not be completed: its rescue was dropped");
        parts.discard();
    }
}

impl fmt::Debug for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rescue").finish_non_exhaustive()
    }
}
