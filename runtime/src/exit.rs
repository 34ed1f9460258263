//! Exit types: they decide what a manager sees of its block's error, and what `with!` evaluates to.

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;

use crate::classify::{Classify, Fallible, Plain};
use crate::output::{BodyOutput, JoinOutput, Never, Possible, Suppression};
use crate::show::{Asks, AsksNot};

/// The exit type of a manager: one of the types below. It determines what `with!` evaluates to for a block of type `T`.
///
/// | exit type | `exit` returns | [`Failed`](crate::Outcome::Failed) holds | `with!` evaluates to |
/// |---|---|---|---|
/// | `()` | `()` | `()` | `T` |
/// | `Result<(), E>` | `Result<(), E>` | `()` | `Result<T, E>` |
/// | [`Catch<E>`] | `Result<(), E>` | the error, `E` | `Result<T, E>` |
/// | [`Suppress<X>`] | the same as for `X` | the same as for `X` | the same as for `X`, with `Option<T>` for `T` |
///
/// A type sets it as [`AsyncContextManager::Exit`](crate::AsyncContextManager::Exit). For a manager function, the
/// attribute derives it from the return type and the options.
///
/// ```
/// use async_context_manager::{async_context_manager, with};
///
/// #[async_context_manager] // `()`
/// async fn plain() {
///     r#yield!();
/// }
///
/// #[async_context_manager] // `Result<(), String>`
/// async fn failing() -> Result<(), String> {
///     r#yield!();
///     Ok(())
/// }
///
/// #[async_context_manager(catch, suppress)] // `Suppress<Catch<String>>`
/// async fn ignoring() -> Result<(), String> {
///     r#yield!();
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(with!(plain() => 5), 5);
/// assert_eq!(with!(failing() => 5), Ok(5));
/// assert_eq!(with!(ignoring() => 5), Ok(Some(5)));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid exit type of a manager",
    label = "expected `()` or `Result<(), E>`",
    note = "a return type whose name ends in `Result` must be a `Result<V, E>`; to lend a type with such a name, \
            return an alias of it: `type Found = SearchResult;`",
    note = "`type Exit` must be `()`, `Result<(), E>`, `Catch<E>`, or `Suppress<...>` of one of these"
)]
pub trait Exit: sealed::Sealed {
    /// The type that the exit phase returns: `()` or `Result<(), E>`.
    type Output: JoinOutput<(), Both<()> = Self::Output>;
    /// The content of [`Outcome::Failed`](crate::Outcome::Failed).
    type Caught;
    /// Whether `with!` may lack the value of the block.
    #[doc(hidden)]
    type Suppression: Suppression<Both<Never> = Self::Suppression>;

    /// Whether a `with!` asks how the errors are shown that it may lose: `Asks` or `AsksNot`.
    ///
    /// It does not ask if its manager cannot fail, because such a manager replaces no error, unless it panics. Nor does it
    /// ask if its manager catches: the manager and its block have the same error type then, and the compiler may find this
    /// out only when the answers must be known.
    #[doc(hidden)]
    type Asks;

    /// Whether a later manager of the same header asks about the value of the block: `Later`, unless this manager catches.
    #[doc(hidden)]
    type Lets<Later>;

    /// Whether the block's error goes through the manager.
    #[doc(hidden)]
    const CATCHES: bool;

    /// The content of `Failed` for an error that bypasses the manager. `None` if the manager catches errors.
    #[doc(hidden)]
    const UNSEEN: Option<Self::Caught>;
}

/// The exit type of a manager through which the error of the block goes: the option `catch` of the attribute.
///
/// The [`Outcome`](crate::Outcome) contains the error, and the caller receives the result that the exit phase returns.
///
/// ```
/// use async_context_manager::{AsyncContextManager, Catch, Outcome, with};
///
/// struct Described(&'static str);
///
/// impl AsyncContextManager for Described {
///     type Value<'v> = ();
///     type Exit = Catch<String>;
///
///     async fn enter(&mut self) -> Result<(), String> {
///         Ok(())
///     }
///
///     async fn exit(&mut self, outcome: Outcome<String>) -> Result<(), String> {
///         outcome.into_result().map_err(|error| format!("{}: {error}", self.0))
///     }
/// }
///
/// async fn run() -> Result<(), String> {
///     with!(Described("run") => { Err("no answer".to_string())?; })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(run().await, Err("run: no answer".to_string()));
/// # }
/// ```
///
/// The `with!` panics if the exit phase returns `Ok(())` after [`Failed`](crate::Outcome::Failed), because it then has
/// no value. Use [`Suppress<Catch<E>>`](Suppress) for a manager that suppresses errors.
pub struct Catch<E>(PhantomData<fn() -> E>);

