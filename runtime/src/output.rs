//! The output of a manager's body, whether its `with!` may lack a value, and how both combine for two managers.

use core::convert::Infallible;

use crate::classify::{Fallible, Plain};

/// The output type of a manager's body: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a return type whose name ends in `Result` must be a `Result<V, E>`",
    note = "to lend a type with such a name, return an alias of it: `type Found = SearchResult;`"
)]
pub trait BodyOutput: Sized {
    /// `V` or `Result<V, E>`: the result of the enter phase that lends a `V`, and of a `with!` whose value is a `V`.
    type Value<V>;
    /// Whether an error is possible: `Fallible` or `Plain`.
    #[doc(hidden)]
    type Kind;
    /// The error type, or `Infallible`.
    #[doc(hidden)]
    type Error;

    #[doc(hidden)]
    fn value<V>(value: V) -> Self::Value<V>;

    #[doc(hidden)]
    fn failed(error: Self::Error) -> Self;

    #[doc(hidden)]
    fn error(self) -> Option<Self::Error>;

    #[doc(hidden)]
    fn as_error(&self) -> Option<&Self::Error>;

    #[doc(hidden)]
    fn map<V, W>(value: Self::Value<V>, map: impl FnOnce(V) -> W) -> Self::Value<W>;

    #[doc(hidden)]
    fn split<V>(value: Self::Value<V>) -> Result<V, Self::Error>;

    #[doc(hidden)]
    fn peek<V>(value: &Self::Value<V>) -> Option<&V>;
}

impl BodyOutput for () {
    type Value<V> = V;
    type Kind = Plain;
    type Error = Infallible;

    fn value<V>(value: V) -> V {
        value
    }

    fn failed(error: Infallible) {
        match error {}
    }

    fn error(self) -> Option<Infallible> {
        None
    }

    fn as_error(&self) -> Option<&Infallible> {
        None
    }

    fn map<V, W>(value: V, map: impl FnOnce(V) -> W) -> W {
        map(value)
    }

    fn split<V>(value: V) -> Result<V, Infallible> {
        Ok(value)
    }

    fn peek<V>(value: &V) -> Option<&V> {
        Some(value)
    }
}

impl<E> BodyOutput for Result<(), E> {
    type Value<V> = Result<V, E>;
    type Kind = Fallible;
    type Error = E;

    fn value<V>(value: V) -> Result<V, E> {
        Ok(value)
    }

    fn failed(error: E) -> Self {
        Err(error)
    }

    fn error(self) -> Option<E> {
        self.err()
    }

    fn as_error(&self) -> Option<&E> {
        self.as_ref().err()
    }

    fn map<V, W>(value: Result<V, E>, map: impl FnOnce(V) -> W) -> Result<W, E> {
        value.map(map)
    }

    fn split<V>(value: Result<V, E>) -> Result<V, E> {
        value
    }

    fn peek<V>(value: &Result<V, E>) -> Option<&V> {
        value.as_ref().ok()
    }
}

/// Whether `with!` may lack the value of its block although nothing failed.
pub trait Suppression {
    /// `T` or `Option<T>`.
    type Value<T>;

    fn get<T>(value: Self::Value<T>) -> Option<T>;

    fn peek<T>(value: &Self::Value<T>) -> Option<&T>;

    fn try_map<T, E>(value: Self::Value<T>, map: impl FnOnce(T) -> Result<T, E>) -> Result<Self::Value<T>, E>;
}

/// The value is always present.
#[derive(Debug)]
pub struct Never;

/// The value is missing if the manager suppressed what ended the block.
#[derive(Debug)]
pub struct Possible;

impl Suppression for Never {
    type Value<T> = T;

    fn get<T>(value: T) -> Option<T> {
        Some(value)
    }

    fn peek<T>(value: &T) -> Option<&T> {
        Some(value)
    }

    fn try_map<T, E>(value: T, map: impl FnOnce(T) -> Result<T, E>) -> Result<T, E> {
        map(value)
    }
}

