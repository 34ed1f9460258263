//! `nullcontext`: a manager that does nothing.

use crate::async_context_manager;

/// Lends `value`, and does nothing else: for where a manager is asked for and there is nothing to be managed.
///
/// ```
/// use async_context_manager::{nullcontext, with};
///
/// # async fn example() {
/// let length = with!(nullcontext(vec![1, 2]) as mut numbers => {
///     numbers.push(3);
///     numbers.len()
/// });
/// assert_eq!(length, 3);
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example());
/// ```
///
/// The block gets the value itself, and may keep it.
///
/// It is Python's `contextlib.nullcontext`.
#[async_context_manager(crate = crate)]
pub async fn nullcontext<T>(value: T) -> T {
    r#yield!(value);
}