/// The exit type of a manager that may end the block without a value: the option `suppress` of the attribute.
///
/// `with!` then evaluates to an `Option`.
///
/// ```
/// use async_context_manager::{AsyncContextManager, Catch, Outcome, Suppress, with};
///
/// /// The number of errors to overlook.
/// struct Patience(u32);
///
/// impl AsyncContextManager for Patience {
///     type Value<'v> = ();
///     type Exit = Suppress<Catch<String>>;
///
///     async fn enter(&mut self) -> Result<(), String> {
///         Ok(())
///     }
///
///     async fn exit(&mut self, outcome: Outcome<String>) -> Result<(), String> {
///         if outcome.is_failed() && self.0 > 0 {
///             self.0 -= 1;
///             return Ok(());
///         }
///         outcome.into_result()
///     }
/// }
///
/// async fn attempt(patience: &mut Patience) -> Result<Option<u32>, String> {
///     with!(patience => { Err("no answer".to_string())? })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut patience = Patience(1);
/// assert_eq!(attempt(&mut patience).await, Ok(None));
/// assert_eq!(attempt(&mut patience).await, Err("no answer".to_string()));
/// # }
/// ```
///
/// With `()` or `Result<(), E>` as `X`, the manager suppresses no error. `with!` is then `None` only if the manager
/// stopped its block, which a manager function can do.
pub struct Suppress<X>(PhantomData<fn() -> X>);

impl<E> fmt::Debug for Catch<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Catch")
    }
}

impl<X> fmt::Debug for Suppress<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Suppress")
    }
}

impl Exit for () {
    type Output = ();
    type Caught = ();
    type Suppression = Never;
    type Asks = AsksNot;
    type Lets<Later> = Later;
    const CATCHES: bool = false;
    const UNSEEN: Option<()> = Some(());
}

impl<E> Exit for Result<(), E> {
    type Output = Self;
    type Caught = ();
    type Suppression = Never;
    type Asks = Asks;
    type Lets<Later> = Later;
    const CATCHES: bool = false;
    const UNSEEN: Option<()> = Some(());
}

impl<E> Exit for Catch<E> {
    type Output = Result<(), E>;
    type Caught = E;
    type Suppression = Never;
    type Asks = AsksNot;
    type Lets<Later> = AsksNot;
    const CATCHES: bool = true;
    const UNSEEN: Option<E> = None;
}

impl<X: Exit> Exit for Suppress<X> {
    type Output = X::Output;
    type Caught = X::Caught;
    type Suppression = Possible;
    type Asks = X::Asks;
    type Lets<Later> = X::Lets<Later>;
    const CATCHES: bool = X::CATCHES;
    const UNSEEN: Option<X::Caught> = X::UNSEEN;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
    impl<E> Sealed for super::Catch<E> {}
    impl<X> Sealed for super::Suppress<X> {}
}

/// Converts an error of type `Error` that ended the block into what the manager sees. `Kind` says whether the block can
/// fail: [`Fallible`] or [`Plain`].
#[diagnostic::on_unimplemented(
    message = "the block fails with `{Error}`, but its manager catches another error type",
    label = "with the option `catch`, this manager must catch the error of its block",
    note = "convert the error in the block with `.map_err(...)`, or make the manager catch `{Error}`",
    note = "if the type of the manager is a parameter, set its exit type: `M: AsyncContextManager<Exit = ()>`, or, for any \
            manager, `M: AnyManager<lent::Owned<T>, Exit = ()>`"
)]
pub trait Catches<Kind, Error>: Exit {
    /// Returns the content of [`Outcome::Failed`](crate::Outcome::Failed) for this error.
    fn take(error: Error) -> Self::Caught;
}

impl<Kind, Error> Catches<Kind, Error> for () {
    fn take(_error: Error) {}
}

impl<Kind, Error, E> Catches<Kind, Error> for Result<(), E> {
    fn take(_error: Error) {}
}

impl<E> Catches<Fallible, E> for Catch<E> {
    fn take(error: E) -> E {
        error
    }
}

impl<E> Catches<Plain, Infallible> for Catch<E> {
    fn take(error: Infallible) -> E {
        match error {}
    }
}

impl<Kind, Error, X: Catches<Kind, Error>> Catches<Kind, Error> for Suppress<X> {
    fn take(error: Error) -> X::Caught {
        X::take(error)
    }
}

/// Implemented by exit types that can take the error out of a block value of type `R`.
#[diagnostic::on_unimplemented(
    message = "the block ends in `{R}`, but its manager catches another error type",
    label = "with the option `catch`, this manager must catch the error of its block",
    note = "convert the error in the block with `.map_err(...)`, or make the manager catch the error type of the block",
    note = "if the type of the manager is a parameter, set its exit type: `M: AsyncContextManager<Exit = ()>`, or, for any \
            manager, `M: AnyManager<lent::Owned<T>, Exit = ()>`"
)]
pub trait CatchesFrom<R: Classify<Literal>, Literal>: Catches<R::Kind, R::Error> {}

impl<X, R, Literal> CatchesFrom<R, Literal> for X
where
    R: Classify<Literal>,
    X: Catches<R::Kind, R::Error>,
{
}

/// A return type whose name ends in `Result` and which has no type arguments that show its parts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a return type whose name ends in `Result` must be a `Result<V, E>`",
    note = "to lend a type with such a name, return an alias of it: `type Found = SearchResult;`"
)]
pub trait ResultAlias {
    /// The type that the block receives.
    type Value;
    /// The type that the body evaluates to.
    type Exit: BodyOutput;
}

impl<V, E> ResultAlias for Result<V, E> {
    type Value = V;
    type Exit = Result<(), E>;
}
