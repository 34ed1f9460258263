//! Tells whether what left a block is an `Err`, when its type may not be known yet.

use core::any::type_name;
use core::convert::Infallible;
use core::fmt;
use core::task::Poll;

/// Whether a value of this type stands for a failure.
///
/// `with!` asks this of types that are often still open where it stands (`with!(cm() => s.parse().unwrap())`), where a
/// method call would force the compiler to decide. A trait bound is decided late. But one trait can't be implemented
/// for `Result` and for everything else, so it has a parameter, and the two implementations differ in it. `with!`
/// passes an integer literal for the parameter:
///
/// - most types have only the implementation for `u8`, so the literal becomes a `u8`;
/// - `Result` (or a `Poll` of it) has both, which leaves the literal open to the end of the function, where an open
///   integer literal falls back to `i32` (Rust reference, "Literal expressions"), and with it the implementation for
///   `Result` is taken.
///
/// `()` and `!` are what an open type falls back to, at the same time as the literal does: so they have both, too.
pub trait Classify<Literal>: Sized {
    /// `Fallible` or `Plain`.
    type Kind;
    /// The error.
    type Error;

    /// Whether this is an `Err`.
    fn failed(&self) -> bool;

    /// Catches the error out, if there is one.
    ///
    /// # Errors
    ///
    /// It.
    fn without_error(self) -> Result<Self, Self::Error>;

    /// Shows the error. Mostly nothing is known of it but the name of its type.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<Self::Error>())
    }
}

/// A value of the type can stand for a failure.
#[derive(Debug)]
pub struct Fallible;

/// No value of the type stands for a failure.
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

// What `?` can leave a function with, besides.
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
    /// What the function pointer returns.
    type Type;
}

impl<T> ReturnType for fn() -> T {
    type Type = T;
}
