//! Context managers that are types with an `enter` and an `exit` method.

use core::future::Future;
use core::marker::PhantomData;

use crate::exit::Exit;
use crate::frame::BodyToken;
use crate::lend::{Contract, Lends};
use crate::manager::{IntoManager, Manager, OutputOf};
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::raw::body::TypeName;
use crate::raw::{Body, SameContract, lend_from_type};
use crate::scope_output::{CatchesOutput, ScopeOutput};
use crate::value::{Entered, ScopeValue};

/// A context manager that is a type of your own, like a Python class with `__aenter__` and `__aexit__`.
///
/// [`with!`](crate::with) accepts a value of such a type in the same manner as a [`Manager`]. If the two phases share
/// nothing but locals, [`async_context_manager`](crate::async_context_manager) is shorter.
///
/// Both methods are written as plain `async fn`s:
///
/// ```
/// use async_context_manager::{AsyncContextManager, Outcome, with};
/// # struct DbError;
/// # struct Conn(u32);
/// # impl Conn {
/// #     async fn open(_url: &str) -> Result<Conn, DbError> { Ok(Conn(0)) }
/// #     async fn close(self) -> Result<(), DbError> { Ok(()) }
/// #     async fn rollback(&mut self) -> Result<(), DbError> { Ok(()) }
/// # }
///
/// struct Connection {
///     url: String,
///     open: Option<Conn>,
/// }
///
/// impl AsyncContextManager for Connection {
///     type Value<'v> = &'v mut Conn;
///     type Exit = Result<(), DbError>;
///
///     async fn enter(&mut self) -> Result<&mut Conn, DbError> {
///         Ok(self.open.insert(Conn::open(&self.url).await?))
///     }
///
///     async fn exit(&mut self, outcome: Outcome) -> Result<(), DbError> {
///         let Some(mut conn) = self.open.take() else { return Ok(()) };
///         if !outcome.is_completed() {
///             conn.rollback().await?;
///         }
///         conn.close().await
///     }
/// }
///
/// # async fn example() -> Result<(), DbError> {
/// let connection = Connection { url: "db://".into(), open: None };
/// with!(connection as conn => { conn.0 += 1; })?;
/// # Ok(())
/// # }
/// ```
///
/// `&mut M` is a context manager when `M` is. Use it for a manager that is entered more than once.
///
/// A [`Manager`] does not implement this trait, and `dyn AsyncContextManager` is not possible. For managers whose
/// number or types are only known at run time, use an exit stack. If the type borrows (`Lease<'p>`), the compiler asks
/// for `type Value<'v> = ... where Self: 'v;`.
///
/// The future of the `with!` is `Send` when everything in it is, as for any manager. The one exception is a function
/// that is generic over the manager, `async fn f<M: AsyncContextManager>(manager: M)`: there the compiler cannot prove
/// it for a manager that borrows a local of the same task.
///
/// # Cancel safety
///
/// The same as for [`async_context_manager`](crate::async_context_manager). If the future around the `with!` is dropped
/// while `enter` or `exit` is suspended, that call is dropped at its current `.await`. If the future is dropped while
/// the block runs, `exit` is polled once, with [`Outcome::Cancelled`]. A type that owns all its data can be shielded
/// from cancellation: `connection.into_manager().shielded()`, see [`Manager::shielded`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async context manager",
    label = "expected a manager, or a type that implements `AsyncContextManager`",
    note = "if this is a function, call it; if it is a future that returns a manager, `.await` it; to make an `async fn` \
            a manager, put `#[async_context_manager]` on it",
    note = "if this is an `Option` or a `Result` of a manager, unwrap it first, for example with `?`",
    note = "if this is a guard, such as a `MutexGuard`, it needs no `with!`: bind it in a block, `let guard = ...;`",
    note = "if this needs no cleanup, write `nullcontext(value)`",
    note = "if this is a `Box` of a manager, write `manager.boxed()` instead",
    note = "a `Manager` does not implement this trait: a function that takes any manager names it as \
            `impl AnyManager<lent::Owned<T>, Exit = X>`, or with `lent::Ref<T>` or `lent::Mut<T>`"
)]
pub trait AsyncContextManager {
    /// The type of the lent value, which the block receives. It may borrow from the manager.
    type Value<'v>
    where
        Self: 'v;

    /// The exit type of the manager: `()`, `Result<(), E>`, or one of these with [`Catch`](crate::Catch) or
    /// [`Suppress`](crate::Suppress).
    type Exit: Exit;

    /// Enters the manager and returns the value for the block, `Self::Value<'_>`, in a `Result` if [`Exit`](Self::Exit)
    /// can fail.
    ///
    /// Implement it as an `async fn` with that return type. The value may borrow from `self`:
    ///
    /// ```
    /// # use async_context_manager::{AsyncContextManager, Outcome, with};
    /// struct Session {
    ///     open: bool,
    /// }
    ///
    /// impl AsyncContextManager for Session {
    ///     type Value<'v> = &'v Self;
    ///     type Exit = ();
    ///
    ///     async fn enter(&mut self) -> &Self {
    ///         self.open = true;
    ///         self
    ///     }
    ///
    ///     async fn exit(&mut self, _outcome: Outcome) {
    ///         self.open = false;
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// with!(Session { open: false } as session => assert!(session.open));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if entering fails. The `with!` then fails with this error, and neither the block nor
    /// [`exit`](Self::exit) runs.
    fn enter(&mut self) -> impl Future<Output = Entered<Self::Exit, Self::Value<'_>>>;

