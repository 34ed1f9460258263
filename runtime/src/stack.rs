//! `AsyncExitStack`: managers whose number or types are only known at run time.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::pin;
use core::task::{Context, Waker};

use crate::async_context_manager;
use crate::exit::{Catch, Suppress};
use crate::frame::BodyToken;
use crate::lend::{Contract, FnContract, Lend1, Lends};
use crate::manager::{IntoManager, Manager, OutputOf};
use crate::named::Named;
use crate::outcome::Outcome;
use crate::raw::entry_signal::StackOutcome;
use crate::raw::stack_entry::{Entering, LentBy, Receiver, StackEntries};
use crate::raw::stored::{StackValue, Stored};
use crate::raw::{Body, SameContract, lend1};
use crate::stack_exit::{Accepts, CanSuppress, Enterable, LeavingError, StackExit, StackType};

/// A stack of managers that are entered one by one and left together, the last one first: Python's
/// `contextlib.AsyncExitStack`.
///
/// Use it for managers whose number or types are only known at run time.
///
/// ```
/// use async_context_manager::{AsyncExitStack, async_context_manager, with};
/// # #[derive(Debug)]
/// # struct DbError;
/// # struct Conn(String);
/// # impl Conn {
/// #     async fn open(url: &str) -> Result<Conn, DbError> { Ok(Conn(url.into())) }
/// #     async fn close(self) -> Result<(), DbError> { Ok(()) }
/// # }
///
/// #[async_context_manager]
/// async fn connection(url: &str) -> Result<&mut Conn, DbError> {
///     let mut conn = Conn::open(url).await?;
///     r#yield!(&mut conn);
///     conn.close().await
/// }
///
/// async fn copy(urls: &[String]) -> Result<usize, DbError> {
///     with!(AsyncExitStack::new() as stack => {
///         let mut open = Vec::new();
///         for url in urls {
///             open.push(stack.enter(connection(url)).await?); // if one cannot be opened, all others are closed
///         }
///         open.len()
///     })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(copy(&["db://a".into(), "db://b".into()]).await.unwrap(), 2);
/// # }
/// ```
///
/// `E` is the error type of the managers that can fail. A manager that cannot fail can be entered on any stack. A stack
/// that holds only such managers is an `AsyncExitStack::<Infallible>`. `'env` is the lifetime of the data that the
/// managers borrow. A stack is [`Send`] and [`Sync`], so it accepts only managers that are `Send`.
///
/// `X` is the exit type of the stack. A stack made by [`new`](AsyncExitStack::new) accepts no managers that suppress, and its
/// `with!` has the value `T`. One made by [`suppressing`](AsyncExitStack::suppressing) accepts all managers, and its `with!`
/// has the value `Option<T>`.
///
/// # Leaving
///
/// In a `with!`, the managers are left when the block ends. [`close`](Self::close) and [`exit`](Self::exit) leave them
/// at any time. Each manager sees the current outcome when its turn comes, as in nested `with!`s: this is the outcome of the block, or of
/// the closing, until one of the managers fails, panics or suppresses.
///
/// # Cancel safety
///
/// When a stack that holds managers is dropped, each manager is left as by the drop of a `with!` during its block: it
/// sees [`Outcome::Cancelled`] and is polled once, the last one first. The same happens when the `with!` of the stack
/// is dropped during its block. If it is dropped while the stack is being left, the manager that is leaving is dropped
/// where it waits, and the others follow as above. Shielded managers are rescued, one after the other. If the `with!`
/// of the stack encloses the `yield!` of a shielded manager, all of its managers are awaited.
pub struct AsyncExitStack<'env, E, X = Catch<E>> {
    entries: StackEntries<'env, E>,
    exit: PhantomData<fn() -> X>,
}

impl<'env, E: Send + 'env> AsyncExitStack<'env, E> {
    /// Creates an empty stack for managers that do not suppress.
    ///
    /// A stack without a `with!` can be kept for any time. Its managers are awaited only by [`close`](Self::close).
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use async_context_manager::{AsyncExitStack, async_context_manager};
    /// # #[async_context_manager]
    /// # async fn worker() { r#yield!(); }
    ///
    /// struct App {
    ///     workers: AsyncExitStack<'static, Infallible>,
    /// }
    ///
    /// impl App {
    ///     async fn start(&mut self) {
    ///         self.workers.enter(worker()).await;
    ///     }
    ///
    ///     async fn stop(mut self) {
    ///         let Ok(()) = self.workers.close().await;
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut app = App { workers: AsyncExitStack::new() };
    /// app.start().await;
    /// assert_eq!(app.workers.len(), 1);
    /// app.stop().await;
    /// # }
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: StackEntries::new(), exit: PhantomData }
    }
}

