//! `nullcontext`: a manager that does nothing.

use crate::async_context_manager;

/// Lends `value` and does nothing else, for an API that expects a manager although no cleanup is needed.
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
/// The block receives the value itself, and may keep it.
///
/// Python uses it for `connection(url) if url else nullcontext()`. In Rust the branches of an `if` have one type, and
/// two managers have two types. Two managers that lend the same type and end in the same way have one type once they are
/// [boxed](crate::BoxManager). To enter a manager or none, use an exit stack:
///
/// ```
/// use async_context_manager::{AsyncExitStack, async_context_manager, with};
/// # #[async_context_manager]
/// # async fn connection(url: &str) -> Result<usize, String> { r#yield!(url.len()); Ok(()) }
///
/// async fn load(url: Option<&str>) -> Result<usize, String> {
///     with!(AsyncExitStack::new() as stack => {
///         match url {
///             Some(url) => stack.enter(connection(url)).await?,
///             None => 0,
///         }
///     })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// #     assert_eq!(load(Some("db://")).await, Ok(5));
/// #     assert_eq!(load(None).await, Ok(0));
/// # }
/// ```
///
/// This is Python's `contextlib.nullcontext`.
#[async_context_manager(crate = crate)]
pub async fn nullcontext<T>(value: T) -> T {
    r#yield!(value);
}