    /// Leaves the manager. `outcome` says how the block ended.
    ///
    /// [`enter`](Self::enter) and this method may be called by hand, for example in a test of the manager, or by a struct
    /// that has methods `connect` and `close`:
    ///
    /// ```
    /// # use async_context_manager::{AsyncContextManager, Outcome};
    /// # #[derive(Default)]
    /// # struct Counted { failures: u32 }
    /// # impl AsyncContextManager for Counted {
    /// #     type Value<'v> = ();
    /// #     type Exit = ();
    /// #     async fn enter(&mut self) {}
    /// #     async fn exit(&mut self, outcome: Outcome) { self.failures += u32::from(outcome.is_failed()); }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut counted = Counted::default();
    /// counted.enter().await;
    /// counted.exit(Outcome::Failed(())).await;
    /// assert_eq!(counted.failures, 1);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if leaving fails. The error replaces the value or the error of the block, but not a panic.
    fn exit(
        &mut self,
        outcome: Outcome<<Self::Exit as Exit>::Caught>,
    ) -> impl Future<Output = <Self::Exit as Exit>::Output>;

    /// Converts this value into a [`Manager`], for functions that require one. For example,
    /// [`AsyncExitStack::enter`](crate::AsyncExitStack::enter) does.
    ///
    /// ```
    /// # use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome, with};
    /// # #[derive(Default)]
    /// # struct Session { requests: u32 }
    /// # impl AsyncContextManager for Session {
    /// #     type Value<'v> = &'v mut u32;
    /// #     type Exit = Result<(), String>;
    /// #     async fn enter(&mut self) -> Result<&mut u32, String> { Ok(&mut self.requests) }
    /// #     async fn exit(&mut self, _outcome: Outcome) -> Result<(), String> { Ok(()) }
    /// # }
    /// async fn two_requests() -> Result<u32, String> {
    ///     with!(AsyncExitStack::new() as stack => {
    ///         let requests = stack.enter(Session::default().into_manager()).await?;
    ///         *requests += 2;
    ///         *requests
    ///     })
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { assert_eq!(two_requests().await, Ok(2)); }
    /// ```
    fn into_manager(
        self,
    ) -> Manager<impl Body<Future = impl Future<Output = <Self::Exit as Exit>::Output>>, TypeContract<Self>>
    where
        Self: Sized,
    {
        manager(self)
    }

    /// Enters the manager, runs `block`, and leaves the manager: see [`Manager::scope`]. The manager must not borrow.
    ///
    /// ```
    /// # use async_context_manager::{AsyncContextManager, Outcome};
    /// # #[derive(Default)]
    /// # struct Session { requests: u32 }
    /// # impl AsyncContextManager for Session {
    /// #     type Value<'v> = &'v mut u32;
    /// #     type Exit = ();
    /// #     async fn enter(&mut self) -> &mut u32 { &mut self.requests }
    /// #     async fn exit(&mut self, _outcome: Outcome) {}
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let requests = Session::default()
    ///     .scope(async |requests| {
    ///         *requests += 1;
    ///         *requests
    ///     })
    ///     .await;
    /// assert_eq!(requests, 1);
    /// # }
    /// ```
    fn scope<B, T>(self, block: B) -> impl Future<Output = ScopeValue<Self::Exit, T>>
    where
        Self: Sized,
        TypeContract<Self>: for<'v, 'w> Lends<'v, 'w, Exit = Self::Exit>,
        B: for<'v, 'w> AsyncFnOnce(<TypeContract<Self> as Lends<'v, 'w>>::Value) -> T,
        T: ScopeOutput,
        Self::Exit: CatchesOutput<T>,
    {
        self.into_manager().scope(block)
    }
}

/// The contract of a manager of the type `M`.
pub struct TypeContract<M>(PhantomData<fn(M) -> M>);

impl<M: AsyncContextManager> Contract for TypeContract<M> {
    type Exit = M::Exit;
}

impl<'v, M: AsyncContextManager + 'v> Lends<'v, '_> for TypeContract<M> {
    type Value = M::Value<'v>;
}

impl<M: AsyncContextManager> IntoManager for M {
    type Contract = TypeContract<M>;

    fn into_manager(
        self,
    ) -> Manager<impl Body<Future = impl Future<Output = OutputOf<TypeContract<M>>>>, TypeContract<M>> {
        AsyncContextManager::into_manager(self)
    }
}

/// Makes the manager that a manager function would return.
fn manager<M: AsyncContextManager>(
    mut manager: M,
) -> Manager<impl Body<Future = impl Future<Output = OutputOf<TypeContract<M>>>>, TypeContract<M>> {
    let contract = SameContract::<TypeContract<M>>::new();
    Manager::new(contract, TypeName::<M, _>::new(), move |frame| async move {
        let this = BodyToken::new();
        let block = match <OutputOf<TypeContract<M>>>::result(manager.enter().await) {
            // The value is lent at once. If it were held across an `.await`, the compiler could not prove that the
            // future of a manager that borrows is `Send`.
            Ok(value) => lend_from_type::<_, M, _>(contract.point(&frame, &this), value),
            Err(error) => return <OutputOf<TypeContract<M>>>::failed(error),
        };
        let outcome = block.await;
        manager.exit(outcome).await
    })
}

/// Allows a manager to be entered more than once.
impl<M: AsyncContextManager> AsyncContextManager for &mut M {
    type Value<'v>
        = M::Value<'v>
    where
        Self: 'v;
    type Exit = M::Exit;

    fn enter(&mut self) -> impl Future<Output = Entered<M::Exit, M::Value<'_>>> {
        (**self).enter()
    }

    fn exit(&mut self, outcome: Outcome<<M::Exit as Exit>::Caught>) -> impl Future<Output = OutputOf<TypeContract<M>>> {
        (**self).exit(outcome)
    }
}
