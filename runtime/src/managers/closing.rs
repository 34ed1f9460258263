//! `closing`: passes a value to a function when the block has ended.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;

use crate::exit::Exit;
use crate::output::BodyOutput;
use crate::{AsyncContextManager, Outcome};

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
pub fn closing<T, C, Fut>(value: T, close: C) -> <Fut::Output as Closed>::Closing<T, C, Fut>
where
    C: FnOnce(T) -> Fut,
    Fut: Future<Output: Closed>,
{
    Fut::Output::closing(Closing { open: Some((value, close)), future: PhantomData })
}

/// The return type of a `close` function: `()` or `Result<(), E>`.
///
/// It also names the return type of [`closing`], so that the compiler stops at a function that returns another type.
#[diagnostic::on_unimplemented(
    message = "a closing function can't return `{Self}`",
    label = "expected `()` or `Result<(), E>`"
)]
pub trait Closed: Exit<Output = Self> {
    /// Always `Closing<T, C, Fut>`.
    type Closing<T, C, Fut>;

    #[doc(hidden)]
    fn closing<T, C, Fut>(closing: Closing<T, C, Fut>) -> Self::Closing<T, C, Fut>;
}

impl Closed for () {
    type Closing<T, C, Fut> = Closing<T, C, Fut>;

    fn closing<T, C, Fut>(closing: Closing<T, C, Fut>) -> Closing<T, C, Fut> {
        closing
    }
}

impl<E> Closed for Result<(), E> {
    type Closing<T, C, Fut> = Closing<T, C, Fut>;

    fn closing<T, C, Fut>(closing: Closing<T, C, Fut>) -> Closing<T, C, Fut> {
        closing
    }
}

/// The manager that [`closing`] returns.
///
/// ```
/// use async_context_manager::{AsyncContextManager, closing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let file = closing(String::from("notes"), async |text| println!("closed: {text}"));
/// let length = file.scope(async |text| text.len()).await;
/// assert_eq!(length, 5);
/// # }
/// ```
pub struct Closing<T, C, Fut> {
    open: Option<(T, C)>,
    future: PhantomData<fn() -> Fut>,
}

// `Closing` is not a useful suggestion for a type that is no manager.
#[diagnostic::do_not_recommend]
impl<T, C, Fut> AsyncContextManager for Closing<T, C, Fut>
where
    C: FnOnce(T) -> Fut,
    Fut: Future,
    Fut::Output: Closed + BodyOutput,
{
    type Value<'v>
        = &'v mut T
    where
        Self: 'v;
    type Exit = Fut::Output;

    async fn enter(&mut self) -> <Fut::Output as BodyOutput>::Value<&mut T> {
        let (value, _close) =
            self.open.as_mut().expect("`closing` was entered before, and its value is closed: create a new one");
        Fut::Output::value(Ok(value))
    }

    async fn exit(&mut self, _outcome: Outcome<<Fut::Output as Exit>::Caught>) -> Fut::Output {
        let (value, close) = self.open.take().expect("`closing` was entered");
        close(value).await
    }
}

impl<T, C, Fut> fmt::Debug for Closing<T, C, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}
