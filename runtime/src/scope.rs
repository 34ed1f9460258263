//! `Manager::scope`: `with!` as a method, without a macro.

use core::future::Future;

use crate::lend::Lends;
use crate::manager::{Manager, OutputOf};
use crate::raw::{Body, scope};
use crate::scope_output::{CatchesOutput, ScopeOutput};
use crate::value::ScopeValue;

impl<M, L> Manager<M, L>
where
    M: Body<Future: Future<Output = OutputOf<L>>>,
    L: for<'a, 'b> Lends<'a, 'b>,
{
    /// Enters the manager, runs `block` with the lent value, and leaves the manager: [`with!`](crate::with) without the
    /// macro.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # #[async_context_manager]
    /// # async fn connection() -> &mut Vec<u8> { let mut bytes = Vec::new(); r#yield!(&mut bytes); }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let length = connection()
    ///     .scope(async |conn| {
    ///         conn.push(1);
    ///         conn.len()
    ///     })
    ///     .await;
    /// assert_eq!(length, 1);
    /// # }
    /// ```
    ///
    /// The future can be spawned as a task of tokio. If both the manager and the block can fail, each adds a `?`:
    ///
    /// ```
    /// # use std::io;
    /// # use async_context_manager::async_context_manager;
    /// # struct Conn;
    /// # impl Conn { async fn execute(&mut self, _sql: &str) -> io::Result<u64> { Ok(1) } }
    /// # #[async_context_manager]
    /// # async fn connection(_url: &str) -> io::Result<&mut Conn> { let mut conn = Conn; r#yield!(&mut conn); Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = String::from("db://");
    /// let task = tokio::spawn(async move { connection(&url).scope(async |conn| conn.execute("SELECT 1").await).await });
    /// let rows = task.await???; // errors of the task, of the connection, of the block
    /// assert_eq!(rows, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The value and the guarantees are the same as those of `with!`. The block is a closure: a `return` or `?` in it
    /// leaves the closure and not the function around it. An `Err` that the closure returns is the failure that the
    /// manager sees. The output of the closure must be a [`ScopeOutput`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the manager. An `Err` of the block is in the value, unless the manager catches it.
    ///
    /// # Panics
    ///
    /// Panics if the block or the manager does.
    ///
    /// # Cancel safety
    ///
    /// Same as `with!`: see [`async_context_manager`](crate::async_context_manager).
    pub fn scope<B, T>(self, block: B) -> impl Future<Output = ScopeValue<L::Exit, T>>
    where
        B: for<'a, 'b> AsyncFnOnce(<L as Lends<'a, 'b>>::Value) -> T,
        T: ScopeOutput,
        L::Exit: CatchesOutput<T>,
    {
        scope(self, block)
    }
}
