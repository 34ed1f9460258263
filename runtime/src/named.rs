//! The name of a manager, and how its errors are shown.

use core::any::type_name;
use core::fmt::{self, Formatter};

use crate::output::BodyOutput;
use crate::rescue::Lost;
use crate::scope_types::{RestOutput, Scope};
#[cfg(feature = "std")]
use crate::show::show_static;
use crate::show::{Asks, ShowIn, ShowsError};

/// The name of a manager whose body returns `O`, and the function that formats the error in `O`. That function is
/// `None` if only the name of the error type is known.
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct Named<O> {
    name: &'static str,
    show: Option<ShowIn<O>>,
}

impl<O> Clone for Named<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Named<O> {}

impl<O> Named<O> {
    /// Creates the name of a manager of whose error only the type is known.
    #[must_use]
    #[inline]
    pub const fn new(name: &'static str) -> Self {
        Self { name, show: None }
    }

    /// Adds how the error is shown, unless it is known already. For `literals` see [`ShowsError`].
    #[must_use]
    #[inline]
    pub fn showing<Literals>(self, _literals: Literals) -> Self
    where
        Asks: ShowsError<O, Literals>,
    {
        self.or_shown_by(Asks::SHOW)
    }

    /// Adds the function that formats the error, unless there is one already.
    #[inline]
    pub(crate) fn or_shown_by(self, show: Option<ShowIn<O>>) -> Self {
        Self { show: self.show.or(show), ..self }
    }

    /// Creates the name of a manager that formats its error itself.
    #[cfg(feature = "tokio")]
    pub(crate) const fn shown_by(name: &'static str, show: ShowIn<O>) -> Self {
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

/// The functions that format the error in the end of a block. Each is `None` if only the name of the type is known.
pub struct ShowEnd<S: Scope> {
    /// Formats the error in the value of the block.
    pub(crate) value: Option<ShowIn<S::Value>>,
    /// Formats the error of the managers after this one in the header.
    pub(crate) rest: Option<ShowIn<RestOutput<S>>>,
    /// Formats the error in a value that the block returns.
    pub(crate) returned: Option<ShowIn<S::Return>>,
}

/// The name of a manager in a `with!` with the types `S`. Where the `with!` is, more is known about the errors.
pub trait NameAt<S: Scope>: Copy + Send + Sync {
    /// Formats the error in the end of the block.
    const SHOW_END: ShowEnd<S>;

    /// The output of the body.
    type Output;

    /// Returns the name together with the function that formats the manager's error.
    fn named(&self) -> Named<Self::Output>;

    /// Returns whether work is lost when the body is dropped in its exit phase.
    fn can_be_cut(&self) -> bool;
}
