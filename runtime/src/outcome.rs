//! `Outcome`: how the block ended, as the manager sees it.

/// How the block of a `with!` ended, as the manager sees it: the value of `yield!`.
///
/// A manager may ignore it: after the exit phase, the value, the error, the panic or the `return` of the block proceeds
/// in any case. An error normally bypasses the manager, so `E` is `()`. With the option `catch` (or with
/// [`Catch`](crate::Catch)), the manager receives the error and decides whether to return it.
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
/// It corresponds to the three arguments of Python's `__aexit__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<E = ()> {
    /// The block reached its end, or left by `break`, `continue`, or a `return` of anything but an `Err`.
    Completed,
    /// The value of the block was an `Err`, or an `Err` left it by `?` or `return`.
    Failed(E),
    /// The block panicked. The panic resumes after the exit phase.
    Panicked,
    /// The future around the `with!` was dropped, and the block with it. The exit phase runs up to its first `.await`
    /// that is not ready immediately, and the rest of it is dropped. The exit phase of a shielded manager runs to its
    /// end.
    Cancelled,
}

impl<E> Outcome<E> {
    /// Returns whether the block completed: it did not fail, panic, or get dropped.
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

    /// Returns whether the block ended in an `Err`.
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

    /// Returns whether the block panicked.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # async fn give_back(_conn: u32) {}
    /// #[async_context_manager]
    /// async fn connection(conn: u32) -> u32 {
    ///     let outcome = r#yield!(conn);
    ///     if !outcome.is_panicked() {
    ///         give_back(conn).await; // a panic may have left it in any state
    ///     }
    /// }
    /// ```
    #[must_use]
    pub const fn is_panicked(&self) -> bool {
        matches!(self, Self::Panicked)
    }

    /// Returns whether the block was dropped before its end, because the future around it was dropped.
    ///
    /// No caller awaits the exit phase in this case. Cleanup that must be awaited nevertheless can be spawned as a
    /// task:
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

    /// Returns the error of a failed block, for use with `?`.
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
    /// Returns `Err` only for [`Failed`](Self::Failed). A panic resumes by itself, and no caller receives a result
    /// after a cancellation.
    pub fn into_result(self) -> Result<(), E> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Completed | Self::Panicked | Self::Cancelled => Ok(()),
        }
    }
}
