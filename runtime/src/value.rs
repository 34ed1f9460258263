//! The type of a `with!`: it combines all managers of one header into at most one `Result` with one `Option` in it.

use core::marker::PhantomData;

use crate::classify::Classify;
use crate::exit::{Catches, CatchesFrom, Exit};
use crate::output::{BodyOutput, JoinOutput, JoinSameOutput, JoinSuppression, Never, Suppression};

/// The shape of a `with!`: it determines what the `with!` evaluates to for a block of type `T`.
pub trait Shape {
    /// `()`, or `Result<(), E>` for a `with!` that can fail with `E`.
    type BodyOutput: BodyOutput;
    /// Whether the `with!` may lack the block's value.
    type Suppression: Suppression;
}

/// The [`Shape`] that consists of the body output `E` and the suppression `P`.
#[derive(Debug)]
pub struct Shaped<E, P>(PhantomData<fn() -> (E, P)>);

impl<E: BodyOutput, P: Suppression> Shape for Shaped<E, P> {
    type BodyOutput = E;
    type Suppression = P;
}

/// The shape of a bare block: it neither fails nor is suppressed.
pub(crate) type Block = Shaped<(), Never>;

/// The shape of a `with!` whose only manager has the exit type `X`.
pub(crate) type ShapeOf<X> = Shaped<<X as Exit>::Output, <X as Exit>::Suppression>;

/// The type of a `with!` of shape `S` with a block of type `T`.
pub(crate) type Value<S, T> =
    <<S as Shape>::BodyOutput as BodyOutput>::Value<<<S as Shape>::Suppression as Suppression>::Value<T>>;

/// Whether a `with!` of shape `S` can fail: `Fallible` or `Plain`.
pub(crate) type OutputKind<S> = <<S as Shape>::BodyOutput as BodyOutput>::Kind;

/// The error type of a `with!` of shape `S`.
pub(crate) type OutputError<S> = <<S as Shape>::BodyOutput as BodyOutput>::Error;

/// Implemented by exit types that can take the error out of a `with!` of shape `S`.
#[diagnostic::on_unimplemented(
    message = "a later manager of this `with!` fails with an error that this manager does not catch",
    label = "with the option `catch`, this manager must catch the errors of the managers after it",
    note = "nest them, so that `?` converts the error: `with!(a() => with!(b() => ...)?)`"
)]
pub trait CatchesShape<S: Shape>: Catches<OutputKind<S>, OutputError<S>> {}

impl<X: Catches<OutputKind<S>, OutputError<S>>, S: Shape> CatchesShape<S> for X {}

/// Returns whether `value` is an `Err`, either of the `with!` or of its block.
pub(crate) fn failed<S: Shape, T: Classify<Literal>, Literal>(value: &Value<S, T>) -> bool {
    S::BodyOutput::peek(value).is_none_or(|value| S::Suppression::peek(value).is_some_and(T::failed))
}

/// Separates the error, if any, from the value, for a manager with the exit type `X`.
pub(crate) fn split<X, S, T, Literal>(value: Value<S, T>) -> Result<Value<S, T>, X::Caught>
where
    X: CatchesFrom<T, Literal> + CatchesShape<S>,
    S: Shape,
    T: Classify<Literal>,
{
    let value = S::BodyOutput::split(value).map_err(<X as Catches<OutputKind<S>, OutputError<S>>>::take)?;
    let split = |value: T| value.without_error().map_err(<X as Catches<T::Kind, T::Error>>::take);
    S::Suppression::try_map(value, split).map(S::BodyOutput::value)
}

/// Combines the shape of a manager with that of the managers after it in the same header (`Rest`).
///
/// It is implemented for differing errors too, so that only [`JoinSame`] reports them.
pub trait Join<Rest: Shape>: Shape {
    /// The combined shape.
    type Both: Shape;
}

impl<E, P, F, Q> Join<Shaped<F, Q>> for Shaped<E, P>
where
    E: JoinOutput<F>,
    P: JoinSuppression<Q>,
    F: BodyOutput,
    Q: Suppression,
{
    type Both = Shaped<E::Both, P::Both>;
}

/// Computes the value of a `with!` from a manager's output and the result of the managers after it (`Rest`).
pub trait JoinSame<Rest: Shape>: Join<Rest> {
    /// Returns the value if this manager neither failed nor suppressed.
    fn value<T>(rest: Value<Rest, T>) -> Value<Self::Both, T>;

    /// Returns the value if this manager failed. `None` if `ending` is no error.
    fn error<T>(ending: Self::BodyOutput) -> Option<Value<Self::Both, T>>;

    /// Returns the value if this manager ended the block without one. `None` if its exit type does not allow that.
    fn nothing<T>() -> Option<Value<Self::Both, T>>;
}

impl<E, P, F, Q> JoinSame<Shaped<F, Q>> for Shaped<E, P>
where
    E: JoinSameOutput<F>,
    P: JoinSuppression<Q>,
    F: BodyOutput,
    Q: Suppression,
{
    fn value<T>(rest: Value<Shaped<F, Q>, T>) -> Value<Self::Both, T> {
        E::around(rest, P::around)
    }

    fn error<T>(ending: E) -> Option<Value<Self::Both, T>> {
        ending.error().map(E::fail)
    }

    fn nothing<T>() -> Option<Value<Self::Both, T>> {
        P::nothing().map(E::Both::value)
    }
}
