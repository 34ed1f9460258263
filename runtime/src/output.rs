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
    /// The output of a manager and those after it (`Rest`): it can fail if either can. Differing errors are allowed
    /// here, so that only [`JoinOutput`] reports them.
    #[doc(hidden)]
    type Both<Rest: BodyOutput>: BodyOutput;
    /// Whether an error is possible: `Fallible` or `Plain`.
    #[doc(hidden)]
    type Kind;
    /// The error type, or `Infallible`.
    #[doc(hidden)]
    type Error;

    #[doc(hidden)]
    fn value<V>(result: Result<V, Self::Error>) -> Self::Value<V>;

    #[doc(hidden)]
    fn result<V>(value: Self::Value<V>) -> Result<V, Self::Error>;

    #[doc(hidden)]
    fn failed(error: Self::Error) -> Self;

    #[doc(hidden)]
    fn check(self) -> Result<(), Self::Error>;

    #[doc(hidden)]
    fn as_error(&self) -> Option<&Self::Error>;
}

impl BodyOutput for () {
    type Value<V> = V;
    type Both<Rest: BodyOutput> = Rest;
    type Kind = Plain;
    type Error = Infallible;

    fn value<V>(Ok(value): Result<V, Infallible>) -> V {
        value
    }

    fn result<V>(value: V) -> Result<V, Infallible> {
        Ok(value)
    }

    fn failed(error: Infallible) {
        match error {}
    }

    fn check(self) -> Result<(), Infallible> {
        Ok(())
    }

    fn as_error(&self) -> Option<&Infallible> {
        None
    }
}

impl<E> BodyOutput for Result<(), E> {
    type Value<V> = Result<V, E>;
    type Both<Rest: BodyOutput> = Self;
    type Kind = Fallible;
    type Error = E;

    fn value<V>(result: Result<V, E>) -> Result<V, E> {
        result
    }

    fn result<V>(value: Result<V, E>) -> Result<V, E> {
        value
    }

    fn failed(error: E) -> Self {
        Err(error)
    }

    fn check(self) -> Self {
        self
    }

    fn as_error(&self) -> Option<&E> {
        self.as_ref().err()
    }
}

/// Combines the output of a manager with that of the managers after it (`Rest`), which has the same error type if both
/// can fail.
#[diagnostic::on_unimplemented(
    message = "the managers of one `with!` must fail with the same error type",
    label = "this manager ends in `{Self}`, the managers after it end in `{Rest}`",
    note = "nest them, so that `?` converts the error: `with!(a() => with!(b() => ...)?)`"
)]
pub trait JoinOutput<Rest: BodyOutput>: BodyOutput {
    /// Joins the result of this manager with the one in it, which is that of the managers after it.
    fn join<V>(own: Result<Result<V, Rest::Error>, Self::Error>) -> Result<V, <Self::Both<Rest> as BodyOutput>::Error>;
}

impl<Rest: BodyOutput> JoinOutput<Rest> for () {
    fn join<V>(Ok(rest): Result<Result<V, Rest::Error>, Infallible>) -> Result<V, Rest::Error> {
        rest
    }
}

impl<E> JoinOutput<()> for Result<(), E> {
    fn join<V>(own: Result<Result<V, Infallible>, E>) -> Result<V, E> {
        own.map(|Ok(value)| value)
    }
}

impl<E> JoinOutput<Self> for Result<(), E> {
    fn join<V>(own: Result<Result<V, E>, E>) -> Result<V, E> {
        own.and_then(|rest| rest)
    }
}

/// Whether `with!` may lack the value of its block although nothing failed.
pub trait Suppression {
    /// `T` or `Option<T>`.
    type Value<T>;
    /// The suppression of a manager and those after it (`Rest`): `Possible` if either is.
    type Both<Rest: Suppression>: Suppression;
    /// The type that stands for a missing value: `()`, or `Infallible` if the value is always present.
    type Missing;
    /// `None` if the value is always present.
    const MISSING: Option<Self::Missing>;

    fn value<T>(result: Result<T, Self::Missing>) -> Self::Value<T>;

    fn result<T>(value: Self::Value<T>) -> Result<T, Self::Missing>;

    /// Joins the result of this manager with the one in it, which is that of the managers after it.
    fn join<T, Rest: Suppression>(
        own: Result<Result<T, Rest::Missing>, Self::Missing>,
    ) -> Result<T, <Self::Both<Rest> as Suppression>::Missing>;
}

/// The value is always present.
#[derive(Debug)]
pub struct Never;

/// The value is missing if the manager suppressed what ended the block.
#[derive(Debug)]
pub struct Possible;

impl Suppression for Never {
    type Value<T> = T;
    type Both<Rest: Suppression> = Rest;
    type Missing = Infallible;
    const MISSING: Option<Infallible> = None;

    fn value<T>(Ok(value): Result<T, Infallible>) -> T {
        value
    }

    fn result<T>(value: T) -> Result<T, Infallible> {
        Ok(value)
    }

    fn join<T, Rest: Suppression>(Ok(rest): Result<Result<T, Rest::Missing>, Infallible>) -> Result<T, Rest::Missing> {
        rest
    }
}

impl Suppression for Possible {
    type Value<T> = Option<T>;
    type Both<Rest: Suppression> = Self;
    type Missing = ();
    const MISSING: Option<()> = Some(());

    fn value<T>(result: Result<T, ()>) -> Option<T> {
        result.ok()
    }

    fn result<T>(value: Option<T>) -> Result<T, ()> {
        value.ok_or(())
    }

    fn join<T, Rest: Suppression>(own: Result<Result<T, Rest::Missing>, ()>) -> Result<T, ()> {
        own.and_then(|rest| rest.map_err(|_missing| ()))
    }
}