impl<'env, E: Send + 'env> AsyncExitStack<'env, E, Suppress<Catch<E>>> {
    /// Creates an empty stack for all managers. They may suppress an error, so the value of its `with!` is an `Option<T>`.
    ///
    /// ```
    /// use async_context_manager::{AsyncExitStack, suppress, with};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let parsed: Result<Option<u32>, std::num::ParseIntError> = async {
    ///     with!(AsyncExitStack::suppressing() as stack => {
    ///         stack.enter(suppress(|_: &_| true)).await?;
    ///         "five".parse()?
    ///     })
    /// }
    /// .await;
    /// assert_eq!(parsed, Ok(None));
    /// # }
    /// ```
    ///
    /// In a field, its type is `AsyncExitStack<'env, E, Suppress<Catch<E>>>`.
    #[must_use]
    pub const fn suppressing() -> Self {
        Self { entries: StackEntries::new(), exit: PhantomData }
    }
}

impl<'env, E: Send + 'env, X: StackType<E>> AsyncExitStack<'env, E, X> {
    /// Returns the number of managers, exits and callbacks that have not been left.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the stack is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enters a manager and returns the value that it lends: Python's `enter_async_context`.
    ///
    /// The manager is left when the stack is left.
    ///
    /// The future returns a `V`, or a `Result<V, E>` for a manager that can fail. `V` may be a `&T` or `&mut T` into
    /// the manager's own data, or a tuple of two or three of these. It is valid until the stack is borrowed as `&mut`, as by
    /// closing. A manager that is entered later cannot borrow it, because the stack would borrow itself: enter one manager
    /// function with both in its `with!`.
    ///
    /// A type that implements [`AsyncContextManager`](crate::AsyncContextManager) is entered by calling its
    /// [`into_manager`](crate::AsyncContextManager::into_manager), and must not borrow. To enter one that borrows,
    /// enter it in a manager function. A manager that races its block has no effect while the stack is open: a timeout
    /// fires when the stack is left.
    ///
    /// ```
    /// # use async_context_manager::{AsyncExitStack, async_context_manager};
    /// # #[async_context_manager]
    /// # async fn numbers() -> &mut Vec<u32> { let mut numbers = vec![1]; r#yield!(&mut numbers); }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut stack = AsyncExitStack::<std::io::Error>::new();
    /// let a = stack.enter(numbers()).await;
    /// let b = stack.enter(numbers()).await;
    /// a.append(b);
    /// stack.close().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of the enter phase. The manager is not on the stack then.
    ///
    /// # Panics
    ///
    /// Panics if the manager panics when it is entered, and if it drops its block before it is entered, by racing it, and
    /// succeeds. Also panics if it lends a reference and its `yield!`, or that of a manager function around it, is in an
    /// `async` block or in another macro. The managers of this crate do not count as such functions.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, entering ends there, and the manager is not on the stack.
    pub fn enter<'s, M, K>(&'s self, manager: M) -> Entering<'s, 'env, E, K, M::Contract>
    where
        M: Enterable<Body: Send + 'env, Contract: StackValue<K> + 'env>,
        M::Body: Body<Future: Future<Output = OutputOf<M::Contract>> + Send + 'env>,
        <M::Contract as Contract>::Exit: StackExit<E>,
        X: Accepts<<M::Contract as Contract>::Exit>,
        K: Stored<'s, Value = LentBy<'s, M::Contract>> + Send + 'env,
    {
        self.entries.enter(manager.manager())
    }

    /// Registers `exit`, which runs when the stack is left: Python's `push_async_exit`.
    ///
    /// `exit` receives the current outcome, and returns `()` or `Result<(), E>`. An error bypasses it, or is replaced by its
    /// own error. To receive the error itself and to suppress it, see
    /// [`push_catch`](AsyncExitStack::push_catch).
    ///
    /// ```
    /// # use async_context_manager::AsyncExitStack;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut stack = AsyncExitStack::<std::io::Error>::new();
    /// stack.push(async |outcome| println!("left: {outcome:?}"));
    /// stack.close().await
    /// # }
    /// ```
    pub fn push<F, Fut>(&self, exit: F)
    where
        F: FnOnce(Outcome) -> Fut + Send + 'env,
        Fut: Future<Output: CallbackOutput<E>> + Send + 'env,
    {
        self.at_once(pushed(exit));
    }

    /// Registers `exit`, which runs when the stack is left, and decides how the block ends: Python's `push_async_exit`.
    ///
    /// `exit` receives the current outcome with its error, and its result is the outcome from then on: an `Err`, or none.
    /// So it suppresses an error by returning `Ok(())`, and passes it on by [`into_result`](Outcome::into_result). A panic
    /// resumes in any case. Only a [`suppressing`](AsyncExitStack::suppressing) stack has this method.
    ///
    /// ```
    /// # use async_context_manager::AsyncExitStack;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut stack = AsyncExitStack::<&str, _>::suppressing();
    /// stack.push_catch(async |outcome| match outcome.into_result() {
    ///     Err("not found") => Ok(()),
    ///     other => other,
    /// });
    /// stack.callback(async || Err("not found"));
    /// assert_eq!(stack.close().await, Ok(()));
    /// # }
    /// ```
    pub fn push_catch<F, Fut>(&self, exit: F)
    where
        X: CanSuppress,
        F: FnOnce(Outcome<E>) -> Fut + Send + 'env,
        Fut: Future<Output = Result<(), E>> + Send + 'env,
    {
        self.at_once(catching(exit));
    }

    /// Registers `callback`, which runs when the stack is left: Python's `push_async_callback`.
    ///
    /// `callback` returns `()` or `Result<(), E>`. It does not see the outcome. An error bypasses it, or is replaced by
    /// its own error.
    ///
    /// ```
    /// # use async_context_manager::AsyncExitStack;
    /// # async fn remove(_file: &str) -> Result<(), std::io::Error> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut stack = AsyncExitStack::<std::io::Error>::new();
    /// stack.callback(|| remove("a.tmp"));
    /// stack.callback(async || println!("first"));
    /// stack.close().await
    /// # }
    /// ```
    pub fn callback<C, Fut>(&self, callback: C)
    where
        C: FnOnce() -> Fut + Send + 'env,
        Fut: Future<Output: CallbackOutput<E>> + Send + 'env,
    {
        self.at_once(called_back(callback));
    }

    /// Moves all managers to a new stack and leaves this one empty: Python's `pop_all`.
    ///
    /// Use it to open several resources step by step, to keep them if all steps succeed, and to close them if one
    /// fails. Leave the new stack by [`close`](Self::close), or by [`exit`](Self::exit) with the outcome of the work that
    /// used the resources:
    ///
    /// ```
    /// # use async_context_manager::{AsyncExitStack, async_context_manager, with};
    /// # #[async_context_manager]
    /// # async fn step(n: u32) -> Result<u32, std::io::Error> { r#yield!(n); Ok(()) }
    /// async fn open_all() -> Result<AsyncExitStack<'static, std::io::Error>, std::io::Error> {
    ///     with!(AsyncExitStack::new() as stack => {
    ///         for n in 0..3 {
    ///             stack.enter(step(n)).await?;
    ///         }
    ///         stack.pop_all()
    ///     })
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut opened = open_all().await.unwrap();
    /// assert_eq!(opened.len(), 3);
    /// opened.close().await.unwrap();
    /// # }
    /// ```
    #[must_use = "dropping the returned stack cancels its managers: keep it, or call `close`"]
    pub fn pop_all(&mut self) -> Self {
        Self { entries: self.entries.take(), exit: PhantomData }
    }

    /// Leaves all managers now, the last one first: Python's `aclose`.
    ///
    /// The outcome is [`Outcome::Completed`] at first, and then what the managers turn it into. To leave them because a
    /// block failed, call [`exit`](Self::exit) with its outcome: after `close`, a transaction on the stack has been
    /// committed. The stack is empty afterwards, and may be used again.
    ///
    /// ```
    /// # use async_context_manager::AsyncExitStack;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut stack = AsyncExitStack::<&str>::new();
    /// stack.callback(async || Err("could not be removed"));
    /// stack.callback(async || println!("closed"));
    /// assert_eq!(stack.close().await, Err("could not be removed"));
    /// assert!(stack.is_empty());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of the last manager that failed, unless an older manager suppressed it.
    ///
    /// # Panics
    ///
    /// Panics if a manager panics, after all of them have been left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the manager that is leaving stays on the stack with the others. The next call
    /// continues with it; dropping the stack drops it where it waits.
    pub async fn close(&mut self) -> Result<(), E> {
        self.entries.leave(StackOutcome::Completed, Receiver::Caller).await.into_result()
    }

    /// Leaves all managers now, with the outcome of a block: Python's `await stack.__aexit__(*exc)`.
    ///
    /// Use it in a type that opens a stack in [`enter`](crate::AsyncContextManager::enter) and leaves it in
    /// [`exit`](crate::AsyncContextManager::exit). The managers see the outcome as if the block was their own, so a
    /// transaction on the stack commits or rolls back rightly:
    ///
    /// ```
    /// use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome, async_context_manager, with};
    /// # #[derive(Debug, PartialEq)]
    /// # struct DbError;
    /// # use std::sync::Mutex;
    /// # static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    /// # async fn execute(sql: &str, db: &str) -> Result<(), DbError> { LOG.lock().unwrap().push(format!("{sql} {db}")); Ok(()) }
    ///
    /// #[async_context_manager]
    /// async fn transaction(db: &'static str) -> Result<(), DbError> {
    ///     execute("BEGIN", db).await?;
    ///     let sql = if r#yield!().is_completed() { "COMMIT" } else { "ROLLBACK" };
    ///     execute(sql, db).await
    /// }
    ///
    /// struct Transactions {
    ///     databases: Vec<&'static str>,
    ///     open: AsyncExitStack<'static, DbError>,
    /// }
    ///
    /// impl AsyncContextManager for Transactions {
    ///     type Value<'v> = ();
    ///     type Exit = Result<(), DbError>;
    ///
    ///     async fn enter(&mut self) -> Result<(), DbError> {
    ///         self.open = with!(AsyncExitStack::new() as stack => {
    ///             for db in &self.databases {
    ///                 stack.enter(transaction(db)).await?; // if it fails, the others are rolled back
    ///             }
    ///             stack.pop_all()
    ///         })?;
    ///         Ok(())
    ///     }
    ///
    ///     async fn exit(&mut self, outcome: Outcome) -> Result<(), DbError> {
    ///         self.open.exit(outcome).await
    ///     }
    /// }
    ///
    /// async fn transfer(databases: &[&'static str]) -> Result<(), DbError> {
    ///     let transactions = Transactions { databases: databases.to_vec(), open: AsyncExitStack::new() };
    ///     with!(transactions => {
    ///         Err(DbError)?;
    ///     })
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # assert_eq!(transfer(&["a", "b"]).await, Err(DbError));
    /// # assert_eq!(*LOG.lock().unwrap(), ["BEGIN a", "BEGIN b", "ROLLBACK b", "ROLLBACK a"]);
    /// # }
    /// ```
    ///
    /// `outcome` is the argument of the type's `exit`, and its result is what the stack returns. Both fit for each exit
    /// type:
    ///
    /// | exit type | `outcome` | [`Failed`](Outcome::Failed) | result |
    /// |---|---|---|---|
    /// | `()`, `Result<(), E>` | `Outcome` | The error bypasses the stack. No manager can suppress it. A manager with the option `catch` sees `Cancelled`, because there is no error to give it. | The error of a manager, which replaces that of the block. |
    /// | `Catch<E>` | `Outcome<E>` | The error goes through the managers, as in a `with!` of the stack. | What they turned it into. |
    /// | `Suppress<Catch<E>>` | `Outcome<E>` | The same. | What they turned it into. `Ok` if one of them on a [`suppressing`](AsyncExitStack::suppressing) stack has suppressed it. |
    ///
    /// [`Completed`](Outcome::Completed) is the same as [`close`](Self::close). [`Panicked`](Outcome::Panicked) and
    /// [`Cancelled`](Outcome::Cancelled) are passed to the managers, which can end neither: each manager sees it, unless
    /// a younger one has failed or panicked.
    ///
    /// The stack is empty afterwards, and may be used again.
    ///
    /// # Errors
    ///
    /// Returns the error of the last manager that failed, unless an older manager suppressed it. Also returns the error
    /// in an `Outcome<E>`, unless a manager replaced or suppressed it.
    ///
    /// # Panics
    ///
    /// Panics if a manager panics, after all of them have been left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the manager that is leaving stays on the stack with the others. The next call of `exit`
    /// or `close` continues with it; dropping the stack drops it where it waits. The error in `outcome` is dropped.
    ///
    /// In the drop of a `with!`, `outcome` is `Cancelled`, and each manager is polled once. In a [`rescue`](crate::rescue),
    /// and in a scope that stops its block, all managers are awaited.
    pub fn exit<C, Kind>(
        &mut self,
        outcome: Outcome<C>,
    ) -> LeavingFuture<C, E, Kind, impl Future<Output = Result<(), E>>>
    where
        C: LeavingError<E, Kind>,
    {
        let left = self.entries.leave(StackOutcome::new(outcome), Receiver::Caller);
        C::leaving(async move { left.await.into_result() })
    }

    /// Converts the stack into a [`Manager`], to enter it on another stack or to call its [`scope`](Manager::scope).
    ///
    /// ```
    /// # use async_context_manager::AsyncExitStack;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut outer = AsyncExitStack::<std::io::Error>::new();
    /// let inner = outer.enter(AsyncExitStack::new().into_manager()).await?;
    /// inner.callback(async || println!("first"));
    /// outer.callback(async || println!("before that, as it came later"));
    /// outer.close().await
    /// # }
    /// ```
    pub fn into_manager(
        self,
    ) -> Manager<impl Body<Future = impl Future<Output = Result<(), E>>>, <Self as IntoManager>::Contract> {
        IntoManager::into_manager(self)
    }

    /// Enters a manager whose enter phase is ready immediately.
    fn at_once<M, L>(&self, manager: Manager<M, L>)
    where
        M: Body<Future: Future<Output = OutputOf<L>> + Send + 'env> + Send + 'env,
        L: for<'a, 'b> Lends<'a, 'b, Value = ()> + 'env,
        L::Exit: StackExit<E>,
    {
        let entering = pin!(self.entries.enter(manager));
        let entered = entering.poll(&mut Context::from_waker(Waker::noop()));
        debug_assert!(entered.is_ready(), "entering does not wait");
    }
}

