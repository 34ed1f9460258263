//! Finds out whether an error type is `Error` or `Debug`, and formats the error.
//!
//! Code that is generic over a type cannot check whether the type is an `Error`, or `Debug`. The macros therefore ask in the
//! function of the user, where the type is known: see [`ShowsError`]. Only the bounds of that function itself count there.

use core::any::type_name;
use core::error::Error;
use core::fmt::{self, Debug, Formatter};
use core::marker::PhantomData;
#[cfg(feature = "std")]
use std::{any::Any, boxed::Box, string::String};

use crate::classify::ReturnType;

/// Formats the error in a value.
pub(crate) type ShowIn<V> = fn(&V, &mut Formatter<'_>) -> fmt::Result;

/// Asks how the error in a value of the type `V` is shown: the error of an `Err`. Implemented for [`Asks`] and [`AsksNot`].
///
/// One trait cannot be implemented for the values whose error is an [`Error`] and for all others. As in
/// [`Classify`](crate::classify::Classify), the literals in the parameter tell the implementations apart. Each literal asks
/// one question about the error: whether it is an `Error`, a `Box` of one (which is not an `Error` itself), or `Debug`. If
/// it is not, only the implementation for `u8` is left. If it is, or if its type is still open, both are left, and the
/// literal falls back to an `i32` at the end of the function.
pub trait ShowsError<V, Literals> {
    /// Formats the error. `None` if only the name of its type is known.
    const SHOW: Option<ShowIn<V>>;
}

/// Asks.
#[derive(Debug)]
pub struct Asks;

/// Does not ask. The answer is that nothing is known.
#[derive(Debug)]
pub struct AsksNot;

/// The literals of a function that is generic over all errors in its `with!`: see [`AtWith`](crate::raw::body::AtWith).
pub(crate) const GENERIC: (PhantomData<AsksNot>, Generic, Generic, Generic, Generic) =
    (PhantomData, (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0));

type Generic = (u8, u8, u8);

impl<T, E: Error, B, D> ShowsError<Result<T, E>, (i32, B, D)> for Asks {
    const SHOW: Option<ShowIn<Result<T, E>>> = Some(|value, f| show(value, f, with_sources));
}

impl<A: ShowsError<V, (B, D)>, V, B, D> ShowsError<V, (u8, B, D)> for A {
    const SHOW: Option<ShowIn<V>> = A::SHOW;
}

#[cfg(feature = "std")]
impl<T, E: Error + ?Sized, D> ShowsError<Result<T, Box<E>>, (i32, D)> for Asks {
    const SHOW: Option<ShowIn<Result<T, Box<E>>>> =
        Some(|value, f| show(value, f, |error, f| with_sources(&**error, f)));
}

impl<A: ShowsError<V, (D,)>, V, D> ShowsError<V, (u8, D)> for A {
    const SHOW: Option<ShowIn<V>> = A::SHOW;
}

impl<T, E: Debug> ShowsError<Result<T, E>, (i32,)> for Asks {
    const SHOW: Option<ShowIn<Result<T, E>>> = Some(|value, f| show(value, f, Debug::fmt));
}

impl<A, V> ShowsError<V, (u8,)> for A {
    const SHOW: Option<ShowIn<V>> = None;
}

// `with!` may find out that it does not ask only when the literals have fallen back.
impl<V, B, D> ShowsError<V, (i32, B, D)> for AsksNot {
    const SHOW: Option<ShowIn<V>> = None;
}

// An open type falls back to one of these, when the literals fall back. The compiler also uses `()` in place of a type
// that does not exist.
impl<B, D> ShowsError<(), (i32, B, D)> for Asks {
    const SHOW: Option<ShowIn<()>> = None;
}

impl<B, D> ShowsError<<fn() -> ! as ReturnType>::Type, (i32, B, D)> for Asks {
    const SHOW: Option<ShowIn<<fn() -> ! as ReturnType>::Type>> = None;
}

/// Formats the error in `value`. If it has none, the error is elsewhere, and the name of its type is shown.
fn show<T, E>(
    value: &Result<T, E>,
    f: &mut Formatter<'_>,
    show: fn(&E, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    match value {
        Ok(_) => f.write_str(type_name::<E>()),
        Err(error) => show(error, f),
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
