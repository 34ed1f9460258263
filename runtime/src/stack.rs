//! `AsyncExitStack`: managers whose number is known at run time only.

use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Waker};
use std::boxed::Box;

use crate::async_context_manager;
use crate::exit::{Catch, Suppress};
use crate::lend::{FnContract, Lend1};
use crate::manager::{IntoManager, Manager, OutputOf};
use crate::outcome::Outcome;
use crate::output::BodyOutput;
use crate::panics;
use crate::raw::Body;
use crate::raw::stack_entry::{Entering, Owned, StackEntries, StackExit, StackOutcome, StackValue, Stored};

/// Managers that are entered one by one and left together, the last one first: Python's `contextlib.AsyncExitStack`.
///
/// For a number of managers, or for kinds of them, that only the run shows.
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
/// async fn copy(urls: &[String]) -> Result<Option<usize>, DbError> {
///     with!(AsyncExitStack::new() as stack => {
///         let mut open = Vec::new();
///         for url in urls {
///             open.push(stack.enter(connection(url)).await?); // all of them are closed if one can't be opened
///         }
///         open.len()
///     })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(copy(&["db://a".into(), "db://b".into()]).await.unwrap(), Some(2));
/// # }
/// ```
///
/// `E` is the error type of the managers that can fail. Managers that can't go on any stack; with nothing but these,
/// it is an `AsyncExitStack::<Infallible>`. `'env` is what they borrow. A stack is [`Send`] and [`Sync`], and so takes
/// what is `Send`.
///
/// # Leaving
///
/// In `with!`, the managers are left when the block ends; by [`close`](Self::close), when you like. Each sees what is
/// under way when its turn comes, as in nested `with!`s: the outcome of the block, or of the closing, until one of them
/// fails, panics or suppresses. As a manager may suppress an error, `with!` is a `Result<Option<T>, E>`.
///
/// # Cancel safety
///
/// When a stack is dropped with managers in it, each is left as by the dropping of a `with!` in its block: it is told
/// [`Outcome::Cancelled`] and polled once, the last one first. So it is when a `with!` is dropped that is in the block;
/// dropped while the stack is being left, the manager under way is dropped where it waits, and the others follow so.
/// Those that are shielded are rescued, one after the other. Where the `with!` of the stack stands around the `yield!` of
/// a shielded manager, all of them are awaited.
pub struct AsyncExitStack<'env, E> {
    entries: StackEntries<'env, E>,
}

