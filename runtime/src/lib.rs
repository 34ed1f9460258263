//! Python's `@asynccontextmanager` and `async with` for Rust: cleanup that is awaited, and that runs on every way out.
//!
//! An `async fn` with one `yield!` in it is a context manager. `with!` runs what stands before the yield, then a block,
//! then what stands after the yield, by whatever way the block ends: with a value, with an error, by an early `return`,
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
//! [`async_context_manager`] tells how managers are written, [`with!`](crate::with) how they are used, and [`Outcome`]
//! what they learn of the block. [`AsyncContextManager`] makes a manager of a type, by two methods.
//! [`within`](macro@within) puts a whole function into managers: a test, say. [`Manager::scope`] is `with!` without a
//! macro. [`AsyncExitStack`] is for as many managers as the run shows that there are. [`nullcontext`],
//! [`closing`](closing()) and [`suppress`](suppress()) are ready to be used; so are time limits and task groups, with
//! the feature `tokio`. [`rescue`] tells what becomes of a manager whose future is dropped, if it is *shielded*: it is
//! left to the end all the same.
#![cfg_attr(
    feature = "tokio",
    doc = "\n[`coming_from_python`] has all names of Python's, the recipes, and what differs."
)]
//!
//! # Features
//!
//! - `std` (default): panics in a block are caught, so that the exit phase runs; and managers can be shielded. Without it
//!   the crate is `no_std` and needs no allocator; a panic then drops the manager as it drops any future, and a manager whose `yield!` stands in
//!   an `async` block is not `Send`.
//! - `tokio`: time limits, `timeout`, `timeout_at` and `move_on_after`; `task_group`; and shielded managers are
//!   rescued on the runtime that they were entered on.
//! - `tracing`: what nobody is left to be told of is an event, and shielded managers are rescued in the span that they
//!   were entered in.
//! - `yield_expr`: a plain `yield!` under the attribute, for nightly with `#![feature(yield_expr)]`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod budget;
mod classify;
mod exit;
mod frame;
mod lend;
mod manager;
mod manager_type;
mod managers;
mod named;
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
mod scope_types;
#[cfg(feature = "std")]
mod shielded;
#[cfg(feature = "std")]
mod stack;
mod stub;
#[cfg(feature = "std")]
mod sync;
#[cfg(feature = "std")]
mod user_code;
mod value;
mod waker;
mod within;

#[cfg(all(any(doc, doctest), feature = "tokio"))]
#[doc = include_str!("../docs/coming-from-python.md")]
pub mod coming_from_python {}

#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}

