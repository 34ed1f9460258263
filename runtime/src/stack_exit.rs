//! How a manager on an exit stack may end: the conversions between its error and the error of the stack.

use core::convert::Infallible;

use crate::exit::{Catch, CatchesFrom, Exit, Suppress};
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

    /// Converts the result of entering into the output of [`AsyncExitStack::enter`](crate::AsyncExitStack::enter).
    fn entered<V>(result: Result<V, E>) -> <Self::Output as BodyOutput>::Value<V>;
}

impl<E> StackExit<E> for () {
    fn error(error: Infallible) -> E {
        match error {}
    }

    fn named(named: Named<()>) -> Named<Result<(), E>> {
        Named::new(named.name())
    }

    fn entered<V>(result: Result<V, E>) -> V {
        result.unwrap_or_else(|_| unreachable!("this manager can't fail"))
    }
}

impl<E> StackExit<E> for Result<(), E> {
    fn error(error: E) -> E {
        error
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        named
    }

    fn entered<V>(result: Result<V, E>) -> Result<V, E> {
        result
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

    fn entered<V>(result: Result<V, E>) -> Result<V, E> {
        result
    }
}

impl<X: StackExit<E>, E> StackExit<E> for Suppress<X> {
    fn error(error: <X::Output as BodyOutput>::Error) -> E {
        X::error(error)
    }

    fn named(named: Named<Self::Output>) -> Named<Result<(), E>> {
        X::named(named)
    }

    fn entered<V>(result: Result<V, E>) -> <X::Output as BodyOutput>::Value<V> {
        X::entered(result)
    }
}