impl Suppression for Possible {
    type Value<T> = Option<T>;

    fn get<T>(value: Option<T>) -> Option<T> {
        value
    }

    fn peek<T>(value: &Option<T>) -> Option<&T> {
        value.as_ref()
    }

    fn try_map<T, E>(value: Option<T>, map: impl FnOnce(T) -> Result<T, E>) -> Result<Option<T>, E> {
        value.map(map).transpose()
    }
}

/// Combines the output of a manager with that of the managers after it (`Rest`).
pub trait JoinOutput<Rest: BodyOutput>: BodyOutput {
    /// The output that can fail, if either can.
    type Both: BodyOutput;
}

impl<Rest: BodyOutput> JoinOutput<Rest> for () {
    type Both = Rest;
}

impl<E> JoinOutput<()> for Result<(), E> {
    type Both = Self;
}

impl<E, F> JoinOutput<Result<(), F>> for Result<(), E> {
    type Both = Self;
}

/// Combines two outputs that have the same error type, if both can fail.
#[diagnostic::on_unimplemented(
    message = "the managers of one `with!` must fail with the same error type",
    label = "this manager ends in `{Self}`, the managers after it end in `{Rest}`",
    note = "nest them, so that `?` converts the error: `with!(a() => with!(b() => ...)?)`"
)]
pub trait JoinSameOutput<Rest: BodyOutput>: JoinOutput<Rest> {
    /// Returns the result of the inner managers, with its value converted by `value`.
    fn around<V, W>(rest: Rest::Value<V>, value: impl FnOnce(V) -> W) -> <Self::Both as BodyOutput>::Value<W>;

    /// Returns `Err(error)`.
    fn fail<W>(error: Self::Error) -> <Self::Both as BodyOutput>::Value<W>;
}

impl<Rest: BodyOutput> JoinSameOutput<Rest> for () {
    fn around<V, W>(rest: Rest::Value<V>, value: impl FnOnce(V) -> W) -> Rest::Value<W> {
        Rest::map(rest, value)
    }

    fn fail<W>(error: Infallible) -> Rest::Value<W> {
        match error {}
    }
}

impl<E> JoinSameOutput<()> for Result<(), E> {
    fn around<V, W>(rest: V, value: impl FnOnce(V) -> W) -> Result<W, E> {
        Ok(value(rest))
    }

    fn fail<W>(error: E) -> Result<W, E> {
        Err(error)
    }
}

impl<E> JoinSameOutput<Self> for Result<(), E> {
    fn around<V, W>(rest: Result<V, E>, value: impl FnOnce(V) -> W) -> Result<W, E> {
        rest.map(value)
    }

    fn fail<W>(error: E) -> Result<W, E> {
        Err(error)
    }
}

/// Combines the suppression of a manager with that of the managers after it (`Rest`).
pub trait JoinSuppression<Rest: Suppression>: Suppression {
    /// `Possible` if one of them is.
    type Both: Suppression;

    /// Converts the value of the inner managers.
    fn around<T>(rest: Rest::Value<T>) -> <Self::Both as Suppression>::Value<T>;

    /// Returns the missing value. `None` if this manager cannot suppress.
    fn nothing<T>() -> Option<<Self::Both as Suppression>::Value<T>>;
}

impl<Rest: Suppression> JoinSuppression<Rest> for Never {
    type Both = Rest;

    fn around<T>(rest: Rest::Value<T>) -> Rest::Value<T> {
        rest
    }

    fn nothing<T>() -> Option<Rest::Value<T>> {
        None
    }
}

impl<Rest: Suppression> JoinSuppression<Rest> for Possible {
    type Both = Self;

    fn around<T>(rest: Rest::Value<T>) -> Option<T> {
        Rest::get(rest)
    }

    fn nothing<T>() -> Option<Option<T>> {
        Some(None)
    }
}
