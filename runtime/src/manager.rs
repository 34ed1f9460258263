//! `Manager`, which a manager function returns, and `IntoManager`, which `with!` accepts.

use core::fmt;
use core::future::{Future, Pending};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use crate::exit::Exit;
use crate::lend::Contract;
#[cfg(feature = "std")]
use crate::lend::Lends;
use crate::named::Named;
use crate::raw::body::Name;
#[cfg(feature = "std")]
use crate::raw::body::{Renamed, Uncut};
use crate::raw::{Body, FrameHandle, FunctionBody, SameContract};

/// A context manager that has not been entered, as returned by a function with `#[async_context_manager]`.
///
/// Creating a manager runs none of the function's code. [`with!`](crate::with) enters the manager. A manager is used
/// once, by move. Its type cannot be written out: `B` is the body of the function, and `L` describes the lent value. A
/// manager is `Send` exactly when its arguments are. The future of its `with!` is `Send` when everything in the body
/// and the block is.
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
/// The managers of two functions have two different types. If they are the two branches of one `if`, box both: see
/// [`BoxManager`](crate::BoxManager). For a manager as an argument, see [`AnyManager`](crate::AnyManager).
#[must_use = "a manager does nothing until it is entered: write `with!(manager => { ... })`"]
pub struct Manager<B, L> {
    pub(crate) body: B,
    contract: PhantomData<fn(L) -> L>,
}

/// The output of the body of a manager with the contract `L`.
pub(crate) type OutputOf<L> = <<L as Contract>::Exit as Exit>::Output;

#[cfg(feature = "std")]
impl<B: Body, L> Manager<B, L> {
    /// Returns the same manager, without a report when it is dropped in its exit phase: the values in it finish their
    /// own work, so no work is lost.
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
    /// Creates the manager with this body, which has the same contract.
    #[doc(hidden)]
    #[inline]
    pub const fn new(_contract: SameContract<L>, name: N, body: B) -> Self {
        Self { body: FunctionBody::new(name, body), contract: PhantomData }
    }
}

/// A manager without drop glue, which is passed to `run` next.
///
/// With drop glue, errors of the borrow checker would name this temporary and suggest a `;` that does not help.
pub(crate) type UndroppedManager<B, L> = Manager<ManuallyDrop<B>, L>;

impl<B, L> Manager<B, L> {
    #[inline]
    pub(crate) fn undropped(self) -> UndroppedManager<B, L> {
        self.map(ManuallyDrop::new)
    }

    /// Returns the manager with this body, which has the contract `L`.
    #[inline]
    pub(crate) const fn with_body(body: B) -> Self {
        Self { body, contract: PhantomData }
    }

    /// Returns the manager with another body and the same contract.
    #[inline]
    pub(crate) fn map<C>(self, map: impl FnOnce(B) -> C) -> Manager<C, L> {
        Manager { body: map(self.body), contract: PhantomData }
    }

    /// Returns the manager with another contract, which has the same exit type, and lends the same values.
    #[cfg(feature = "std")]
    pub(crate) fn with_contract<M>(self) -> Manager<B, M>
    where
        L: for<'a, 'b> Lends<'a, 'b>,
        M: for<'a, 'b> Lends<'a, 'b, Value = <L as Lends<'a, 'b>>::Value, Exit = L::Exit>,
    {
        Manager { body: self.body, contract: PhantomData }
    }
}

/// The body of a manager that is never created.
type Stub<L> = FunctionBody<fn() -> Named<OutputOf<L>>, fn(FrameHandle) -> Pending<OutputOf<L>>>;

impl<L: Contract> Manager<Stub<L>, L> {
    /// Replaces the manager of a function that cannot be parsed, next to the error about it.
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

/// Mentions the lifetimes in `L` in the bounds of a hidden type, for the errors of `rustc` about the type. All types implement
/// it.
pub trait Captures<L> {}

impl<L, T: ?Sized> Captures<L> for T {}

/// A value that `with!` can enter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async context manager",
    label = "expected a manager, or a type that implements `AsyncContextManager`",
    note = "if this is a function, call it; if it is a future that returns a manager, `.await` it; to make an `async fn` \
            a manager, put `#[async_context_manager]` on it",
    note = "if this is an `Option` or a `Result` of a manager, unwrap it first, for example with `?`",
    note = "if this is a guard, such as a `MutexGuard`, it needs no `with!`: bind it in a block, `let guard = ...;`",
    note = "if this needs no cleanup, write `nullcontext(value)`",
    note = "if this is a `Box` of a manager, write `manager.boxed()` instead",
    note = "if its type is a parameter, bound it: any manager is an `AnyManager<lent::Owned<T>, Exit = X>`, or with \
            `lent::Ref<T>` or `lent::Mut<T>`"
)]
pub trait IntoManager {
    /// The lent value and the exit type.
    type Contract: Contract;

    /// Converts this value into a manager.
    fn into_manager(
        self,
    ) -> Manager<impl Body<Future = impl Future<Output = OutputOf<Self::Contract>>>, Self::Contract>;
}

impl<B: Body<Future: Future<Output = OutputOf<L>>>, L: Contract> IntoManager for Manager<B, L> {
    type Contract = L;

    #[expect(refining_impl_trait, reason = "makes it `Send` if the body is")]
    #[inline]
    fn into_manager(self) -> Self {
        self
    }
}

/// Returns `manager` unchanged. Because of this call, the compiler reports a value that is not a manager only once.
#[inline]
pub const fn assert_manager<M>(manager: M) -> M {
    manager
}
