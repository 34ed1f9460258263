//! What a manager learns at its yield point: how the block ended.

/// How the block of a `with!` ended, as the manager sees it: the value of `yield!`.
///
/// It may be ignored: what ended the block goes on after the exit phase either way. An error passes the manager by, so
/// `E` is `()`; only with the option `catch` (or with [`Catch`](crate::Catch)) the manager has it, and gives it back or
/// not.
///
/// ```
/// use async_context_manager::{Outcome, async_context_manager};
///
/// #[async_context_manager]
/// async fn transaction(log: &mut Vec<&'static str>) {
///     log.push("begin");
///     match r#yield!() {
///         Outcome::Completed => log.push("commit"),
///         Outcome::Failed(()) | Outcome::Panicked | Outcome::Cancelled => log.push("roll back"),
///     }
/// }
/// ```
///
/// It answers what Python's `__aexit__` is told in its three arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<E = ()> {
    /// The block reached its end, or was left by `break`, `continue`, or a `return` of anything but an `Err`.
    Completed,
    /// The value of the block was an `Err`, or an `Err` left it by `?` or `return`.
    Failed(E),
    /// The block panicked. The panic goes on after the exit phase.
    Panicked,
    /// The future around the `with!` was dropped, and so was the block. The exit phase is run up to its first `.await`
    /// that is not ready at once; what comes after that is dropped.
    Cancelled,
}

impl<E> Outcome<E> {
    /// Whether the block came to a regular end.
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self, Self::Completed)
    }

    /// Whether the block ended in an `Err`.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Whether the block panicked.
    #[must_use]
    pub const fn is_panicked(&self) -> bool {
        matches!(self, Self::Panicked)
    }

    /// Whether the block was dropped before its end, because the future around it was.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// The same, without the error.
    pub(crate) const fn kind(&self) -> Outcome {
        match self {
            Self::Completed => Outcome::Completed,
            Self::Failed(_) => Outcome::Failed(()),
            Self::Panicked => Outcome::Panicked,
            Self::Cancelled => Outcome::Cancelled,
        }
    }

    /// The error of a failed block, to be passed on with `?`.
    ///
    /// # Errors
    ///
    /// `Err` for [`Failed`](Self::Failed) only: a panic goes on by itself, and after a cancellation nobody waits for a
    /// result.
    pub fn into_result(self) -> Result<(), E> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Completed | Self::Panicked | Self::Cancelled => Ok(()),
        }
    }
}
