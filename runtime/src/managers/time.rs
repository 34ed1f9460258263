//! Time limits: managers that drop their block at a deadline.

use core::convert::Infallible;
use core::future::pending;
use core::pin::pin;
use core::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep};

use super::race::race;
use crate::async_context_manager;

/// Gives the block that much time, and then fails with [`Elapsed`].
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
/// The time begins when the `with!` enters. When it is over, the block is dropped there and then: managers in it see
/// [`Outcome::Cancelled`](crate::Outcome::Cancelled), those around it a block that failed. The block is polled once in
/// any case. When it could go on and its time is over, it is dropped; of two limits that end at the same time, the
/// outer one wins. `Duration::MAX` is no limit.
///
/// So a limit best stands *in* the block of what is to be cleaned up: that sees a failure, and its exit phase is
/// awaited.
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
/// [`Elapsed`], when the block did not end in time. An error of the block is its own.
///
/// # Panics
///
/// As the block does; and outside a tokio runtime, or in one without time.
///
/// # Cancel safety
///
/// There is nothing to be done when the future around the `with!` is dropped.
///
/// It is Python's `asyncio.timeout`.
#[async_context_manager(crate = crate)]
pub async fn timeout(limit: Duration) -> Result<(), Elapsed> {
    // It is tokio that makes an `Elapsed`.
    let elapsed = pin!(tokio::time::timeout(limit, pending::<Infallible>()));
    let ended = race(pin!(async { r#yield!() }), elapsed).await;
    match ended {
        Ok(_outcome) => Ok(()),
        Err(Err(elapsed)) => Err(elapsed),
    }
}

/// Gives the block until `deadline`, and then fails with [`Elapsed`]: [`timeout`] with an absolute time.
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
/// [`Elapsed`], when the block did not end in time.
///
/// # Panics
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// As [`timeout`].
///
/// It is Python's `asyncio.timeout_at`.
#[async_context_manager(crate = crate)]
pub async fn timeout_at(deadline: Instant) -> Result<(), Elapsed> {
    let elapsed = pin!(tokio::time::timeout_at(deadline, pending::<Infallible>()));
    let ended = race(pin!(async { r#yield!() }), elapsed).await;
    match ended {
        Ok(_outcome) => Ok(()),
        Err(Err(elapsed)) => Err(elapsed),
    }
}

/// Gives the block that much time, and then goes on without it.
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
/// `with!` is an `Option`: `None` when the time was over. All else is as with [`timeout`].
///
/// # Panics
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// As [`timeout`].
///
/// It is `trio.move_on_after`.
#[async_context_manager(crate = crate, suppress)]
pub async fn move_on_after(limit: Duration) {
    let _stopped = race(pin!(async { r#yield!() }), pin!(sleep(limit))).await;
}