/// Makes an `async fn` with one `yield!` in it an async context manager.
///
/// The function then returns a [`Manager`], which [`with!`](crate::with) enters. Calling it runs nothing. What
/// stands before the `yield!` is the enter phase, what stands after it the exit phase; the block of the `with!`
/// runs at the `yield!`, which lends it a value and gives the [`Outcome`].
///
/// ```
/// use async_context_manager::{async_context_manager, with};
/// # struct Lock;
/// # impl Lock {
/// #     async fn lock(&self) {}
/// #     async fn unlock(&self) {}
/// # }
///
/// #[async_context_manager]
/// async fn locked(lock: &Lock) {
///     lock.lock().await;
///     r#yield!();
///     lock.unlock().await; // on every way out of the block
/// }
/// # async fn example(lock: &Lock) {
/// let answer = with!(locked(lock) => { 42 });
/// # }
/// ```
///
/// # The marker
///
/// Rust reserves the word `yield`, so the marker is spelled `r#yield!(value)`;
/// [`context_managers!`](crate::context_managers) allows a plain `yield!(value)`. There is one in a function,
/// where every way leads to it that does not fail. It may stand in an `async` block, and so the manager can race
/// the block: `timeout(limit, async { r#yield!(value) })`. When such a future is dropped, the block is
/// dropped there and then. It may also stand in the block of a `with!`, and so managers are made of managers:
/// those around the marker see the outcome that the marker gave.
///
/// # The return type
///
/// `V`, or nothing for `()`, or `Result<V, E>`, where any name that ends in `Result` will do if its first type
/// argument is `V`; `V` is what the block gets. The body ends in `()`, or `Result<(), E>`, in which `Err` before
/// the `yield!` means that entering failed, and after it replaces what the block ended in. A lifetime that is left
/// out of `V` (`&mut Conn`, `Tx<'_>`) means "while the block runs": such a value may borrow from the function's
/// own locals, and the block can't let it escape.
///
/// # Options
///
/// `#[async_context_manager(catch)]`, on a function that returns a `Result<V, E>`: the error of the block goes
/// *through* the manager, as Python throws it in at the `yield`. The block's error is in the
/// [`Outcome<E>`](Outcome), whether it is the value of the block or leaves it by `?` or `return`; and what the
/// function returns is the value of `with!`: an `Err`, that one or another. `E` may be a parameter of the
/// function. It is then inferred from the function around the block, into whose error type `?` has converted
/// before; so a block that can't fail leaves it open. Where such a manager stands around the `yield!` of another
/// one that does not catch, there is no error for it to have: it sees [`Outcome::Cancelled`].
///
/// ```
/// use std::fmt::Display;
///
/// use async_context_manager::{Outcome, async_context_manager, with};
///
/// #[async_context_manager(catch)]
/// async fn logged<E: Display>(what: &str) -> Result<(), E> {
///     let outcome = r#yield!();
///     if let Outcome::Failed(error) = &outcome {
///         eprintln!("{what}: {error}");
///     }
///     outcome.into_result()
/// }
///
/// async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
///     with!(logged("parsing") => { text.parse()? })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # assert_eq!(parse("5").await, Ok(5));
/// # assert!(parse("x").await.is_err());
/// # }
/// ```
///
/// `suppress`: the manager may end the block without a value, and `with!` is an `Option`. With `catch`, it does so
/// when it returns `Ok(())` though the block failed; without, errors pass it by as ever, and it does so only when
/// it has raced its block away. A panic is never suppressed.
///
/// ```
/// # use async_context_manager::{Outcome, async_context_manager, with};
/// #[async_context_manager(catch, suppress)]
/// async fn ignoring<E: PartialEq>(expected: E) -> Result<(), E> {
///     match r#yield!() {
///         Outcome::Failed(error) if error == expected => Ok(()),
///         outcome => outcome.into_result(),
///     }
/// }
///
/// # #[derive(Debug, PartialEq)]
/// # enum Error { NotFound, Denied }
/// # async fn open(_file: &str) -> Result<u32, Error> { Err(Error::NotFound) }
/// async fn size(file: &str) -> Result<Option<u32>, Error> {
///     with!(ignoring(Error::NotFound) => { open(file).await? })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(size("missing").await, Ok(None));
/// # }
/// ```
///
/// `shielded`: only the block can be cancelled. When the future around the `with!` is dropped, the rest of the manager
/// is a [rescue]: entering is finished, and so is leaving. It owns what it has (`Send + 'static`), so its arguments are
/// taken by value; and it lends a value that borrows nothing, or a `&T` or a `&mut T` of what it has. It takes one
/// allocation. A manager that borrows is shielded by one around it that owns:
///
/// ```
/// use std::sync::Arc;
///
/// use async_context_manager::{async_context_manager, with};
/// # struct DbError;
/// # struct Pool;
/// # struct Conn;
/// # impl Pool { async fn acquire(&self) -> Result<Conn, DbError> { Ok(Conn) } }
/// # impl Conn {
/// #     async fn execute(&mut self, _sql: &str) -> Result<u64, DbError> { Ok(1) }
/// #     async fn release(self) -> Result<(), DbError> { Ok(()) }
/// # }
///
/// #[async_context_manager]
/// async fn connection(pool: &Pool) -> Result<&mut Conn, DbError> {
///     let mut conn = pool.acquire().await?;
///     r#yield!(&mut conn);
///     conn.release().await
/// }
///
/// #[async_context_manager(shielded)]
/// async fn transaction(pool: Arc<Pool>) -> Result<&mut Conn, DbError> {
///     with!(connection(&pool) as conn => {
///         conn.execute("BEGIN").await?;
///         let outcome = r#yield!(&mut *conn);
///         conn.execute(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }).await?;
///     })
/// }
/// ```
///
/// A manager is made so by [`Manager::shielded`], too.
///
/// `crate = path`: where this crate is, if not at `::async_context_manager`.
///
/// # Panics
///
/// Entering panics when the function ends in success without having reached its `yield!`, or reaches it twice, in
/// ways that its text does not show. So does the `with!` when the function ends in success though it dropped its
/// block before the end, or caught an error, and does not have the option `suppress`.
///
/// # Cancel safety
///
/// When the future around a `with!` is dropped while the block is under way, the block is dropped, the `yield!`
/// gives [`Outcome::Cancelled`], and the exit phase is polled once: it gets as far as its first `.await` that is
/// not ready at once. Dropped in the enter phase or in the exit phase, it ends there, as any future. That an exit phase
/// was cut off so is told of as a [`Loss`](rescue::Loss). A panic in this is contained; it never leaves the drop. A manager that is not awaiting its `yield!` at that moment,
/// because it has put the future of it aside, goes on until it is pending, and then the block is dropped with that
/// future.
///
/// So what must be done after [`Outcome::Cancelled`] is done without `.await`, or in a manager with the option
/// `shielded`, which is awaited by a [rescue]; or cancellation is kept out, by a time limit *inside*, in a manager that
/// races its block.
///
/// It follows Python's `contextlib.asynccontextmanager`, but that code after a bare `yield` runs there only if the
/// block did not fail.
pub use async_context_manager_macros::async_context_manager;

