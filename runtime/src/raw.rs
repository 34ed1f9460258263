//! The only module with `unsafe` code: it connects the parts of a running `with!`.
//!
//! | file | job |
//! |---|---|
//! | `any_driver` | a driver without its types, for code that runs rarely |
//! | `any_body` | polls the body of a driver, also where its type is not known |
//! | `body` | starts the body of a manager with a handle to its `with!` |
//! | `header` | the state that a driver shares with its marker, independent of the type of the block |
//! | `frame_cell` | the content of a frame: the header, and the slot |
//! | `driver` | the future of a `with!` |
//! | `conclude` | the end of a `with!` whose body has ended |
//! | `yield_point` | the yield point of a body, and the marker: the future of a `yield!` |
//! | `detached` | guards a marker in an `async` block |
//! | `finish` | runs a body whose marker is in an `async` block |
//! | `cancel` | drops a `with!` that has not ended |
//! | `stop_scope` | the waker by which a scope stops the `with!`s that it polls |
//! | `stop_driver` | polls a driver in a scope that can stop it |
//! | `stop_block` | stops a block: what is open in it leaves first |
//! | `shield` | keeps a shielded body running after its `with!` was dropped |
//! | `stack_entry` | managers that are entered by a method call: the entries of an exit stack |
//! | `entry_signal` | ends the block of a stack entry |
//! | `boxed` | bodies in a box, of which only the output is known |
//! | `stored` | lent values that outlive the poll in which they were lent |
//!
//! A `with!` is one future. Two of its locals are the [`Frame`](crate::frame::Frame), which contains the
//! [`Header`](header::Header), and the [`Driver`], which owns the body of the manager and the block:
//!
//! ```text
//! with! ── polls ──▶ Driver ── polls ──▶ body ── polls ──▶ marker (Yield)
//!                      │ owns              ▲                  │ points to
//!                      ├──▶ block          │ is started with  ▼
//!                      └──▶ &Frame ────────┴───────────── Header ── points to ──▶ Driver
//! ```
//!
//! The body is started with a pointer to the header ([`FrameHandle`](body::FrameHandle)), whose address is fixed by
//! then. The driver is pinned when it is first polled. That poll stores a pointer to the driver in the header. Through
//! these two pointers the marker lends its value and polls the block.
//!
//! While the body itself is suspended at its marker, polling the body would only poll the block, so the driver polls
//! the block directly. If something lies between the driver and the marker (an `async` block that may be raced, or a
//! shielded manager), only the marker polls the block.
//!
//! All `unsafe` code in this module relies on these facts:
//!
//! 1. **Header and driver outlive the body.** The driver borrows the frame, and drops the body before anything else. If
//!    the driver is leaked, the body is leaked with it, and no part of the body is polled or dropped afterwards.
//! 2. **The block never outlives what is lent to it.** The value borrows from the body for as long as the marker lives,
//!    because its type is part of the marker's type. The marker drops the block before it ends or is dropped. The
//!    driver drops the block only while the body itself is suspended at the marker. If the marker is leaked while the
//!    block is alive, the driver detects this once the body is gone, and aborts the process. (If nothing is borrowed,
//!    other code may drop the block as well: see [`shield`].)
//! 3. **One at a time.** The block, the body and the driver are polled and dropped by one thread at a time: the thread
//!    that holds the `with!`. Only the body polls a marker that is in the body itself. A marker in an `async` block is
//!    a value that another (scoped) thread could obtain. Each use of such a marker therefore compares the current
//!    thread with the thread of the driver ([`DetachedGuard`](crate::raw::detached::DetachedGuard)).
//! 4. **Body and signature agree on what is lent.** Both receive the same [`SameContract`](body::SameContract), which
//!    is invariant. A boxed manager has another contract, which lends the same values.
//!
//! The generated code contains no `unsafe`. Its obligations are documented at the items that it calls. These items are
//! hidden. Misuse panics where it can be detected.

mod any_body;
mod any_driver;
pub(crate) mod body;
#[cfg(feature = "std")]
pub(crate) mod boxed;
mod cancel;
mod conclude;
pub(crate) mod detached;
mod driver;
#[cfg(feature = "std")]
pub(crate) mod entry_signal;
mod finish;
pub(crate) mod frame_cell;
mod header;
pub(crate) mod in_place;
mod scope;
#[cfg(feature = "std")]
pub(crate) mod shield;
#[cfg(feature = "std")]
pub(crate) mod stack_entry;
mod stop_block;
mod stop_driver;
#[cfg_attr(not(feature = "std"), expect(dead_code, reason = "only scopes of `std` can stop"))]
pub(crate) mod stop_scope;
#[cfg(feature = "std")]
pub(crate) mod stored;
mod yield_point;

use core::ptr::NonNull;

pub use self::body::{Body, SameContract};
pub(crate) use self::body::{FrameHandle, FunctionBody};
pub use self::driver::{Driver, run};
pub use self::finish::finish;
pub(crate) use self::header::Header;
pub(crate) use self::scope::scope;
pub(crate) use self::yield_point::lend_from_type;
pub use self::yield_point::{Enclosing, YieldPoint, lend0, lend1, lend2};
use crate::exit::Exit;
use crate::lend::Contract;

/// The error value in the outcome that a manager with the contract `L` receives.
type Caught<L> = <<L as Contract>::Exit as Exit>::Caught;

/// A value that is shared within one task only.
#[derive(Default)]
pub(crate) struct TaskLocalCell<T>(T);

// SAFETY: by fact 3 no two threads use the value at the same time. Sharing the value is therefore no more than sending
// it, which `T: Send` allows.
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

/// A pointer from one part of a `with!` to another.
pub(crate) struct TaskPtr<T: ?Sized>(NonNull<T>);

// SAFETY: the pointer and its target are parts of the same future and move between threads only together. The driver
// holds the target by value, so the auto traits of the future depend on the type of the target itself. By fact 3 no
// other thread follows the pointer meanwhile. A shielded body that moves elsewhere forgets its pointer first.
unsafe impl<T: ?Sized> Send for TaskPtr<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized> Sync for TaskPtr<T> {}

impl<T: ?Sized> Clone for TaskPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for TaskPtr<T> {}