/// `F`, if a stack with the error type `E` can be left with an `Outcome<C>`.
type LeavingFuture<C, E, Kind, F> = <C as LeavingError<E, Kind>>::Leaving<F>;

/// The return type of a callback on a stack with the error type `E`: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "a callback on an exit stack must return `()` or a `Result` with the stack's error type",
    label = "this one returns `{Self}`, but the error type of the stack is `{E}`"
)]
pub trait CallbackOutput<E> {
    /// Converts it into a `Result`.
    fn into_result(self) -> Result<(), E>;
}

impl<E> CallbackOutput<E> for () {
    fn into_result(self) -> Result<(), E> {
        Ok(())
    }
}

impl<E> CallbackOutput<E> for Result<(), E> {
    fn into_result(self) -> Self {
        self
    }
}

#[async_context_manager(crate = crate, catch, suppress)]
async fn catching<E, F, Fut>(exit: F) -> Result<(), E>
where
    F: FnOnce(Outcome<E>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let outcome = r#yield!();
    exit(outcome).await
}

#[async_context_manager(crate = crate)]
async fn pushed<E, F, Fut>(exit: F) -> Result<(), E>
where
    F: FnOnce(Outcome) -> Fut,
    Fut: Future<Output: CallbackOutput<E>>,
{
    let outcome = r#yield!();
    exit(outcome).await.into_result()
}