/// Puts an `async fn` in context managers: its whole body is the block of a [`with!`](crate::with).
///
/// The arguments are the header of that `with!`: managers, with `as` and a pattern where their value is needed.
/// They may use the arguments of the function, and the body may use what they lend.
///
/// ```
/// use async_context_manager::{async_context_manager, within};
/// # #[derive(Debug)]
/// # struct DbError;
/// # #[derive(Debug)]
/// # enum AppError { Db(DbError) }
/// # impl From<DbError> for AppError {
/// #     fn from(error: DbError) -> Self { Self::Db(error) }
/// # }
/// # struct Conn;
/// # struct Pool;
/// # impl Pool {
/// #     async fn acquire(&self) -> Result<Conn, DbError> { Ok(Conn) }
/// # }
/// # impl Conn {
/// #     async fn execute(&mut self, _sql: &str) -> Result<u64, DbError> { Ok(1) }
/// #     async fn release(self) -> Result<(), DbError> { Ok(()) }
/// # }
///
/// #[async_context_manager]
/// async fn span(name: &str) {
///     println!("{name} begins");
///     let outcome = r#yield!();
///     println!("{name} ends: {outcome:?}");
/// }
///
/// #[async_context_manager]
/// async fn connection(pool: &Pool) -> Result<&mut Conn, DbError> {
///     let mut conn = pool.acquire().await?;
///     r#yield!(&mut conn);
///     conn.release().await
/// }
///
/// #[within(span("add"), connection(pool) as conn)]
/// async fn add(pool: &Pool, name: &str) -> Result<u64, AppError> {
///     if name.is_empty() {
///         return Ok(0); // gives the connection back first
///     }
///     Ok(conn.execute("INSERT INTO names ...").await?)
/// }
/// # fn main() {
/// #     use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// #     let poll = |name| pin!(add(&Pool, name)).poll(&mut Context::from_waker(Waker::noop()));
/// #     assert!(matches!(poll("ann"), Poll::Ready(Ok(1))));
/// #     assert!(matches!(poll(""), Poll::Ready(Ok(0))));
/// # }
/// ```
///
/// A function of any kind will do: a method with any receiver, also of a trait, with generics, with patterns for
/// arguments, with an `impl Trait` returned. `return` and `?` leave the managers first, as they do in every
/// `with!`. Calling the function runs nothing; each call makes the managers anew. Of several attributes, the first
/// is outermost, and each may fail with an error type of its own.
///
/// # Tests
///
/// Above `#[tokio::test]`, or whatever makes a test of the function, it is a fixture, which is torn down whether
/// the test passes, fails or panics:
///
/// ```
/// use async_context_manager::{async_context_manager, within};
/// # struct Database { rows: Vec<u32> }
/// # impl Database {
/// #     async fn create() -> Self { Self { rows: Vec::new() } }
/// #     async fn drop_tables(self) {}
/// # }
///
/// #[async_context_manager]
/// async fn database() -> &mut Database {
///     let mut database = Database::create().await;
///     r#yield!(&mut database);
///     database.drop_tables().await;
/// }
///
/// #[within(database() as db)]
/// # /*
/// #[tokio::test]
/// # */
/// async fn keeps_rows() {
///     db.rows.push(5);
///     assert_eq!(db.rows, [5]);
/// }
/// # fn main() {
/// #     use std::{future::Future, pin::pin, task::{Context, Waker}};
/// #     assert!(pin!(keeps_rows()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
/// # }
/// ```
///
/// It stands above such an attribute because that one makes a function of it that is not `async`. (So does
/// `#[async_trait]`, which stands above all of an `impl`; there, write `with!` in the body.)
///
/// # What the function returns
///
/// What its body gives, unless its managers do not let it:
///
/// | the managers | the function returns |
/// |---|---|
/// | can't fail | anything |
/// | can fail with `E` | a `Result`, to whose error `E` is converted by `From`, as `?` would |
/// | may end the block without a value, by the option `suppress` | `()`, `Option<T>`, `Result<(), E>`, `Result<Option<T>, E>`: that is `()`, `None`, `Ok(())`, `Ok(None)` then |
///
/// An `Err` that the function is to return is the error that a manager with the option `catch` gets, which has to
/// be of its type; what that manager makes of it is what the caller gets.
///
/// # Panics
///
/// As the body and the managers do.
///
/// # Options
///
/// `crate = path`, before the managers: where this crate is, if not at `::async_context_manager`.
///
/// # Limits
///
/// Those of [`with!`](crate::with). The body borrows the arguments, so they must be `Sync` for the future to be
/// `Send`, and they are dropped after the managers have left; but those that the body moves are dropped with it. A
/// manager function can't be within others: there, write `with!` around the `yield!`.
///
/// # Cancel safety
///
/// See [`async_context_manager`].
///
/// It follows Python's `contextlib.AsyncContextDecorator`, by which `@connection()` can stand on a function, whose
/// body can't get at the value there.
pub use async_context_manager_macros::within;

