//! What a manager function returns, and what `with!` takes.

use core::fmt;
use core::future::{Future, Pending};
use core::marker::PhantomData;

use crate::exit::Exit;
use crate::lend::Lent;

/// What a function with `#[async_context_manager]` returns: a context manager that has not been entered.
///
/// Making one runs none of the function's code; [`with!`](crate::with) enters it. It is used once, by move. Its type
/// can't be written out: `F` is the body of the function, `L` describes what it lends. It is `Send` exactly when the
/// body is.
#[must_use = "a manager does nothing until it is entered: `with!(manager => { ... })`"]
pub struct Manager<F, L> {
    pub(crate) body: F,
    pub(crate) about: &'static About,
    lends: PhantomData<fn() -> L>,
}

/// What is known of a manager function, for messages.
#[derive(Debug)]
pub struct About {
    /// The name of the function.
    pub name: &'static str,
}

impl<F: Future<Output: Exit>, L: Lent> Manager<F, L> {
    /// The manager with this body. It attaches itself as `L` first of all.
    #[doc(hidden)]
    pub const fn new(about: &'static About, body: F) -> Self {
        Self { body, about, lends: PhantomData }
    }
}

impl<X: Exit, L: Lent> Manager<Pending<X>, L> {
    /// Stands for the manager of a function that can't be parsed, next to the error that says so.
    #[doc(hidden)]
    pub fn absent() -> Self {
        unreachable!("not compiled")
    }
}

impl<F, L> fmt::Debug for Manager<F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("function", &self.about.name).finish_non_exhaustive()
    }
}

/// What `with!` can enter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async context manager",
    label = "`with!` takes what a function with `#[async_context_manager]` returns"
)]
pub trait IntoManager {
    /// How its body ends.
    type Exit: Exit;
    /// Its body.
    type Body: Future<Output = Self::Exit>;
    /// What it lends.
    type Lent: Lent;

    /// The manager.
    fn into_manager(self) -> Manager<Self::Body, Self::Lent>;
}

impl<F: Future<Output: Exit>, L: Lent> IntoManager for Manager<F, L> {
    type Exit = F::Output;
    type Body = F;
    type Lent = L;

    fn into_manager(self) -> Self {
        self
    }
}
