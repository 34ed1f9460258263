//! Rescues: what is left of a shielded manager goes on when its `with!` is dropped.
//!
//! A manager with the option `shielded` (or [`Manager::shielded`](crate::Manager::shielded)) can't be cancelled while
//! it enters or leaves. When the future around its `with!` is dropped, the block is dropped there and then, and the
//! rest of the manager is a rescue: it runs to its end on
//!
//! 1. the executor that [`set`] has named, if any;
//! 2. else, with the feature `tokio`, the runtime on which the manager was entered;
//! 3. else, or when that is gone or shuts down before the rescue ends, a thread of this crate's own. With the feature
//!    `tokio` that thread has a runtime, so that timers and connections can still be opened there.
//!
//! Rescues keep the order of the scopes: what is left of the `with!`s in the block of a shielded manager is finished
//! before its exit phase begins, in the same task.
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
//! assert_eq!(rescue::under_way(), 1);
//! rescue::drain().await; // at the end of `main`
//! assert_eq!(rescue::under_way(), 0);
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! What a rescue ends in has nobody to be told: an `Err` or a panic is a [`Loss`], for which there is a hook, see
//! [`set_hook`].
//!
//! # What is not rescued
//!
//! - What a process has not done when it ends: [`drain`](drain()) before.
//! - What is on a runtime that is there, but that nobody drives: it goes on when somebody does, or drops the runtime.
//! - What waits for a timer of a runtime that is gone: that is a panic of tokio's, and a [`Loss`]. What is opened on this
//!   crate's own thread is good.
//! - A manager that lends a reference to what it has, has put the future of its `yield!` aside, and awaits something else
//!   when it is cancelled. Only that future may drop the block, so it is dropped there, and the rest of the manager with
//!   it. That is a [`Loss`], too. One that lends no reference goes on.
//! - A manager after a panic with `panic = "abort"`.

mod count;
mod drain;
mod executor;
mod loss;
mod origin;
#[cfg(not(feature = "tokio"))]
mod queue;
mod thread;
mod together;

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::boxed::Box;

use crate::panics;
use drain::UnderWay;
pub use loss::{Loss, LossKind, set_hook};
pub(crate) use loss::{failed, panicked, rescue_failed, unfinished};
pub(crate) use origin::Origin;
pub(crate) use together::{Rescues, block_first, collect, in_turn, is_in_place, of_block};

pub use drain::{drain, drain_for, under_way};
pub use executor::set;

/// What is left to be done of a manager.
pub(crate) trait Rest: Send {
    /// Polls it to its end, and tells of what it ends in.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Tells that it can't be done. What is made of others leaves that to them.
    fn lose(&self) {}
}

/// A rescue: the future that [`set`] hands to an executor.
///
/// It never panics, and may be moved to another thread between polls. One that is dropped before its end goes on on the
/// crate's own thread.
#[must_use = "a rescue goes on when it is polled, or on the crate's own thread when it is dropped"]
pub struct Rescue {
    /// Nothing when it has ended, or goes on elsewhere.
    rest: Option<Pin<Box<dyn Rest>>>,
    origin: Origin,
    place: Place,
    /// Nothing for one that is made of others.
    under_way: Option<UnderWay>,
}

/// Who has a rescue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The `with!` around it, or nobody yet.
    With,
    /// An executor.
    Executor,
    /// The crate's own thread.
    Thread,
}

impl Rescue {
    /// Has `rest` done: as a part of what is being dropped at the moment, or by itself.
    pub(crate) fn begin(rest: Pin<Box<dyn Rest>>, origin: Origin) {
        let under_way = Some(UnderWay::begin());
        Self { rest: Some(rest), origin, place: Place::With, under_way }.go_on();
    }

    fn go_on(mut self) {
        match self.place {
            Place::With => {
                if let Some(rescue) = together::add(self) {
                    executor::spawn(rescue);
                }
            }
            Place::Executor => thread::spawn(self),
            Place::Thread => self.rest.take().into_iter().for_each(|rest| {
                rest.lose();
                panics::contain(|| drop(rest));
            }),
        }
    }
}

impl Future for Rescue {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(rest) = &mut this.rest {
            ready!(this.origin.within_span(|| rest.as_mut().poll(cx)));
        }
        this.rest = None;
        this.under_way = None;
        Poll::Ready(())
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            let (origin, under_way) = (self.origin.clone(), self.under_way.take());
            Self { rest: Some(rest), origin, place: self.place, under_way }.go_on();
        }
    }
}

impl fmt::Debug for Rescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rescue").finish_non_exhaustive()
    }
}
