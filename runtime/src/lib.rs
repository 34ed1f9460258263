//! Python's `@asynccontextmanager` and `async with` for Rust: cleanup that is awaited, however a block ends.
//!
//! An `async fn` that contains one `yield!` is a context manager. `with!` runs the code before the `yield!`, then a
//! block, then the code after the `yield!`, however the block ends: with a value, with an error, by an early `return`,
//! `break` or `continue`, by a panic, or because the future around it is dropped.
//!
//! ```
//! use async_context_manager::{Outcome, async_context_manager, with};
//! # struct Pool;
//! # #[derive(Debug)]
//! # struct DbError;
//! # struct Conn;
//! # impl Pool {
//! #     async fn acquire(&self) -> Result<Conn, DbError> { Ok(Conn) }
//! # }
//! # impl Conn {
//! #     async fn execute(&mut self, _sql: &str) -> Result<u64, DbError> { Ok(1) }
//! # }
//!
//! #[async_context_manager]
//! async fn transaction(pool: &Pool) -> Result<&mut Conn, DbError> {
//!     let mut conn = pool.acquire().await?;
//!     conn.execute("BEGIN").await?;
//!     let outcome = r#yield!(&mut conn);
//!     conn.execute(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }).await?;
//!     Ok(())
//! }
//!
//! async fn rename(pool: &Pool, sql: &str) -> Result<(), DbError> {
//!     with!(transaction(pool) as conn => {
//!         if conn.execute(sql).await? == 0 {
//!             return Err(DbError); // rolls back first
//!         }
//!     })
//! }
//! ```
//!
//! - [`async_context_manager`] describes how a manager is written, [`with!`](crate::with) how it is used, and
//!   [`Outcome`] what it learns about its block.
//! - [`AsyncContextManager`] is the trait for managers that are types. It has two methods to implement.
//! - [`within`](macro@within) runs the whole body of a function, for example a test, inside managers.
//! - [`Manager::scope`] is `with!` without a macro.
//! - [`AsyncExitStack`] holds managers whose number is only known at run time.
//! - [`nullcontext`], [`closing`](closing()), [`defer`] and [`suppress`](suppress()) are ready-made managers. The feature
//!   `tokio` adds time limits and task groups.
//! - [`rescue`] describes what happens when the future around a *shielded* manager is dropped: the manager still runs
//!   to its end.
#![cfg_attr(
    feature = "tokio",
    doc = "\n[`coming_from_python`] maps Python's names and recipes to this crate, and lists the differences. [`recipes`] \
           has more of what programs do with managers."
)]
//!
//! # Features
//!
//! - `std` (default): catches a panic in a block, so that the exit phase runs, and allows managers to be shielded.
//!   Without this feature the crate is `no_std` and needs no allocator. A panic then drops the manager as it drops any
//!   future, and a manager whose `yield!` is in an `async` block is not `Send`.
//! - `tokio`: adds the time limits `timeout`, `timeout_at` and `move_on_after`, and `task_group`. Shielded managers are
//!   rescued on the runtime on which they were entered.
//! - `tracing`: emits an event for each error or panic that cannot be returned to a caller. Shielded managers are
//!   rescued in the span in which they were entered.
//! - `yield_expr`: allows a plain `yield!` under the attribute, for nightly with `#![feature(yield_expr)]`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod any_manager;
#[cfg(feature = "std")]
mod boxed;
mod budget;
mod classify;
mod current_thread;
mod exit;
mod frame;
mod lend;
pub mod lent;
mod manager;
mod manager_type;
mod managers;
mod named;
mod open;
mod outcome;
mod output;
mod panics;
mod private;
mod raw;
#[cfg(feature = "std")]
pub mod rescue;
#[cfg(not(feature = "std"))]
#[path = "rescue/no_std.rs"]
mod rescue;
mod scope;
mod scope_output;
mod scope_types;
#[cfg(feature = "std")]
mod shielded;
mod show;
#[cfg(feature = "std")]
mod stack;
#[cfg(feature = "std")]
mod stack_exit;
mod stub;
mod sync;
#[cfg(feature = "std")]
mod user_code;
mod value;
mod waker;
mod within;

