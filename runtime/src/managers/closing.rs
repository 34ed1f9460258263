//! `closing` and `defer`: call a function when the block has ended.

use core::future::Future;

use crate::Manager;
use crate::exit::Exit;
use crate::frame::BodyToken;
use crate::lend::{FnContract, Lend0, Lend1};
use crate::named::Named;
use crate::raw::{Body, SameContract, lend0, lend1};

/// Lends `value` as `&mut T`, and calls `close` with it however the block ends.
///
/// ```
/// use async_context_manager::{closing, with};
/// # #[derive(Debug)]
/// # struct Error;
/// # struct File(Vec<u8>);
/// # impl File {
/// #     async fn open(_path: &str) -> Result<File, Error> { Ok(File(Vec::new())) }
/// #     async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> { self.0.extend(bytes); Ok(()) }
/// #     async fn close(self) -> Result<(), Error> { Ok(()) }
/// # }
///
/// async fn save(path: &str, text: &str) -> Result<(), Error> {
///     with!(closing(File::open(path).await?, File::close) as file => {
///         file.write(text.as_bytes()).await?;
///     })
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # save("notes", "text").await.unwrap();
/// # });
/// ```
///
/// `close` may be an `async` function, `async |value| { ... }`, or `|value| async move { ... }`. Its return type
/// determines the value of `with!`: `T` if it returns `()`, and `Result<T, E>` if it returns `Result<(), E>`.
///
/// `value` may be a `&mut` reference, for a `close` that takes one. The value can then be used after the block:
///
/// ```
/// use async_context_manager::{closing, with};
/// # #[derive(Default)]
/// # struct Client { requests: u32, is_open: bool }
/// # impl Client {
/// #     async fn get(&mut self) { self.requests += 1; }
/// #     async fn close(&mut self) { self.is_open = false; }
/// # }
///
/// async fn two_requests(mut client: Client) -> u32 {
///     with!(closing(&mut client, Client::close) as client => {
///         client.get().await;
///         client.get().await;
///     });
///     client.requests
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let requests = tokio::spawn(two_requests(Client::default()));
/// # assert_eq!(requests.await.unwrap(), 2);
/// # }
/// ```
///
/// For a cleanup that the block shares no value with, see [`defer`].
///
/// # Errors
///
/// Returns the error of `close`, which replaces the result of the block.
///
/// # Panics
///
/// Panics if the block or `close` panics.
///
/// # Cancel safety
///
/// If the future around the `with!` is dropped during the block, `close` is called, and its future runs up to its first
/// `.await` that is not ready immediately.
///
/// This is Python's `contextlib.aclosing`, in which the method is always `aclose`.
///
/// # Signature
///
/// The types above are long. This manager is used like this one:
///
/// ```text
/// #[async_context_manager]
/// async fn closing<T, E>(value: T, close: impl AsyncFnOnce(T) -> Result<(), E>) -> Result<&mut T, E>
/// ```
pub fn closing<T, C, Fut>(
    value: T,
    close: C,
) -> IfClosed<
    Fut::Output,
    Manager<impl Body<Future = impl Future<Output = Fut::Output>>, ClosingContract<T, Fut::Output>>,
>
where
    C: FnOnce(T) -> Fut,
    Fut: Future<Output: Closed>,
{
    let contract = SameContract::<ClosingContract<T, Fut::Output>>::new();
    Fut::Output::manager(Manager::new(
        contract,
        || Named::<Fut::Output>::new("closing"),
        move |frame| async move {
            let this = BodyToken::new();
            let mut value = value;
            lend1(contract.point(&frame, &this), &mut value).await;
            close(value).await
        },
    ))
}

/// Calls `cleanup` when the block has ended, however it ends: Python's `try: ... finally: await cleanup()`, at the place of
/// use.
///
/// ```
/// use async_context_manager::{defer, with};
/// # #[derive(Debug)]
/// # struct Error;
/// # async fn publish(_topic: &str, _text: &str) -> Result<(), Error> { Ok(()) }
///
/// async fn announced(topic: &str) -> Result<(), Error> {
///     publish(topic, "begin").await?;
///     with!(defer(|| publish(topic, "end")) => {
///         publish(topic, "work").await?;
///     })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() { announced("news").await.unwrap(); }
/// ```
///
/// `cleanup` may be `async || { ... }`, `|| async move { ... }`, or an `async` function without arguments. Its return type
/// determines the value of `with!`: `T` if it returns `()`, and `Result<T, E>` if it returns `Result<(), E>`.
///
/// It is created before the block runs, so what it borrows mutably cannot be used in the block. Use [`closing`] for a
/// value that both use. A cleanup that depends on how the block ended is a manager of its own: see
/// [`async_context_manager`](macro@crate::async_context_manager).
///
/// # Errors
///
/// Returns the error of `cleanup`, which replaces the result of the block.
///
/// # Panics
///
/// Panics if the block or `cleanup` panics.
///
/// # Cancel safety
///
/// If the future around the `with!` is dropped during the block, `cleanup` is called, and its future runs up to its first
/// `.await` that is not ready immediately.
///
/// On an exit stack, this is `callback`.
///
/// # Signature
///
/// The types above are long. This manager is used like this one:
///
/// ```text
/// #[async_context_manager]
/// async fn defer<E>(cleanup: impl AsyncFnOnce() -> Result<(), E>) -> Result<(), E>
/// ```
pub fn defer<C, Fut>(
    cleanup: C,
) -> IfClosed<Fut::Output, Manager<impl Body<Future = impl Future<Output = Fut::Output>>, DeferContract<Fut::Output>>>
where
    C: FnOnce() -> Fut,
    Fut: Future<Output: Closed>,
{
    let contract = SameContract::<DeferContract<Fut::Output>>::new();
    Fut::Output::manager(Manager::new(
        contract,
        || Named::<Fut::Output>::new("defer"),
        move |frame| async move {
            let this = BodyToken::new();
            lend0(contract.point(&frame, &this), ()).await;
            cleanup().await
        },
    ))
}

/// `M`, if `X` is the return type of a closing function. Otherwise, the compiler stops at this type.
type IfClosed<X, M> = <X as Closed>::Manager<M>;

/// The contract of [`closing`].
type ClosingContract<T, X> = FnContract<dyn for<'y> Lend1<'y, Out = &'y mut T>, 1, X>;

/// The contract of [`defer`].
type DeferContract<X> = FnContract<dyn Lend0<Out = ()>, 0, X>;

/// The return type of a closing function: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "a closing function can't return `{Self}`",
    label = "expected `()` or `Result<(), E>`"
)]
pub trait Closed: Exit<Output = Self> {
    /// Always `M`.
    type Manager<M>;

    /// Returns `manager` unchanged.
    fn manager<M>(manager: M) -> Self::Manager<M>;
}

impl Closed for () {
    type Manager<M> = M;

    fn manager<M>(manager: M) -> M {
        manager
    }
}

impl<E> Closed for Result<(), E> {
    type Manager<M> = M;

    fn manager<M>(manager: M) -> M {
        manager
    }
}
