//! The one module with `unsafe`: how the parts of a running `with!` reach each other.
//!
//! | file | job |
//! |---|---|
//! | `body` | starts the body of a manager with the handle on its `with!` |
//! | `header` | what a driver and its marker share, whatever the type of the block |
//! | `driver` | the future of a `with!` |
//! | `marker` | the future of a `yield!` |
//! | `unfinished` | drops a `with!` that has not ended |
//! | `shield` | keeps a shielded body going without its `with!` |
//! | `held` | managers that are entered by hand: the entries of an exit stack |
//!
//! A `with!` is one future. Two of its locals are the [`Frame`](crate::frame::Frame), which begins with the
//! [`Header`](header::Header), and the [`Driver`], which owns the body of the manager and the block:
//!
//! ```text
//! with! ── polls ──▶ Driver ── polls ──▶ body ── polls ──▶ marker (Yield)
//!                      │ owns              ▲                  │ points to
//!                      ├──▶ block          │ is started with  ▼
//!                      └──▶ &Frame ──────┴───────────── Header ── points to ──▶ Driver
//! ```
//!
//! The body is started with a pointer to the header ([`FrameHandle`](body::FrameHandle)), whose address is fixed by then.
//! The first poll of the driver, which is pinned from there on, sets the pointer from the header back to the driver. The
//! marker lends its value and polls the block through these pointers. Where the body itself waits at its marker, polling
//! the body would only poll the block; there the driver polls the block at once. Where something stands between the
//! driver and the marker (an `async` block that may be raced, a shielded manager), only the marker polls it.
//!
//! Everything here that is called unsafe rests on these facts:
//!
//! 1. **Header and driver outlive the body.** The driver borrows the frame and drops the body before anything else. If
//!    the driver is leaked, so is the body, and nobody polls or drops a part of it any more.
//! 2. **The block never outlives what is lent to it.** The value borrows from the body for as long as the marker's
//!    future lives (it is in its type), and that future drops the block before it ends or is dropped. The driver drops
//!    the block only while the body itself waits at the marker. If the marker is leaked while the block is there, the
//!    driver notices when the body is gone, and aborts. (Where nothing is borrowed, others may drop the block as well:
//!    see [`shield`].)
//! 3. **One at a time.** The block, the body and the driver are polled and dropped by one thread at a time, the one that
//!    holds the `with!`. A marker that stands in the body itself is polled by nobody else. One in an `async` block is a
//!    value that a scoped thread could get hold of: there each use compares the thread with the driver's
//!    ([`DetachedGuard`](crate::raw::detached::DetachedGuard)).
//! 4. **Body and signature agree on what is lent.** Both get one [`SameContract`](body::SameContract), which is invariant.
//!
//! The generated code has no `unsafe`. What it must keep to is said at the items that it calls. They are hidden, and
//! misuse that can be noticed panics.

pub(crate) mod body;
mod cancel;
pub(crate) mod detached;
mod driver;
mod finish;
mod header;
#[cfg(feature = "std")]
pub(crate) mod shield;
#[cfg(feature = "std")]
pub(crate) mod stack_entry;
mod yield_point;

use core::cell::Cell;
use core::ptr::NonNull;

pub use self::body::{Body, SameContract};
pub(crate) use self::body::{FrameHandle, FunctionBody};
pub use self::driver::{Driver, run};
pub use self::finish::finish;
pub(crate) use self::header::Header;
pub(crate) use self::yield_point::lend_from_type;
pub use self::yield_point::{Enclosing, YieldPoint, lend0, lend1, lend2};
use crate::exit::Exit;
use crate::lend::Contract;

/// What the outcome holds of an error.
type Caught<L> = <<L as Contract>::Exit as Exit>::Caught;

/// A value that is shared enclosing one task only.
#[derive(Default)]
pub(crate) struct TaskLocalCell<T>(T);

// SAFETY: by fact 3 no two threads use the value at the same time, so sharing it is no more than sending it.
unsafe impl<T: Send> Sync for TaskLocalCell<T> {}

impl<T> TaskLocalCell<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    #[inline]
    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

impl<T> TaskLocalCell<Cell<T>> {
    /// Returns what `question` says of the value, which stays where it is. It has no way to the cell.
    #[inline]
    pub(crate) fn peek<A>(&self, question: fn(&T) -> A) -> A {
        // SAFETY: by fact 3 nobody else uses the cell now, and `question`, which captures nothing, does not.
        question(unsafe { &*self.0.as_ptr() })
    }
}

/// A pointer from one part of a `with!` to another.
pub(crate) struct TaskPtr<T: ?Sized>(NonNull<T>);

// SAFETY: what it points to is a part of the same future, moves from thread to thread with it only, and says itself by
// its own type whether it may (the driver holds it by value). By fact 3 nobody follows the pointer on another thread
// meanwhile. A shielded body that goes elsewhere forgets its pointer before.
unsafe impl<T: ?Sized> Send for TaskPtr<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for TaskPtr<T> {}

impl<T: ?Sized> Clone for TaskPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for TaskPtr<T> {}
