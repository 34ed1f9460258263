//! Classifies the value that left a block as an `Err` or not, even if its type is not inferred yet.

use core::any::type_name;
use core::convert::Infallible;
use core::fmt;
use core::task::Poll;

/// Determines whether a value of this type is a failure.
///
/// `with!` needs this for types that are often not inferred yet at that place in the source, as in
/// `with!(cm() => s.parse().unwrap())`, where a method call would force the compiler to decide. The compiler resolves a
/// trait bound later. But one trait cannot be implemented for `Result` and for all other types, so this trait has a
/// parameter, and the two implementations differ in it. `with!` passes an integer literal for the parameter:
///
/// - most types have only the implementation for `u8`, so the literal becomes a `u8`;
/// - `Result` (or a `Poll` of it) has both implementations, so the type of the literal stays open until the end of the
///   function. There an open integer literal falls back to `i32` (Rust reference, "Literal expressions"), which selects
///   the implementation for `Result`.
///
/// An open type falls back to `()` or `!` at the same time as the literal does, so these types have both
/// implementations, too.
pub trait Classify<Literal>: Sized {
    /// `Fallible` or `Plain`.
    type Kind;
    /// The error type.
    type Error;

    /// Returns whether this is an `Err`.
    fn failed(&self) -> bool;

    /// Returns the value, unless it is an `Err`.
    ///
    /// # Errors
    ///
    /// Returns the contained error.
    fn without_error(self) -> Result<Self, Self::Error>;

    /// Formats the error. Usually only the name of its type is known.
    ///
    /// # Errors
    ///
    /// Returns the errors of the formatter.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<Self::Error>())
    }
}

/// The kind of types whose values can be a failure.
#[derive(Debug)]
pub struct Fallible;

/// The kind of types whose values are never a failure.
#[derive(Debug)]
pub struct Plain;

impl<T> Classify<u8> for T {
    type Kind = Plain;
    type Error = Infallible;

    fn failed(&self) -> bool {
        false
    }

    fn without_error(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

impl<T, E> Classify<i32> for Result<T, E> {
    type Kind = Fallible;
    type Error = E;

    fn failed(&self) -> bool {
        self.is_err()
    }

    fn without_error(self) -> Result<Self, E> {
        self.map(Ok)
    }
}

// `?` can also leave a function with these types.
impl<T, E> Classify<i32> for Poll<Result<T, E>> {
    type Kind = Fallible;
    type Error = E;

    fn failed(&self) -> bool {
        matches!(self, Self::Ready(Err(_)))
    }

    fn without_error(self) -> Result<Self, E> {
        match self {
            Self::Ready(Err(error)) => Err(error),
            other => Ok(other),
        }
    }
}

impl<T, E> Classify<i32> for Poll<Option<Result<T, E>>> {
    type Kind = Fallible;
    type Error = E;

    fn failed(&self) -> bool {
        matches!(self, Self::Ready(Some(Err(_))))
    }

    fn without_error(self) -> Result<Self, E> {
        match self {
            Self::Ready(Some(Err(error))) => Err(error),
            other => Ok(other),
        }
    }
}

impl Classify<i32> for () {
    type Kind = Plain;
    type Error = Infallible;

    fn failed(&self) -> bool {
        false
    }

    fn without_error(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Classify<i32> for <fn() -> ! as ReturnType>::Type {
    type Kind = Plain;
    type Error = Infallible;

    fn failed(&self) -> bool {
        *self
    }

    fn without_error(self) -> Result<Self, Infallible> {
        self
    }
}

/// Names the type `!`, which stable Rust can only write as a return type.
pub trait ReturnType {
    /// The type that the function pointer returns.
    type Type;
}

impl<T> ReturnType for fn() -> T {
    type Type = T;
}
