//! `#[within]`: converts the result of the `with!` into the function's return type.

use core::convert::Infallible;

use crate::classify::{Fallible, Plain};
use crate::frame::Frame;
use crate::output::{Never, Possible, Suppression};
use crate::scope_types::{BothOf, Scope};
use crate::value::{OutputError, OutputKind, Shape, Value, finished};

impl<S: Scope<Value = Infallible>> Frame<S> {
    /// Converts the value of a `with!` whose block leaves by `return` into the return value of the function.
    pub fn into_return(&self, value: Value<BothOf<S>, Infallible>) -> S::Return
    where
        S::Return: ReturnsError<OutputKind<BothOf<S>>, OutputError<BothOf<S>>>
            + ReturnsNothing<<BothOf<S> as Shape>::Suppression>,
    {
        match finished::<BothOf<S>, Infallible>(value) {
            Ok(Err(missing)) => S::Return::nothing(missing),
            Err(error) => S::Return::error(error),
        }
    }
}

/// A return type that can hold the error of the function's managers. `Kind` says whether they can fail.
#[diagnostic::on_unimplemented(
    message = "the manager of `#[within]` can fail with `{Error}`, but the function can't",
    label = "this function returns `{Self}`: return a `Result` whose error implements `From<{Error}>`",
    note = "to handle the error in the function, write `with!(...)` in its body instead"
)]
pub trait ReturnsError<Kind, Error> {
    /// Returns a failure with this error, converted as by `?`.
    fn error(error: Error) -> Self;
}

impl<R> ReturnsError<Plain, Infallible> for R {
    fn error(error: Infallible) -> Self {
        match error {}
    }
}

impl<T, E, F: From<E>> ReturnsError<Fallible, E> for Result<T, F> {
    fn error(error: E) -> Self {
        Err(error.into())
    }
}

/// A return type that has a value for the case that the managers, with the suppression `P`, have suppressed what ended
/// the body.
#[diagnostic::on_unimplemented(
    message = "the manager of `#[within]` may end the function without a `{Self}` to return",
    label = "this function returns `{Self}`",
    note = "return `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`"
)]
pub trait ReturnsNothing<P: Suppression> {
    /// Returns the value that replaces the missing one.
    fn nothing(missing: P::Missing) -> Self;
}

impl<R> ReturnsNothing<Never> for R {
    fn nothing(missing: Infallible) -> Self {
        match missing {}
    }
}

impl<R: Nothing> ReturnsNothing<Possible> for R {
    fn nothing((): ()) -> Self {
        Self::NOTHING
    }
}

/// A return type that can express a missing value.
#[diagnostic::on_unimplemented(
    message = "the manager of `#[within]` may end the function without a `{Self}` to return",
    label = "the return type of this function contains `{Self}`",
    note = "return `()`, `Option<T>`, `Result<(), E>` or `Result<Option<T>, E>`"
)]
pub trait Nothing {
    /// The value that the function returns if its body has none.
    const NOTHING: Self;
}

impl Nothing for () {
    const NOTHING: Self = ();
}

impl<T> Nothing for Option<T> {
    const NOTHING: Self = None;
}

impl<T: Nothing, E> Nothing for Result<T, E> {
    const NOTHING: Self = Ok(T::NOTHING);
}
