//! Time limits: managers that drop their block at a deadline.

use core::convert::Infallible;
use core::future::pending;
use core::pin::pin;
use core::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep};

use super::race::race;
use crate::async_context_manager;

/// Limits the time of the block to `limit`, and fails with [`Elapsed`] when the time is over.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::{timeout, with};
/// # async fn fetch() -> u32 { std::future::pending().await }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let fetched = with!(timeout(Duration::from_secs(5)) => { fetch().await });
/// assert!(fetched.is_err());
/// # }
/// ```
///
/// The time starts when the `with!` is entered. When it is over, the block is dropped immediately: managers in the
/// block see [`Outcome::Cancelled`](crate::Outcome::Cancelled), and managers around the `with!` see a block that
/// failed. The block is polled once in any case. If the block could continue when its time is over, it is dropped
/// nevertheless. Of two limits that end at the same time, the outer one wins. `Duration::MAX` means no limit.
///
/// It is therefore best to put a limit *inside* the block of the manager that cleans up. That manager then sees a
/// failure, and its exit phase is awaited.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::{async_context_manager, timeout, with};
/// # use tokio::time::error::Elapsed;
/// # #[derive(Debug, PartialEq)]
/// # enum AppError { Late }
/// # impl From<Elapsed> for AppError { fn from(_: Elapsed) -> Self { Self::Late } }
/// # struct Conn;
/// # impl Conn {
/// #     async fn execute(&mut self, _sql: &str) -> Result<u64, AppError> { std::future::pending().await }
/// #     async fn close(self) -> Result<(), AppError> { Ok(()) }
/// # }
/// # #[async_context_manager]
/// # async fn connection() -> Result<&mut Conn, AppError> {
/// #     let mut conn = Conn;
/// #     assert!(r#yield!(&mut conn).is_failed());
/// #     conn.close().await
/// # }
///
/// async fn query() -> Result<u64, AppError> {
///     with!(connection() as conn => {
///         with!(timeout(Duration::from_secs(5)) => { conn.execute("SELECT 1").await? })?
///     })
/// }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() { assert_eq!(query().await, Err(AppError::Late)); }
/// ```
///
/// # Errors
///
/// Returns [`Elapsed`] if the block did not end in time. An error of the block stays in the block's own value.
///
/// # Panics
///
/// Panics if the block panics. Also panics outside of a tokio runtime, and in a runtime whose time driver is not
/// enabled.
///
/// # Cancel safety
///
/// This manager has no cleanup, so nothing is lost when the future around the `with!` is dropped.
///
/// This is Python's `asyncio.timeout`.
#[async_context_manager(crate = crate)]
pub async fn timeout(limit: Duration) -> Result<(), Elapsed> {
    // Only tokio can create an `Elapsed`.
    let elapsed = pin!(tokio::time::timeout(limit, pending::<Infallible>()));
    let ended = race(pin!(async { r#yield!() }), elapsed).await;
    match ended {
        Ok(_outcome) => Ok(()),
        Err(Err(elapsed)) => Err(elapsed),
    }
}

/// Limits the time of the block to `deadline`, and fails with [`Elapsed`] when it has passed: [`timeout`] with an
/// absolute time.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::{timeout_at, with};
/// use tokio::time::{Instant, sleep};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let deadline = Instant::now() + Duration::from_secs(5);
/// for _ in 0..5 {
///     let in_time = with!(timeout_at(deadline) => { sleep(Duration::from_secs(1)).await });
///     // ...
/// }
/// # }
/// ```
///
/// # Errors
///
/// Returns [`Elapsed`] if the block did not end in time.
///
/// # Panics
///
/// See [`timeout`].
///
/// # Cancel safety
///
/// See [`timeout`].
///
/// This is Python's `asyncio.timeout_at`.
#[async_context_manager(crate = crate)]
pub async fn timeout_at(deadline: Instant) -> Result<(), Elapsed> {
    let elapsed = pin!(tokio::time::timeout_at(deadline, pending::<Infallible>()));
    let ended = race(pin!(async { r#yield!() }), elapsed).await;
    match ended {
        Ok(_outcome) => Ok(()),
        Err(Err(elapsed)) => Err(elapsed),
    }
}

/// Limits the time of the block to `limit`, and continues without its value when the time is over.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::{move_on_after, with};
/// # async fn ask() -> u32 { std::future::pending().await }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let answer = with!(move_on_after(Duration::from_secs(5)) => { ask().await });
/// assert_eq!(answer.unwrap_or(42), 42);
/// # }
/// ```
///
/// `with!` evaluates to an `Option`, which is `None` if the time was over. In all other respects this behaves like
/// [`timeout`].
///
/// # Panics
///
/// See [`timeout`].
///
/// # Cancel safety
///
/// See [`timeout`].
///
/// This is `trio.move_on_after`.
#[async_context_manager(crate = crate, suppress)]
pub async fn move_on_after(limit: Duration) {
    let _stopped = race(pin!(async { r#yield!() }), pin!(sleep(limit))).await;
}
