//! `TaskGroupError`: the errors of a task group.

use std::error::Error;
use std::fmt;
use std::vec::Vec;

use crate::show::show_static;

/// The error of a [`task_group`](crate::task_group): the error of the task that failed first, and those of other tasks
/// that failed before they could be aborted.
///
/// It implements [`Error`] if `E` does, and the first error is its source, so `?` converts it into `Box<dyn Error>` and
/// similar types. Your own error type decides what happens to the other errors:
///
/// ```
/// use async_context_manager::{TaskGroupError, task_group, with};
///
/// #[derive(Debug, PartialEq)]
/// enum AppError {
///     NoAnswer,
/// }
///
/// impl From<TaskGroupError<AppError>> for AppError {
///     fn from(error: TaskGroupError<AppError>) -> Self {
///         error.into_first()
///     }
/// }
///
/// # async fn ask() -> Result<u32, AppError> { Err(AppError::NoAnswer) }
/// async fn ask_twice() -> Result<u32, AppError> {
///     let sum = with!(task_group() as group => {
///         let (one, two) = (group.spawn(ask()), group.spawn(ask()));
///         one.await + two.await
///     })?;
///     Ok(sum)
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert_eq!(ask_twice().await, Err(AppError::NoAnswer));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskGroupError<E> {
    first: E,
    others: Vec<E>,
}

impl<E> TaskGroupError<E> {
    /// Creates it from errors in the order in which they occurred. `None` if `errors` is empty.
    pub(super) fn new(errors: Vec<E>) -> Option<Self> {
        let mut errors = errors.into_iter();
        Some(Self { first: errors.next()?, others: errors.collect() })
    }

    /// Returns the error that stopped the group.
    ///
    /// ```
    /// # use async_context_manager::{task_group, with};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let result = with!(task_group() as group => {
    ///     group.spawn(async { Err::<(), _>("first") });
    ///     group.spawn(async { Err::<(), _>("second") }); // at the same time
    /// });
    /// let error = result.unwrap_err();
    /// assert_eq!(error.first(), &"first");
    /// assert_eq!(error.others(), ["second"]);
    /// assert_eq!(error.into_errors(), ["first", "second"]);
    /// # }
    /// ```
    #[must_use]
    pub const fn first(&self) -> &E {
        &self.first
    }

    /// Returns the errors that occurred while the group was being stopped, in this order: see [`first`](Self::first).
    #[must_use]
    pub fn others(&self) -> &[E] {
        &self.others
    }

    /// Returns the error that stopped the group and drops the others, for callers that need only one error.
    ///
    /// ```
    /// # use async_context_manager::{TaskGroupError, task_group, with};
    /// # async fn fetch() -> Result<u32, String> { Err("no answer".to_string()) }
    /// async fn fetch_two() -> Result<u32, String> {
    ///     with!(task_group() as group => {
    ///         let (one, two) = (group.spawn(fetch()), group.spawn(fetch()));
    ///         one.await + two.await
    ///     })
    ///     .map_err(TaskGroupError::into_first)
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { assert_eq!(fetch_two().await, Err("no answer".to_string())); }
    /// ```
    #[must_use]
    pub fn into_first(self) -> E {
        self.first
    }

    /// Returns all errors, the first one first: see [`first`](Self::first).
    #[must_use]
    pub fn into_errors(mut self) -> Vec<E> {
        self.others.insert(0, self.first);
        self.others
    }
}

impl<E: 'static> TaskGroupError<E> {
    /// Formats the number of tasks that failed, and their errors.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: ")?;
        show_static(&self.first, f)?;
        self.others.iter().try_for_each(|error| {
            f.write_str(", ")?;
            show_static(error, f)
        })
    }
}

/// Shows the number of tasks that failed. The first error is the [`source`](Error::source).
impl<E> fmt::Display for TaskGroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.others.len() {
            0 => f.write_str("a task of the group failed"),
            others => write!(f, "{} tasks of the group failed", others + 1),
        }
    }
}

impl<E: Error + 'static> Error for TaskGroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.first)
    }
}
