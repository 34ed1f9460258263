//! What a manager function returns, and what `with!` takes.

use core::fmt;
use core::future::{Future, Pending};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use crate::exit::Exit;
use crate::lend::Terms;

/// What a function with `#[async_context_manager]` returns: a context manager that has not been entered.
///
/// Making one runs none of the function's code; [`with!`](crate::with) enters it. It is used once, by move. Its type
/// can't be written out: `F` is the body of the function, `L` describes what it lends. It is `Send` exactly when the
/// body is.
///
/// ```
/// use async_context_manager::{async_context_manager, with};
///
/// #[async_context_manager]
/// async fn span(name: &str) {
///     println!("{name} begins");
///     r#yield!();
///     println!("{name} ends");
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let span = span("load"); // nothing is printed yet
/// with!(span => { /* ... */ });
/// # }
/// ```
///
/// The managers of two functions are of two types, so they can't be the two branches of one `if`: see
/// [`nullcontext`](fn@crate::nullcontext).
#[must_use = "a manager does nothing until it is entered: `with!(manager => { ... })`"]
pub struct Manager<F, L> {
    pub(crate) body: F,
    pub(crate) about: &'static About,
    terms: PhantomData<fn() -> L>,
}

/// What a manager was made from, for messages.
#[derive(Debug)]
pub enum About {
    /// A function, of this name.
    Function(&'static str),
    /// A type, of this name.
    Type(fn() -> &'static str),
}

impl About {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Function(name) => name,
            Self::Type(name) => name(),
        }
    }
}

/// What the body of a manager on the terms `L` ends in.
pub(crate) type OutputOf<L> = <<L as Terms>::Exit as Exit>::Output;

impl<F: Future<Output = OutputOf<L>>, L: Terms> Manager<F, L> {
    /// The manager with this body. It attaches itself as `L` first of all.
    #[doc(hidden)]
    #[inline]
    pub const fn new(about: &'static About, body: F) -> Self {
        Self { body, about, terms: PhantomData }
    }
}

/// A manager on its way into a `with!`, which is the next to have it. So it need not be looked after until then.
pub(crate) type Held<F, L> = Manager<ManuallyDrop<F>, L>;

impl<F, L> Manager<F, L> {
    #[inline]
    pub(crate) fn hold(self) -> Held<F, L> {
        let Self { body, about, terms } = self;
        Manager { body: ManuallyDrop::new(body), about, terms }
    }
}

impl<L: Terms> Manager<Pending<OutputOf<L>>, L> {
    /// Stands for the manager of a function that can't be parsed, next to the error that says so.
    #[doc(hidden)]
    pub fn absent() -> Self {
        unreachable!("not compiled")
    }
}

impl<F, L> fmt::Debug for Manager<F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.about {
            About::Function(_) => "function",
            About::Type(_) => "type",
        };
        f.debug_struct("Manager").field(kind, &self.about.name()).finish_non_exhaustive()
    }
}

/// What `with!` can enter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async context manager",
    label = "neither a manager nor a type that implements `AsyncContextManager`",
    note = "a future that gives one: did you forget `.await`? an `async fn` that is to be one: put \
            `#[async_context_manager]` on it",
    note = "an `Option` or a `Result` of one: take it out first, with `?`",
    note = "a guard, of a lock say: it needs no `with!`, bind it in a block, `let guard = ...;`",
    note = "none at all: `nullcontext(value)`"
)]
pub trait IntoManager {
    /// What it lends, and how it ends.
    type Terms: Terms;

    /// The manager.
    fn into_manager(self) -> Manager<impl Future<Output = OutputOf<Self::Terms>>, Self::Terms>;
}

impl<F: Future<Output = OutputOf<L>>, L: Terms> IntoManager for Manager<F, L> {
    type Terms = L;

    #[expect(refining_impl_trait, reason = "so that it is `Send` when the body is")]
    #[inline]
    fn into_manager(self) -> Self {
        self
    }
}
