//! `suppress`: suppresses the errors that match a predicate.

use crate::async_context_manager;

/// Ends the block without a value if it fails with an error for which `predicate` returns true. Other errors propagate.
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
/// `with!` evaluates to a `Result<Option<T>, E>`, which is `Ok(None)` for a suppressed error. The error may be the
/// value of the block, or leave the block by `?` or `return`. In the latter case its type is the error type of the
/// function around the block, because `?` has already converted it. In a function whose errors are of your own type,
/// the predicate therefore takes that type: `suppress(|error: &AppError| matches!(error, AppError::NotFound))`.
///
/// # Errors
///
/// Returns the error of the block if `predicate` returns false for it.
///
/// # Panics
///
/// Panics if the block or `predicate` panics. A panic of the block is not suppressed.
///
/// # Cancel safety
///
/// This manager has no cleanup, so nothing is lost when the future around the `with!` is dropped.
///
/// This is Python's `contextlib.suppress`.
#[async_context_manager(crate = crate, catch, suppress)]
pub async fn suppress<E, P: FnOnce(&E) -> bool>(predicate: P) -> Result<(), E> {
    r#yield!().into_result().or_else(|error| if predicate(&error) { Ok(()) } else { Err(error) })
}
