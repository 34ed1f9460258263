//! Time limits: managers that stop their block at a deadline.

use core::convert::Infallible;
use core::future::pending;
use core::pin::pin;
use core::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until};

use super::race::{Always, race};
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
/// The time starts when the `with!` is entered. When it is over, the block is stopped: managers in the block see
/// [`Outcome::Cancelled`](crate::Outcome::Cancelled), innermost first, and their exit phases are awaited. The `with!` ends
/// after the last one. Managers around it see a block that failed. The block is polled once in any case. If the block
/// could continue when its time is over, it does not. Of two limits that end at the same time, the outer one wins.
/// `Duration::MAX` means no limit.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::{async_context_manager, timeout, with};
/// use tokio::time::sleep;
///
/// #[async_context_manager]
/// async fn session() -> &mut Vec<&'static str> {
///     let mut log = vec!["opened"];
///     r#yield!(&mut log);
///     sleep(Duration::from_secs(1)).await; // says goodbye
///     log.push("closed");
///     println!("{log:?}");
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let late = with!(timeout(Duration::from_secs(5)) => {
///     with!(session() as log => {
///         log.push("waits");
///         std::future::pending::<()>().await;
///     })
/// });
/// assert!(late.is_err()); // after six seconds, and after the session was closed
/// # }
/// ```
///
/// An exit phase is not limited by it. A future that hides what is in it keeps the stop out, for example
/// `FuturesUnordered`; it is dropped. See [`graceful`](crate::graceful()).
///
/// # Errors
///
/// Returns [`Elapsed`] if the block was stopped. An error of the block stays in the block's own value, and so does the
/// error of an exit phase that leaves the block because of the stop.
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
    __this_manager.keep_marker();
    // Only tokio can create an `Elapsed`.
    let elapsed = pin!(tokio::time::timeout(limit, pending::<Infallible>()));
    match race(pin!(async { r#yield!() }), elapsed, Always).await {
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
/// use tokio::time::{Instant, sleep, sleep_until};
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
    __this_manager.keep_marker();
    let elapsed = pin!(tokio::time::timeout_at(deadline, pending::<Infallible>()));
    match race(pin!(async { r#yield!() }), elapsed, Always).await {
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
    __this_manager.keep_marker();
    let _stopped = race(pin!(async { r#yield!() }), pin!(sleep(limit)), Always).await;
}

/// Limits the time of the block to `deadline`, and continues without its value when it has passed: [`move_on_after`]
/// with an absolute time.
///
/// ```
/// use async_context_manager::{move_on_at, with};
/// use tokio::time::{Duration, Instant};
/// # async fn ask() -> u32 { std::future::pending().await }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let deadline = Instant::now() + Duration::from_secs(5);
/// let answer = with!(move_on_at(deadline) => { ask().await });
/// assert_eq!(answer, None);
/// # }
/// ```
///
/// # Panics
///
/// See [`timeout`].
///
/// # Cancel safety
///
/// See [`timeout`].
///
/// This is `trio.move_on_at`.
#[async_context_manager(crate = crate, suppress)]
pub async fn move_on_at(deadline: Instant) {
    __this_manager.keep_marker();
    let _stopped = race(pin!(async { r#yield!() }), pin!(sleep_until(deadline)), Always).await;
}
