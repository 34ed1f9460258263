//! How a manager on an exit stack may end, and how the stack may: the conversions between their errors.

use core::convert::Infallible;

use crate::exit::{Catch, CatchesFrom, Exit, Suppress};
use crate::manager::Manager;
use crate::named::Named;
use crate::output::BodyOutput;

/// An exit type that a manager on a stack with the error type `E` may have.
#[diagnostic::on_unimplemented(
    message = "the managers of an exit stack must fail with the error type of the stack",
    label = "this one ends in `{Self}`, but the error type of the stack is `{E}`",
    note = "convert the error: enter a manager function that fails with `{E}` and has a `with!` of this one in its body"
)]
pub trait StackExit<E>: Exit<Caught: Send> + CatchesFrom<Result<(), E>, i32> {
    /// Converts the manager's own error into an error of the stack.
    fn error(error: <Self::Output as BodyOutput>::Error) -> E;

    /// Converts the name of the manager into one that formats errors of the stack.
    fn named(named: Named<Self::Output>) -> Named<Result<(), E>>;

    /// Converts an error of the stack back into an error of the manager, which has failed with it.
    fn own_error(error: E) -> <Self::Output as BodyOutput>::Error;
}

impl<E> StackExit<E> for () {
    fn error(error: Infallible) -> E {
        match error {}
    }

    fn named(named: Named<()>) -> Named<Result<(), E>> {
        Named::new(named.name())
    }

    fn own_error(_error: E) -> Infallible {
        unreachable!("this manager can't fail")
    }
}

impl<E> StackExit<E> for Result<(), E> {
    fn error(error: E) -> E {
        error
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        named
    }

    fn own_error(error: E) -> E {
        error
    }
}

// The same as above. One implementation for both, by their output, would report a wrong error type twice.
impl<E: Send> StackExit<E> for Catch<E> {
    fn error(error: E) -> E {
        error
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        named
    }

    fn own_error(error: E) -> E {
        error
    }
}

impl<X: StackExit<E>, E> StackExit<E> for Suppress<X> {
    fn error(error: <X::Output as BodyOutput>::Error) -> E {
        X::error(error)
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        X::named(named)
    }

    fn own_error(error: E) -> <X::Output as BodyOutput>::Error {
        X::own_error(error)
    }
}

/// A [`Manager`], as the argument of [`AsyncExitStack::enter`](crate::AsyncExitStack::enter).
///
/// A type that implements `AsyncContextManager` is none, because there is no bound for "the futures of its methods are
/// `Send`".
#[diagnostic::on_unimplemented(
    message = "an exit stack can enter only a `Manager`, not `{Self}`",
    label = "expected a `Manager`",
    note = "convert a type that implements `AsyncContextManager`, or another stack: `stack.enter(value.into_manager())`",
    note = "call a function or a closure that returns a manager"
)]
pub trait Enterable {
    /// The body of the manager.
    type Body;
    /// The contract of the manager.
    type Contract;

    /// Returns the manager.
    fn manager(self) -> Manager<Self::Body, Self::Contract>;
}

impl<B, L> Enterable for Manager<B, L> {
    type Body = B;
    type Contract = L;

    fn manager(self) -> Self {
        self
    }
}

/// The exit type of a stack with the error type `E`: [`Catch<E>`](Catch), or [`Suppress<Catch<E>>`](Suppress) for one that
/// holds managers that suppress.
pub trait StackType<E>: Exit<Output = Result<(), E>, Caught = E> {}

impl<E> StackType<E> for Catch<E> {}

impl<E> StackType<E> for Suppress<Catch<E>> {}

/// The exit type of a stack that may suppress.
#[diagnostic::on_unimplemented(
    message = "this exit stack can't suppress an error",
    label = "the stack was created by `AsyncExitStack::new()`",
    note = "create the stack by `AsyncExitStack::suppressing()`; its type is `AsyncExitStack<'env, E, Suppress<Catch<E>>>`"
)]
pub trait CanSuppress {}

impl<X> CanSuppress for Suppress<X> {}

/// An exit type of managers that a stack with the exit type `Self` accepts.
pub trait Accepts<X> {}

impl<E, X: NeverSuppresses> Accepts<X> for Catch<E> {}

impl<E, X> Accepts<X> for Suppress<Catch<E>> {}

/// The exit type of a manager without the option `suppress`.
#[diagnostic::on_unimplemented(
    message = "a manager that can suppress an error must be entered on a stack that can",
    label = "this manager has the option `suppress`",
    note = "create the stack by `AsyncExitStack::suppressing()`; a `with!` of it has the value `Option<T>`"
)]
pub trait NeverSuppresses: Exit {}

impl NeverSuppresses for () {}

impl<E> NeverSuppresses for Result<(), E> {}

impl<E> NeverSuppresses for Catch<E> {}

/// The content of [`Failed`](crate::Outcome::Failed) in an outcome that a stack with the error type `E` is left with: the
/// error itself, `E`, or `()` for an error that bypasses the stack. `Kind` is [`Seen`] or [`Bypassing`].
#[diagnostic::on_unimplemented(
    message = "an exit stack with the error type `{E}` can't be left with an `Outcome<{Self}>`",
    label = "expected an `Outcome<{E}>`, or an `Outcome<()>` for an error that bypasses the stack",
    note = "convert the error: for `Outcome::Failed(error)`, pass `Outcome::Failed(error.into())`"
)]
pub trait LeavingError<E, Kind> {
    /// Always `F`, the future of [`exit`](crate::AsyncExitStack::exit). The compiler stops at a wrong outcome here.
    type Leaving<F>;

    /// Returns `future` unchanged.
    fn leaving<F>(future: F) -> Self::Leaving<F>;

    /// Returns the error. `None` if it bypasses the stack.
    fn into_error(self) -> Option<E>;
}

/// The error goes through the stack.
#[derive(Debug)]
pub struct Seen;

/// The error bypasses the stack.
#[derive(Debug)]
pub struct Bypassing;

impl<E> LeavingError<E, Seen> for E {
    type Leaving<F> = F;

    fn leaving<F>(future: F) -> F {
        future
    }

    fn into_error(self) -> Option<E> {
        Some(self)
    }
}

impl<E> LeavingError<E, Bypassing> for () {
    type Leaving<F> = F;

    fn leaving<F>(future: F) -> F {
        future
    }

    fn into_error(self) -> Option<E> {
        None
    }
}
