//! Ready-made managers: those of Python's `contextlib`, and with the feature `tokio` those of `asyncio`.

#[cfg(feature = "std")]
mod cancel_scope;
mod closing;
#[cfg(feature = "std")]
mod graceful;
mod null;
#[cfg(feature = "std")]
mod race;
#[cfg(feature = "std")]
mod signal;
#[cfg(feature = "std")]
mod stopper;
mod suppress;
#[cfg(feature = "tokio")]
mod task_group;
#[cfg(feature = "tokio")]
mod time;
#[cfg(feature = "std")]
mod until;

#[cfg(feature = "std")]
pub use cancel_scope::{CancelScope, cancel_scope};
pub use closing::{closing, defer};
#[cfg(feature = "tokio")]
pub use graceful::GracefulTask;
#[cfg(feature = "std")]
pub use graceful::{Graceful, graceful};
pub use null::nullcontext;
pub use suppress::suppress;
#[cfg(feature = "tokio")]
pub use task_group::{Task, TaskGroup, TaskGroupError, task_group};
#[cfg(feature = "tokio")]
pub use time::{move_on_after, move_on_at, timeout, timeout_at};
#[cfg(feature = "std")]
pub use until::{cut_short, stop_when, unstopped, until};
