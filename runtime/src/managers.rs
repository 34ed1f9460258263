//! Ready-made managers: those of Python's `contextlib`, and with the feature `tokio` those of `asyncio`.

mod closing;
mod null;
#[cfg(feature = "tokio")]
mod race;
mod suppress;
#[cfg(feature = "tokio")]
mod task_group;
#[cfg(feature = "tokio")]
mod time;

pub use closing::{Closing, closing};
pub use null::nullcontext;
pub use suppress::suppress;
#[cfg(feature = "tokio")]
pub use task_group::{Task, TaskGroup, TaskGroupError, task_group};
#[cfg(feature = "tokio")]
pub use time::{move_on_after, timeout, timeout_at};
