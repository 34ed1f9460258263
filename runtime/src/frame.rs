//! The one module with `unsafe`: how the parts of a running `with!` reach each other. In `driver` is the future of a
//! `with!`, in `marker` what the body has of it, in `head` what the two know of each other, in `call` how they meet, in
//! `unfinished` what becomes of a `with!` that is dropped, in `shield` what goes on without it, and in `held` what is
//! entered by hand.
//!
//! A `with!` is one future. In it stand, as locals that are pinned with it, the [`Handoff`](crate::handoff::Handoff) and
//! the [`Driver`]; and in the driver the body of the manager and the frame, which is the block with its
//! [`Head`](head::Head):
//!
//! ```text
//! with! ── polls ──▶ Driver ── polls ──▶ body ── polls ──▶ marker (Lending)
//!                      │ owns                                 │ finds by pointer
//!                      └──────▶ Frame ── begins with ──▶ Head ◀┘
//!                                 │ owns
//!                                 └──▶ block
//! ```
//!
//! The marker lends its value and polls the block. Where the body itself waits at its marker, all that further polls of
//! the body come to is a poll of the block, until that has ended: there the driver polls the block at once. Where something
//! stands between the driver and the marker (an `async` block that may be raced, a shielded manager), only the marker does.
//!
//! Everything here that is called unsafe rests on three facts:
//!
//! 1. **The frame outlives the body.** Both are in the pinned driver, which drops the body first. When the driver is
//!    leaked, so is the body, and nobody can poll or drop a part of it any more.
//! 2. **The block never outlives what is lent to it.** The value borrows from the body for as long as the marker's
//!    future lives (it is in its type), and that future drops the block before it ends or is dropped. The driver, where
//!    it polls the block, drops one that has ended: the marker is there then, as the body waits at it. If the marker is
//!    leaked while the block is there, the driver notices when the body is gone, and aborts. (Where nothing is borrowed,
//!    others may drop the block as well: see [`shield`].)
//! 3. **One at a time.** The block, the body and the driver are polled and dropped by one thread at a time, the one
//!    that holds the `with!`. A marker that stands by itself is polled by nobody but the body. One in an `async` block
//!    is a value that a scoped thread could get hold of: there each poll and drop looks whether it is on the driver's
//!    thread ([`Home`](crate::home::Home)).
//!
//! The generated code has no `unsafe`; what it must keep to is said at the items that it calls. They are hidden and not
//! for anyone else; what of a misuse can be noticed panics.

mod call;
mod driver;
mod head;
#[cfg(feature = "std")]
pub(crate) mod held;
mod marker;
#[cfg(feature = "std")]
pub(crate) mod shield;
mod unfinished;

use core::cell::Cell;
use core::ptr::NonNull;

pub use self::driver::{Driver, run};
pub(crate) use self::head::Ops;
pub(crate) use self::marker::Lending;
pub use self::marker::{Within, YieldPoint, attach};
use crate::exit::Exit;
use crate::lend::Terms;

/// What the outcome holds of an error.
type Caught<L> = <<L as Terms>::Exit as Exit>::Caught;

/// A value that is shared within one task only.
#[derive(Default)]
pub(crate) struct OneTask<T>(T);

// SAFETY: by fact 3 no two threads use the value at the same time, so sharing it is no more than sending it.
unsafe impl<T: Send> Sync for OneTask<T> {}

impl<T> OneTask<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    #[inline]
    pub(crate) const fn get(&self) -> &T {
        &self.0
    }
}

impl<T> OneTask<Cell<T>> {
    /// What `question` says of the value, which stays where it is. It has no way to the cell.
    #[inline]
    pub(crate) fn ask<A>(&self, question: fn(&T) -> A) -> A {
        // SAFETY: by fact 3 nobody else uses the cell now, and `question`, which captures nothing, does not.
        question(unsafe { &*self.0.as_ptr() })
    }
}

/// A pointer from one part of a `with!` to another.
struct Link<T: ?Sized>(NonNull<T>);

// SAFETY: what it points to is a part of the same future, moves from thread to thread with it only, and says itself by
// its own type whether it may (the driver holds it by value). By fact 3 nobody follows the pointer on another thread
// meanwhile. A shielded body that goes elsewhere forgets its pointer before.
unsafe impl<T: ?Sized> Send for Link<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for Link<T> {}

impl<T: ?Sized> Clone for Link<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Link<T> {}
