//! What a manager function returns, and what `with!` takes.

use core::fmt;
use core::future::{Future, Pending};
use core::marker::PhantomData;

use crate::exit::Exit;
use crate::lend::Contract;
use crate::named::Named;
use crate::raw::body::Name;
#[cfg(feature = "std")]
use crate::raw::body::{Renamed, Uncut};
use crate::raw::{Body, FrameHandle, FunctionBody, SameContract};

/// What a function with `#[async_context_manager]` returns: a context manager that has not been entered.
///
/// Making one runs none of the function's code; [`with!`](crate::with) enters it. It is used once, by move. Its type
/// can't be written out: `B` is the body of the function, `L` describes what it lends. It is `Send` exactly when its
/// arguments are; the future of its `with!` is when everything in the body and the block is.
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
pub struct Manager<B, L> {
    pub(crate) body: B,
    contract: PhantomData<fn(L) -> L>,
}

/// What the body of a manager on the contract `L` ends in.
pub(crate) type OutputOf<L> = <<L as Contract>::Exit as Exit>::Output;

#[cfg(feature = "std")]
impl<B: Body, L> Manager<B, L> {
    /// Returns the same manager. When it is dropped in its exit phase, what it holds looks after itself: no more is lost.
    pub(crate) fn uncut(self) -> Manager<Renamed<B, Uncut<B::Name>>, L> {
        self.map(|body| Renamed { name: Uncut(body.name()), body })
    }
}

impl<N, B, F, L> Manager<FunctionBody<N, B>, L>
where
    N: Name<Output = F::Output>,
    B: FnOnce(FrameHandle) -> F,
    F: Future<Output = OutputOf<L>>,
    L: Contract,
{
    /// The manager with this body, which is on the same contract.
    #[doc(hidden)]
    #[inline]
    pub const fn new(_terms: SameContract<L>, name: N, body: B) -> Self {
        Self { body: FunctionBody::new(name, body), contract: PhantomData }
    }
}

impl<B, L> Manager<B, L> {
    /// Returns the manager with another body, on the same contract.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn map<C>(self, map: impl FnOnce(B) -> C) -> Manager<C, L> {
        Manager { body: map(self.body), contract: PhantomData }
    }
}

/// The body of a manager that is never there.
type Stub<L> = FunctionBody<fn() -> Named<OutputOf<L>>, fn(FrameHandle) -> Pending<OutputOf<L>>>;

impl<L: Contract> Manager<Stub<L>, L> {
    /// Stands for the manager of a function that can't be parsed, next to the error that says so.
    #[doc(hidden)]
    pub fn stub() -> Self {
        unreachable!("not compiled")
    }
}

impl<B: Body, L> fmt::Debug for Manager<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field(B::Name::KIND, &self.body.name().named().name()).finish_non_exhaustive()
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
    type Contract: Contract;

    /// The manager.
    fn into_manager(
        self,
    ) -> Manager<impl Body<Future = impl Future<Output = OutputOf<Self::Contract>>>, Self::Contract>;
}

impl<B: Body<Future: Future<Output = OutputOf<L>>>, L: Contract> IntoManager for Manager<B, L> {
    type Contract = L;

    #[expect(refining_impl_trait, reason = "so that it is `Send` when the body is")]
    #[inline]
    fn into_manager(self) -> Self {
        self
    }
}

/// What is to be entered. It makes the compiler tell once that it can't be.
#[inline]
pub const fn assert_manager<M>(manager: M) -> M {
    manager
}
