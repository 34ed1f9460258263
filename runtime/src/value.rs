//! The managers of one header together: the value of `with!` is one `Result` at most, and one `Option` in it.

use core::marker::PhantomData;

use crate::classify::Classify;
use crate::exit::{Catches, CatchesFrom, Exit};
use crate::output::{BodyOutput, JoinOutput, JoinSameOutput, JoinSuppression, Never, Suppression};

/// The shape of a `with!`: what it is for a block of type `T`.
pub trait Shape {
    /// What it ends in, when it fails.
    type BodyOutput: BodyOutput;
    /// Whether it has the block's value.
    type Suppression: Suppression;
}

/// The [`Shape`] of these two.
#[derive(Debug)]
pub struct Shaped<E, P>(PhantomData<fn() -> (E, P)>);

impl<E: BodyOutput, P: Suppression> Shape for Shaped<E, P> {
    type BodyOutput = E;
    type Suppression = P;
}

/// The shape of a block: it is what it is.
pub(crate) type Block = Shaped<(), Never>;

/// The shape that a manager with the exit `X` gives to a `with!`.
pub(crate) type ShapeOf<X> = Shaped<<X as Exit>::Output, <X as Exit>::Suppression>;

/// What a `with!` of the shape `S` is, for a block of type `T`.
pub(crate) type Value<S, T> =
    <<S as Shape>::BodyOutput as BodyOutput>::Value<<<S as Shape>::Suppression as Suppression>::Value<T>>;

/// Whether a `with!` of the shape `S` can fail.
pub(crate) type OutputKind<S> = <<S as Shape>::BodyOutput as BodyOutput>::Kind;

/// What a `with!` of the shape `S` can fail with.
pub(crate) type OutputError<S> = <<S as Shape>::BodyOutput as BodyOutput>::Error;

/// The manager can take an error out of a `with!` of the shape `S`.
#[diagnostic::on_unimplemented(
    message = "a later manager of this `with!` fails with an error that is not what this one catches",
    label = "this manager has the option `catch`, so an error of those after it goes through it",
    note = "nest them, `with!(a() => with!(b() => ...)?)`, where `?` converts the error"
)]
pub trait CatchesShape<S: Shape>: Catches<OutputKind<S>, OutputError<S>> {}

impl<X: Catches<OutputKind<S>, OutputError<S>>, S: Shape> CatchesShape<S> for X {}

/// Whether this is an `Err`, of the `with!` or of its block.
pub(crate) fn failed<S: Shape, T: Classify<Literal>, Literal>(value: &Value<S, T>) -> bool {
    S::BodyOutput::peek(value).is_none_or(|value| S::Suppression::peek(value).is_some_and(T::failed))
}

/// Catches the error out, if there is one, for a manager with the exit `X`.
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

/// The shape of a manager and of those after it in the same header (`Rest`) together.
///
/// It is there for differing errors too, so that [`JoinSame`] has the only word about them.
pub trait Join<Rest: Shape>: Shape {
    /// The shape of all of them.
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

/// What the value of `with!` is, when the managers after one in the same header (`Rest`) have come to theirs.
pub trait JoinSame<Rest: Shape>: Join<Rest> {
    /// When this manager has nothing to add.
    fn value<T>(rest: Value<Rest, T>) -> Value<Self::Both, T>;

    /// When it ended in an error.
    fn error<T>(ending: Self::BodyOutput) -> Option<Value<Self::Both, T>>;

    /// When it ended the block without a value, if it may.
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
