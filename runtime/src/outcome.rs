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
    /// that is not ready at once, and what comes after that is dropped; that of a shielded manager is run to its end.
    Cancelled,
}

impl<E> Outcome<E> {
    /// Whether the block came to a regular end.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # struct Conn;
    /// # impl Conn { async fn execute(&mut self, _sql: &str) {} }
    /// #[async_context_manager]
    /// async fn transaction(conn: &mut Conn) -> &mut Conn {
    ///     conn.execute("BEGIN").await;
    ///     let outcome = r#yield!(&mut *conn);
    ///     conn.execute(if outcome.is_completed() { "COMMIT" } else { "ROLLBACK" }).await;
    /// }
    /// ```
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self, Self::Completed)
    }

    /// Whether the block ended in an `Err`.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// #[async_context_manager]
    /// async fn counted(failures: &mut u32) {
    ///     if r#yield!().is_failed() {
    ///         *failures += 1;
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let mut failures = 0;
    /// # let failed = async_context_manager::with!(counted(&mut failures) => Err::<(), _>("error"));
    /// # assert_eq!((failed, failures), (Err("error"), 1));
    /// # }
    /// ```
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Whether the block panicked.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # async fn give_back(_conn: u32) {}
    /// #[async_context_manager]
    /// async fn connection(conn: u32) -> u32 {
    ///     let outcome = r#yield!(conn);
    ///     if !outcome.is_panicked() {
    ///         give_back(conn).await; // who knows in what state a panic has left it
    ///     }
    /// }
    /// ```
    #[must_use]
    pub const fn is_panicked(&self) -> bool {
        matches!(self, Self::Panicked)
    }

    /// Whether the block was dropped before its end, because the future around it was.
    ///
    /// Nobody waits for the exit phase then. What is to be awaited all the same can be handed to a task:
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # struct Conn;
    /// # impl Conn { async fn close(self) {} }
    /// #[async_context_manager]
    /// async fn connection() -> &mut Conn {
    ///     let mut conn = Conn;
    ///     let outcome = r#yield!(&mut conn);
    ///     if outcome.is_cancelled() {
    ///         tokio::spawn(conn.close());
    ///     } else {
    ///         conn.close().await;
    ///     }
    /// }
    /// ```
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// The error of a failed block, to be passed on with `?`.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # async fn clean_up() {}
    /// #[async_context_manager(catch)]
    /// async fn cleaned() -> Result<(), String> {
    ///     let outcome = r#yield!();
    ///     clean_up().await;
    ///     outcome.into_result()
    /// }
    /// ```
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