#[cfg(all(any(doc, doctest), feature = "tokio"))]
#[doc = include_str!("../docs/coming-from-python.md")]
pub mod coming_from_python {}

#[cfg(all(any(doc, doctest), feature = "tokio"))]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}

#[doc = include_str!("../docs/async_context_manager.md")]
pub use async_context_manager_macros::async_context_manager;

#[doc = include_str!("../docs/within.md")]
pub use async_context_manager_macros::within;

// `rustdoc` reads the aliases of an item of a private module only where the item is exported.

pub use any_manager::AnyManager;
#[cfg(feature = "std")]
pub use boxed::{BoxManager, LocalBoxManager};
pub use exit::{Catch, Exit, Suppress};
pub use manager::Manager;
#[doc(alias("__aenter__", "__aexit__", "AbstractAsyncContextManager", "AsyncDisposable"))]
pub use manager_type::AsyncContextManager;
#[doc(alias = "aclosing")]
pub use managers::closing;
#[doc(alias("finally", "scopeguard"))]
pub use managers::defer;
#[cfg(feature = "std")]
#[doc(alias("async drop", "graceful shutdown", "shield"))]
pub use managers::graceful;
#[cfg(feature = "tokio")]
#[doc(alias = "nursery")]
pub use managers::task_group;
#[cfg(feature = "std")]
pub use managers::{CancelScope, Graceful, cancel_scope, cut_short, stop_when, unstopped, until};
#[cfg(feature = "tokio")]
pub use managers::{GracefulTask, Task, TaskGroup, TaskGroupError, move_on_after, move_on_at, timeout, timeout_at};
pub use managers::{nullcontext, suppress};
pub use outcome::Outcome;
pub use scope_output::ScopeOutput;
#[cfg(feature = "std")]
#[doc(alias = "DisposableStack")]
pub use stack::AsyncExitStack;
pub use value::{Entered, ScopeValue};

// `rustdoc` shows what a `macro_rules!` accepts. This one says more than the one below.
#[cfg(doc)]
#[doc(alias("async with", "bracket", "defer", "finally", "try-with-resources", "using"))]
#[doc = include_str!("../docs/with.md")]
#[macro_export]
macro_rules! with {
    ($(manager $(as pattern)?),+ => block) => {};
    ($(manager $(as pattern)?),+, { block }) => {};
}

#[cfg(not(doc))]
#[doc = include_str!("../docs/with.md")]
#[macro_export]
macro_rules! with {
    // Emitted by `#[async_context_manager]`, so that an import of `with` is not reported as unused.
    (@imported) => {};
    ($($tokens:tt)*) => { $crate::__private::with! { ($crate) $($tokens)* } };
}

/// Allows the managers in the given items to write `yield!` without the `r#`.
///
/// ```
/// use async_context_manager::{async_context_manager, context_managers};
///
/// context_managers! {
///     #[async_context_manager]
///     async fn scratch() -> &mut Vec<u8> {
///         let mut bytes = Vec::new();
///         yield!(&mut bytes);
///     }
/// }
/// ```
#[macro_export]
macro_rules! context_managers {
    ($($items:tt)*) => { $crate::__private::context_managers! { ($crate) $($items)* } };
}

/// Marks the place at which a manager function lends its value and its block runs.
///
/// [`async_context_manager`] reads this marker; it need not be imported. Anywhere else it is a compile error:
///
/// ```compile_fail
/// use async_context_manager::r#yield;
///
/// async fn no_manager() {
///     r#yield!();
/// }
/// ```
#[macro_export]
macro_rules! r#yield {
    ($($value:tt)*) => {
        ::core::compile_error!(
            "`yield!` outside a manager function: put `#[async_context_manager]` on the `async fn` around it"
        )
    };
}
