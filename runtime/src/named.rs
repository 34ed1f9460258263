//! The name of a manager, and how its error is formatted, as far as both are known where its function is defined.
//!
//! A type that is written out can be checked for `Error` or `Debug`. Code that is generic over the type cannot check
//! this. The attribute therefore checks in the function itself: it calls the method `__acm_named` of a [`Known`], which
//! exists if the error is an `Error`. If it is not, method lookup dereferences the `Known` and tries the next type,
//! down to the last one, which always has the method. Only the bounds of the function itself count there. (The method
//! has a name that no trait of the user has.)

use core::any::type_name;
use core::error::Error;
use core::fmt::{self, Debug, Formatter};
use core::marker::PhantomData;
use core::ops::Deref;
#[cfg(feature = "std")]
use std::{any::Any, boxed::Box, string::String};

use crate::output::BodyOutput;
use crate::rescue::Lost;

/// The name of a manager whose body returns `O`, and the function that formats the error in `O`. That function is
/// `None` if only the name of the error type is known.
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct Named<O> {
    name: &'static str,
    show: Option<Show<O>>,
}

type Show<O> = fn(&O, &mut Formatter<'_>) -> fmt::Result;

impl<O> Clone for Named<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Named<O> {}

impl<O> Named<O> {
    /// Creates the name of a manager of whose error only the type is known.
    pub(crate) const fn generic(name: &'static str) -> Self {
        Self { name, show: None }
    }

    /// Creates the name of a manager that formats its error itself.
    #[cfg(feature = "tokio")]
    pub(crate) const fn shown_by(name: &'static str, show: Show<O>) -> Self {
        Self { name, show: Some(show) }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }
}

impl<O: BodyOutput> Named<O> {
    /// Formats the error in `ended`.
    pub(crate) fn show(self, ended: &O, f: &mut Formatter<'_>) -> fmt::Result {
        match self.show {
            Some(show) => show(ended, f),
            None => f.write_str(type_name::<O::Error>()),
        }
    }

    /// Calls `report` with the error in `ended`.
    pub(crate) fn report(self, report: fn(&'static str, Lost<'_>), what: &str, ended: &O) {
        report(self.name, Lost::from(what).show(&|f| self.show(ended, f)));
    }
}

#[cfg(feature = "std")]
impl<O: BodyOutput<Error: 'static>> Named<O> {
    /// Formats the error in `ended`, whose type can be compared with other types.
    pub(crate) fn show_static(self, ended: &O, f: &mut Formatter<'_>) -> fmt::Result {
        match ended.as_error() {
            Some(error) if self.show.is_none() => show_static(error, f),
            _ => self.show(ended, f),
        }
    }
}

/// Formats an error of which only the type is known. A few common error types are formatted by their value, all others
/// by the name of the type.
#[cfg(feature = "std")]
pub(crate) fn show_static<E: 'static>(error: &E, f: &mut Formatter<'_>) -> fmt::Result {
    let error: &dyn Any = error;
    if let Some(error) = error.downcast_ref::<&str>() {
        Debug::fmt(error, f)
    } else if let Some(error) = error.downcast_ref::<String>() {
        Debug::fmt(error, f)
    } else if let Some(error) = error.downcast_ref::<std::io::Error>() {
        with_sources(error, f)
    } else if let Some(error) = error.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        with_sources(&**error, f)
    } else {
        f.write_str(type_name::<E>())
    }
}

/// Formats an error and its sources, separated by colons.
fn with_sources<E: Error + ?Sized>(error: &E, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

/// The type from which the attribute creates a [`Named`]: `Known::<Result<(), E>>::new("connection").__acm_named()`.
#[derive(Debug)]
pub struct Known<O>(NoError<O>);

/// The next type in the method lookup, if the error is not an `Error`.
#[derive(Debug)]
pub struct NoError<O>(NoBox<O>);

/// The next type in the method lookup, if the error is not a `Box` of an `Error` either. Such a `Box` is not an `Error`
/// itself.
#[derive(Debug)]
pub struct NoBox<O>(NoDebug<O>);

/// The last type in the method lookup, if the error is not `Debug` either.
#[derive(Debug)]
pub struct NoDebug<O> {
    name: &'static str,
    output: PhantomData<fn() -> O>,
}

impl<O> Known<O> {
    /// Creates it from the name of the function.
    #[must_use]
    #[inline]
    pub const fn new(name: &'static str) -> Self {
        Self(NoError(NoBox(NoDebug { name, output: PhantomData })))
    }
}

impl<O> Deref for Known<O> {
    type Target = NoError<O>;

    #[inline]
    fn deref(&self) -> &NoError<O> {
        &self.0
    }
}

impl<O> Deref for NoError<O> {
    type Target = NoBox<O>;

    #[inline]
    fn deref(&self) -> &NoBox<O> {
        &self.0
    }
}

impl<O> Deref for NoBox<O> {
    type Target = NoDebug<O>;

    #[inline]
    fn deref(&self) -> &NoDebug<O> {
        &self.0
    }
}

/// An output whose error is an `Error`, or that has no error.
pub trait EndsInError {
    /// Formats the error with its sources.
    ///
    /// # Errors
    ///
    /// Returns the errors of the formatter.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

/// An output whose error is a `Box` of an `Error`, or that has no error.
pub trait EndsInBox {
    /// Formats the error with its sources.
    ///
    /// # Errors
    ///
    /// Returns the errors of the formatter.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

/// An output whose error is `Debug`, or that has no error.
pub trait EndsInDebug {
    /// Formats the error with `Debug`.
    ///
    /// # Errors
    ///
    /// Returns the errors of the formatter.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E: Error> EndsInError for Result<(), E> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_ref().err().map_or(Ok(()), |error| with_sources(error, f))
    }
}

/// The compiler also uses `()` in place of a type that does not exist. With this impl, such a mistake is one error and
/// not two.
impl EndsInError for () {
    fn show(&self, _f: &mut Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(feature = "std")]
impl<E: Error + ?Sized> EndsInBox for Result<(), Box<E>> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_ref().err().map_or(Ok(()), |error| with_sources(&**error, f))
    }
}

impl<E: Debug> EndsInDebug for Result<(), E> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_ref().err().map_or(Ok(()), |error| Debug::fmt(error, f))
    }
}

impl<O: EndsInError> Known<O> {
    /// Returns a name that formats the error with its sources.
    #[must_use]
    #[inline]
    pub fn __acm_named(&self) -> Named<O> {
        Named { name: self.name, show: Some(O::show) }
    }
}

impl<O: EndsInBox> NoError<O> {
    /// Returns a name that formats the error with its sources.
    #[must_use]
    #[inline]
    pub fn __acm_named(&self) -> Named<O> {
        Named { name: self.name, show: Some(O::show) }
    }
}

impl<O: EndsInDebug> NoBox<O> {
    /// Returns a name that formats the error with `Debug`.
    #[must_use]
    #[inline]
    pub fn __acm_named(&self) -> Named<O> {
        Named { name: self.name, show: Some(O::show) }
    }
}

impl<O> NoDebug<O> {
    /// Returns a name that only shows the name of the error type. (The manager may have no error at all.)
    #[must_use]
    #[inline]
    pub const fn __acm_named(&self) -> Named<O> {
        Named::generic(self.name)
    }
}
