//! `suppress`: ends the block for errors of a kind.

use crate::async_context_manager;

/// Ends the block without a value when it fails with an error for which `predicate` holds; other errors go on.
///
/// ```
/// use std::io::{self, ErrorKind};
///
/// use async_context_manager::{suppress, with};
/// # async fn remove(_path: &str) -> io::Result<u64> { Err(ErrorKind::NotFound.into()) }
///
/// async fn tidy(path: &str) -> io::Result<u64> {
///     let freed = with!(suppress(|error: &io::Error| error.kind() == ErrorKind::NotFound) => {
///         remove(path).await?
///     })?;
///     Ok(freed.unwrap_or(0))
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert_eq!(tidy("x").await.unwrap(), 0);
/// # });
/// ```
///
/// `with!` is a `Result<Option<T>, E>`: `Ok(None)` for a suppressed error. The error may be the value of the block or
/// leave it by `?` or `return`. It is of the type `E` then: the function around the block has said what `?` converts
/// into. So in a function that fails with an error of your own, the predicate is about that:
/// `suppress(|error: &AppError| matches!(error, AppError::NotFound))`.
///
/// # Errors
///
/// The error of the block, when `predicate` does not hold for it.
///
/// # Panics
///
/// As the block and `predicate` do. A panic of the block is not suppressed.
///
/// # Cancel safety
///
/// There is nothing to be done when the future around the `with!` is dropped.
///
/// It is Python's `contextlib.suppress`.
#[async_context_manager(crate = crate, catch, suppress)]
pub async fn suppress<E, P: FnOnce(&E) -> bool>(predicate: P) -> Result<(), E> {
    r#yield!().into_result().or_else(|error| if predicate(&error) { Ok(()) } else { Err(error) })
}
