//! What is known of a manager where its function stands: its name, and how its error is shown.
//!
//! Whether an error is an `Error`, or at least `Debug`, can be asked of a type that is written out. Code that is generic
//! over it can't ask. So the attribute asks in the function: it calls the method `__acm_named` of a [`Known`], which has
//! one if the error is an `Error`. If not, the method is looked for in what a `Known` dereferences to, and so on to the
//! last, which has one in any case. Only the bounds that the function itself has count there. (The name of the method is
//! one that no trait of the user's has.)

use core::any::type_name;
use core::error::Error;
use core::fmt::{self, Debug, Formatter};
use core::marker::PhantomData;
use core::ops::Deref;
#[cfg(feature = "std")]
use std::{any::Any, boxed::Box, string::String};

use crate::output::BodyOutput;
use crate::rescue::Lost;

/// The name of a manager that ends in `O`, and how the error in that is shown. `None` if only the name of its type is
/// known.
#[expect(missing_debug_implementations, reason = "nobody sees it")]
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
    /// Of a manager of whose error nothing is known but its type.
    pub(crate) const fn generic(name: &'static str) -> Self {
        Self { name, show: None }
    }

    /// Of a manager that shows its error by itself.
    #[cfg(feature = "tokio")]
    pub(crate) const fn shown_by(name: &'static str, show: Show<O>) -> Self {
        Self { name, show: Some(show) }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }
}

impl<O: BodyOutput> Named<O> {
    /// Shows the error in `ended`.
    pub(crate) fn show(self, ended: &O, f: &mut Formatter<'_>) -> fmt::Result {
        match self.show {
            Some(show) => show(ended, f),
            None => f.write_str(type_name::<O::Error>()),
        }
    }

    /// Has `report` tell of the error in `ended`.
    pub(crate) fn report(self, report: fn(&'static str, Lost<'_>), what: &str, ended: &O) {
        report(self.name, Lost::from(what).show(&|f| self.show(ended, f)));
    }
}

#[cfg(feature = "std")]
impl<O: BodyOutput<Error: 'static>> Named<O> {
    /// The same of an error whose type can be compared with others.
    pub(crate) fn show_static(self, ended: &O, f: &mut Formatter<'_>) -> fmt::Result {
        match ended.as_error() {
            Some(error) if self.show.is_none() => show_static(error, f),
            _ => self.show(ended, f),
        }
    }
}

/// Shows an error of which only the type is known: by its name, if it is not one of those that are used most.
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

/// Shows an error and its sources, with colons between them.
fn with_sources<E: Error + ?Sized>(error: &E, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

/// What the attribute makes the [`Named`] of: `Known::<Result<(), E>>::new("connection").__acm_named()`.
#[derive(Debug)]
pub struct Known<O>(NoError<O>);

/// What is there if the error is no `Error`.
#[derive(Debug)]
pub struct NoError<O>(NoBox<O>);

/// What is there if it is no `Box` of one either, which is no `Error` itself.
#[derive(Debug)]
pub struct NoBox<O>(NoDebug<O>);

/// What is there if it is not `Debug` either.
#[derive(Debug)]
pub struct NoDebug<O> {
    name: &'static str,
    output: PhantomData<fn() -> O>,
}

impl<O> Known<O> {
    /// Makes it of the name of the function.
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

/// Ends in an `Error`, or in none.
pub trait EndsInError {
    /// Shows it with its sources.
    ///
    /// # Errors
    ///
    /// Those of the formatter, here and below.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

/// Ends in a `Box` of one, or in none.
pub trait EndsInBox {
    /// Shows it with its sources.
    ///
    /// # Errors
    ///
    /// As above.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

/// Ends in an error that is `Debug`, or in none.
pub trait EndsInDebug {
    /// Shows it by its `Debug`.
    ///
    /// # Errors
    ///
    /// As above.
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E: Error> EndsInError for Result<(), E> {
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.as_ref().err().map_or(Ok(()), |error| with_sources(error, f))
    }
}

/// (Also what the compiler takes a type for that is none, which is then one error and not two.)
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
    /// The error is shown with its sources.
    #[must_use]
    #[inline]
    pub fn __acm_named(&self) -> Named<O> {
        Named { name: self.name, show: Some(O::show) }
    }
}

impl<O: EndsInBox> NoError<O> {
    /// The same.
    #[must_use]
    #[inline]
    pub fn __acm_named(&self) -> Named<O> {
        Named { name: self.name, show: Some(O::show) }
    }
}

impl<O: EndsInDebug> NoBox<O> {
    /// The error is shown by its `Debug`.
    #[must_use]
    #[inline]
    pub fn __acm_named(&self) -> Named<O> {
        Named { name: self.name, show: Some(O::show) }
    }
}

impl<O> NoDebug<O> {
    /// Only the name of its type is shown. (There may be no error at all.)
    #[must_use]
    #[inline]
    pub const fn __acm_named(&self) -> Named<O> {
        Named::generic(self.name)
    }
}