pub use exit::{Catch, Exit, Suppress};
pub use manager::Manager;
pub use manager_type::AsyncContextManager;
pub use managers::{Closing, closing, nullcontext, suppress};
#[cfg(feature = "tokio")]
pub use managers::{Task, TaskGroup, TaskGroupError, move_on_after, task_group, timeout, timeout_at};
pub use outcome::Outcome;
pub use scope::ScopeOutput;
#[cfg(feature = "std")]
pub use stack::AsyncExitStack;

/// Enters managers, runs a block with what they lend, and leaves them by whatever way the block ends.
///
/// ```
/// # use async_context_manager::{async_context_manager, with};
/// # #[async_context_manager]
/// # async fn connection() -> &mut Vec<u8> { let mut bytes = Vec::new(); r#yield!(&mut bytes); }
/// # #[async_context_manager]
/// # async fn begin(conn: &mut Vec<u8>) -> &mut Vec<u8> { r#yield!(&mut *conn); }
/// # #[async_context_manager]
/// # async fn span(_name: &str) { r#yield!(); }
/// # async fn example() {
/// with!(connection() as conn => { conn.push(1); });
/// with!(span("load") => { /* nothing bound */ });
/// with!(connection() as mut conn, begin(&mut conn) as tx => tx.push(1)); // left to right; later ones may use earlier
/// # }
/// ```
///
/// The block is a block of the function it stands in: `?`, `return`, `break`, `continue` and `.await` mean what they
/// mean there. Those that leave it run the exit phase first, to its end. What `as` binds is any irrefutable pattern.
/// Temporaries of the header live as long as the `with!`, as those of a `match` do.
///
/// # The value
///
/// For a block of type `T` it is `T`; when a manager returns a `Result<V, E>`, `Result<T, E>`: an `Err` of the enter
/// phase or the exit phase. With a manager that has the option `suppress` there is an `Option<T>` in the place of `T`.
/// Several managers in one header give one `Result`, so they share one `E`; those whose errors differ are nested, and
/// `?` converts:
///
/// ```
/// # use async_context_manager::{async_context_manager, with};
/// # #[derive(Debug)] struct DbError;
/// # #[derive(Debug)] struct NetError;
/// # #[derive(Debug)] struct AppError;
/// # impl From<DbError> for AppError { fn from(_: DbError) -> Self { Self } }
/// # impl From<NetError> for AppError { fn from(_: NetError) -> Self { Self } }
/// # #[async_context_manager]
/// # async fn socket() -> Result<u8, NetError> { r#yield!(1); Ok(()) }
/// # #[async_context_manager]
/// # async fn connection() -> Result<u8, DbError> { r#yield!(2); Ok(()) }
/// async fn both() -> Result<u8, AppError> {
///     let sum = with!(socket() as a => { // can fail with `NetError`
///         with!(connection() as b => a + b)? // and this with `DbError`
///     })?;
///     Ok(sum)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() { assert_eq!(both().await.unwrap(), 3); }
/// ```
///
/// # What the manager sees
///
/// | the block | [`Outcome`] | afterwards |
/// |---|---|---|
/// | reaches its end with a value | `Completed` | the value |
/// | its value is an `Err` | `Failed` | that value |
/// | leaves by `?` or `return` with an `Err`, also one that a macro hides | `Failed` | the leaving goes on |
/// | leaves by `return` of anything else, `None?`, `break`, `continue` | `Completed` | the leaving goes on |
/// | panics | `Panicked` | the panic goes on, with the same payload |
/// | is dropped, with the future around it | `Cancelled` | see [`async_context_manager`] |
///
/// An `Err` or a panic of the exit phase replaces what was under way. Only a panic is not replaced by an `Err`, which
/// is then told of as a [`Loss`](rescue::Loss).
///
/// An `Err` goes no further than to a manager with the option `catch`: what that returns is the value of the `with!`,
/// whose function goes on.
///
/// # Panics
///
/// As the block and the managers do.
///
/// # Limits
///
/// The block is an `async` block underneath. What one of its ways moves is moved after the `with!`, though that way
/// left it; a variable that is declared before can't get its first value in it; a local that it borrows must be `Sync`
/// for the future to be `Send`; and a `break` that a macro of yours hides can't leave it (a `return` can).
/// `with!(...);` as the last statement of a function, with a block that always returns, needs to stand without the `;`.
///
/// # Cancel safety
///
/// See [`async_context_manager`]. In a header of several, the last one is left first.
///
/// It follows the `async with` of PEP 492, which has no value.
#[macro_export]
macro_rules! with {
    // A manager function has taken the `with!` for its own, and this is left of it.
    (@imported) => {};
    ($($tokens:tt)*) => { $crate::__private::with! { ($crate) $($tokens)* } };
}

/// Items in which managers may write `yield!` without the `r#`.
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

/// Marks the yield point of a manager function; see [`async_context_manager`], which reads it. It need not be imported.
///
/// Anywhere else it is an error:
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
            "`yield!` outside a manager function: put `#[async_context_manager]` on the `async fn` that it is to be the yield point of"
        )
    };
}
