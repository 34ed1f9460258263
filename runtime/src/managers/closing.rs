//! `closing`: gives a value to a function at the end.

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;

use crate::exit::Exit;
use crate::output::BodyOutput;
use crate::{AsyncContextManager, Outcome};

/// Lends `value` as `&mut T`, and calls `close` with it on every way out.
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
/// `close` may be an `async` function, `async |value| { ... }`, or `|value| async move { ... }`. What it gives makes
/// the value of `with!`: for `()` it is `T`, for `Result<(), E>` it is `Result<T, E>`.
///
/// # Errors
///
/// Those of `close`. They replace what was under way.
///
/// # Panics
///
/// As the block and `close` do.
///
/// # Cancel safety
///
/// When the future around the `with!` is dropped in the block, `close` is called, and gets as far as its first `.await`
/// that is not ready at once.
///
/// It is Python's `contextlib.aclosing`, in which the method is always `aclose`.
pub fn closing<T, C, Fut>(value: T, close: C) -> <Fut::Output as Closed>::Closing<T, C, Fut>
where
    C: FnOnce(T) -> Fut,
    Fut: Future<Output: Closed>,
{
    Fut::Output::closing(Closing { open: Some((value, close)), future: PhantomData })
}

/// What a function that closes can give: `()` or `Result<(), E>`.
///
/// It says what [`closing`] gives, too, so that the compiler stops at a function that gives something else.
#[diagnostic::on_unimplemented(
    message = "a function that closes can't give `{Self}`",
    label = "it gives `()` or a `Result<(), E>`"
)]
pub trait Closed: Exit<Output = Self> {
    /// It is `Closing`.
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

/// The manager that [`closing`] gives.
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

// What is no manager need not become this one.
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
        let (value, _close) = self.open.as_mut().expect("`closing` was entered before, and its value is closed");
        Fut::Output::value(value)
    }

    async fn exit(&mut self, _outcome: Outcome<<Fut::Output as Exit>::Caught>) -> Fut::Output {
        let (value, close) = self.open.take().expect("it was entered");
        close(value).await
    }
}

impl<T, C, Fut> fmt::Debug for Closing<T, C, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}