#[async_context_manager(crate = crate)]
async fn called_back<E, C, Fut>(callback: C) -> Result<(), E>
where
    C: FnOnce() -> Fut,
    Fut: Future<Output: CallbackOutput<E>>,
{
    r#yield!();
    callback().await.into_result()
}

/// The contract of a stack: it lends itself.
type StackContract<S, X> = FnContract<dyn for<'y> Lend1<'y, Out = &'y mut S>, 1, X>;

/// The stack as a manager.
///
/// `AsyncExitStack` does not implement `AsyncContextManager`, because the trait's `enter` would shadow its own. This is no
/// manager function, because those do not see an error that bypasses them.
impl<'env, E: Send + 'env, X: StackType<E>> IntoManager for AsyncExitStack<'env, E, X> {
    type Contract = StackContract<Self, X>;

    fn into_manager(
        mut self,
    ) -> Manager<impl Body<Future = impl Future<Output = Result<(), E>>>, StackContract<Self, X>> {
        let contract = SameContract::new();
        let name = || Named::<Result<(), E>>::new("exit_stack");
        let manager = Manager::new(contract, name, move |handle| async move {
            let this = BodyToken::new();
            let outcome = lend1(contract.point(&handle, &this), &mut self).await;
            let outcome = StackOutcome::of_block(outcome, handle.outcome());
            // A rescue awaits each manager; without a rescue, each is dropped.
            let left = self.entries.leave(outcome, Receiver::Scope).await;
            if matches!(left, StackOutcome::Completed) && handle.outcome() == Some(Outcome::Cancelled) {
                handle.forget_stop();
            }
            left.into_result()
        });
        // The stack reports each of its managers by itself.
        manager.uncut()
    }
}

impl<'env, E: Send + 'env> Default for AsyncExitStack<'env, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'env, E: Send + 'env> Default for AsyncExitStack<'env, E, Suppress<Catch<E>>> {
    fn default() -> Self {
        Self::suppressing()
    }
}

impl<E, X> fmt::Debug for AsyncExitStack<'_, E, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncExitStack").field("len", &self.entries.len()).finish()
    }
}