impl<'env, E: Send + 'env> AsyncExitStack<'env, E> {
    /// A stack with nothing on it.
    ///
    /// Made without a `with!`, it is kept as long as you like; what is on it is awaited by [`close`](Self::close) only.
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
        Self { entries: StackEntries::new() }
    }

    /// How many there are to be left.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to be left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enters a manager, gives what it lends, and leaves it with the stack: Python's `enter_async_context`.
    ///
    /// The value is `V`, or `Result<V, E>` of a manager that can fail. It may be a `&T` or `&mut T` of what the manager
    /// holds; it is good for as long as nothing takes the stack as `&mut`, as closing does.
    ///
    /// A type that implements [`AsyncContextManager`](crate::AsyncContextManager) is entered by way of its
    /// [`into_manager`](crate::AsyncContextManager::into_manager), and must not borrow; one that does is entered in a
    /// manager function around it. A manager that races its block has no hold of what goes on while the stack is
    /// open: a timeout runs out when it is left.
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
    /// Those of entering. The manager is not on the stack then.
    ///
    /// # Panics
    ///
    /// As the manager does when it is entered. Also when it lends a reference and its `yield!` stands in an `async`
    /// block, or in another macro; and when it races its block away before it is entered, and succeeds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the manager is not on the stack: entering ends there.
    pub fn enter<'s, M, L, K, V>(
        &'s self,
        manager: Manager<M, L>,
    ) -> Entering<'s, 'env, E, K, V, <OutputOf<L> as BodyOutput>::Value<V>>
    where
        M: Body<Future: Future<Output = OutputOf<L>> + Send + 'env> + Send + 'env,
        L: StackValue<K> + 'env,
        L::Exit: StackExit<E>,
        K: Stored<'s, Value = V> + Send + 'env,
    {
        self.entries.enter(manager)
    }

    /// Has `exit` run when the stack is left: Python's `push_async_exit`.
    ///
    /// It sees the outcome, and what it gives is under way afterwards: an `Err`, or nothing. So an error is suppressed
    /// by `Ok(())`, and passed on by [`into_result`](Outcome::into_result). A panic goes on in any case.
    ///
    /// ```
    /// # use async_context_manager::AsyncExitStack;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let mut stack = AsyncExitStack::<std::io::Error>::new();
    /// stack.push(async |outcome| {
    ///     println!("left: {outcome:?}");
    ///     outcome.into_result()
    /// });
    /// stack.close().await
    /// # }
    /// ```
    pub fn push<X, Fut>(&self, exit: X)
    where
        X: FnOnce(Outcome<E>) -> Fut + Send + 'env,
        Fut: Future<Output = Result<(), E>> + Send + 'env,
    {
        self.at_once(pushed(exit));
    }

    /// Has `callback` run when the stack is left: Python's `push_async_callback`.
    ///
    /// It gives `()` or `Result<(), E>`. It does not see the outcome; an error passes it by, or is replaced by its own.
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

    /// Moves everything to a new stack, and leaves nothing on this one: Python's `pop_all`.
    ///
    /// So that what has been opened by steps is kept when all steps have succeeded, and closed when one fails:
    ///
    /// ```
    /// # use async_context_manager::{AsyncExitStack, async_context_manager, with};
    /// # #[async_context_manager]
    /// # async fn step(n: u32) -> Result<u32, std::io::Error> { r#yield!(n); Ok(()) }
    /// async fn open_all() -> Result<Option<AsyncExitStack<'static, std::io::Error>>, std::io::Error> {
    ///     with!(AsyncExitStack::new() as stack => {
    ///         for n in 0..3 {
    ///             stack.enter(step(n)).await?;
    ///         }
    ///         stack.pop_all()
    ///     })
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut opened = open_all().await.unwrap().unwrap();
    /// assert_eq!(opened.len(), 3);
    /// opened.close().await.unwrap();
    /// # }
    /// ```
    #[must_use = "what was on the stack is told `Cancelled` when this is dropped"]
    pub fn pop_all(&mut self) -> Self {
        Self { entries: self.entries.take() }
    }

    /// Leaves all managers now, the last one first: Python's `aclose`. The outcome is [`Outcome::Completed`], and then
    /// what they make of it. The stack is empty afterwards, and may be used again.
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
    /// That of the last manager that failed, if no older one has suppressed it.
    ///
    /// # Panics
    ///
    /// As the managers do, when all have been left.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the manager under way is still on the stack with the others: the next call goes on
    /// with it, and dropping the stack drops it where it waits.
    pub async fn close(&mut self) -> Result<(), E> {
        match self.entries.leave(StackOutcome::Completed).await {
            StackOutcome::Completed | StackOutcome::Cancelled => Ok(()),
            StackOutcome::Failed(error) => Err(error),
            StackOutcome::Panicked(payload) => panics::resume(payload),
        }
    }

    /// The same as a [`Manager`]: to be put on another stack, or for its [`scope`](Manager::scope).
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
        // Its managers are told of one by one.
        exit_stack(self).uncut()
    }

    /// Enters a manager that does not wait for anything.
    fn at_once<M, L>(&self, manager: Manager<M, L>)
    where
        M: Body<Future: Future<Output = OutputOf<L>> + Send + 'env> + Send + 'env,
        L: StackValue<Owned<()>> + 'env,
        L::Exit: StackExit<E>,
    {
        let entering = pin!(self.enter(manager));
        let entered = entering.poll(&mut Context::from_waker(Waker::noop()));
        debug_assert!(entered.is_ready(), "it does not wait");
    }
}

/// What a callback on a stack with the error type `E` can give: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "a callback on an exit stack gives `()` or a `Result` with the stack's error type",
    label = "this one gives `{Self}`, and the errors of the stack are `{E}`"
)]
pub trait CallbackOutput<E> {
    /// The same as a `Result`.
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
async fn pushed<E, X, Fut>(exit: X) -> Result<(), E>
where
    X: FnOnce(Outcome<E>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let outcome = r#yield!();
    exit(outcome).await
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

/// The stack as a manager. (It does not implement `AsyncContextManager`, whose `enter` would stand before its own.)
#[async_context_manager(crate = crate, catch, suppress)]
async fn exit_stack<'env, E: Send + 'env>(
    mut stack: AsyncExitStack<'env, E>,
) -> Result<&mut AsyncExitStack<'env, E>, E> {
    let outcome = match r#yield!(&mut stack) {
        Outcome::Completed => StackOutcome::Completed,
        Outcome::Failed(error) => StackOutcome::Failed(error),
        Outcome::Panicked => StackOutcome::Panicked(Box::new(panics::PayloadElsewhere)),
        // In a rescue each is awaited, and in place each is dropped.
        Outcome::Cancelled => StackOutcome::Cancelled,
    };
    match stack.entries.leave(outcome).await {
        StackOutcome::Completed | StackOutcome::Cancelled => Ok(()),
        StackOutcome::Failed(error) => Err(error),
        StackOutcome::Panicked(payload) if payload.is::<panics::PayloadElsewhere>() => Ok(()),
        StackOutcome::Panicked(payload) => panics::resume(payload),
    }
}

impl<'env, E: Send + 'env> IntoManager for AsyncExitStack<'env, E> {
    type Contract = FnContract<dyn for<'y> Lend1<'y, Out = &'y mut Self>, 1, Suppress<Catch<E>>>;

    fn into_manager(self) -> Manager<impl Body<Future = impl Future<Output = Result<(), E>>>, Self::Contract> {
        exit_stack(self).uncut()
    }
}

impl<'env, E: Send + 'env> Default for AsyncExitStack<'env, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> fmt::Debug for AsyncExitStack<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncExitStack").field("len", &self.entries.len()).finish()
    }
}
