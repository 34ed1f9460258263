//! The managers of one header together: the value of `with!` is one `Result` at most, and one `Option` in it.

use core::marker::PhantomData;

use crate::exit::{Exit, Takes, TakesFrom};
use crate::output::{Always, AroundEnding, EitherEnding, EitherPresence, Ending, Presence};
use crate::verdict::Verdict;

/// The shape of a `with!`: what it is for a block of type `T`.
pub trait Shape {
    /// What it ends in, when it fails.
    type Ending: Ending;
    /// Whether it has the block's value.
    type Presence: Presence;
}

/// The [`Shape`] of these two.
#[derive(Debug)]
pub struct Shaped<E, P>(PhantomData<fn() -> (E, P)>);

impl<E: Ending, P: Presence> Shape for Shaped<E, P> {
    type Ending = E;
    type Presence = P;
}

/// The shape of a block: it is what it is.
pub(crate) type Block = Shaped<(), Always>;

/// The shape that a manager with the exit `X` gives to a `with!`.
pub(crate) type ShapeOf<X> = Shaped<<X as Exit>::Output, <X as Exit>::Presence>;

/// What a `with!` of the shape `S` is, for a block of type `T`.
pub(crate) type Value<S, T> = <<S as Shape>::Ending as Ending>::Value<<<S as Shape>::Presence as Presence>::Value<T>>;

/// Whether a `with!` of the shape `S` can fail.
pub(crate) type EndingKind<S> = <<S as Shape>::Ending as Ending>::Kind;

/// What a `with!` of the shape `S` can fail with.
pub(crate) type EndingError<S> = <<S as Shape>::Ending as Ending>::Error;

/// The manager can take an error out of a `with!` of the shape `S`.
#[diagnostic::on_unimplemented(
    message = "a later manager of this `with!` fails with an error that is not what this one catches",
    label = "this manager has the option `catch`, so an error of those after it goes through it",
    note = "nest them, `with!(a() => with!(b() => ...)?)`, where `?` converts the error"
)]
pub trait TakesShape<S: Shape>: Takes<EndingKind<S>, EndingError<S>> {}

impl<X: Takes<EndingKind<S>, EndingError<S>>, S: Shape> TakesShape<S> for X {}

/// Whether this is an `Err`, of the `with!` or of its block.
pub(crate) fn failed<S: Shape, T: Verdict<Literal>, Literal>(value: &Value<S, T>) -> bool {
    S::Ending::peek(value).is_none_or(|value| S::Presence::peek(value).is_some_and(T::failed))
}

/// Takes the error out, if there is one, for a manager with the exit `X`.
pub(crate) fn split<X, S, T, Literal>(value: Value<S, T>) -> Result<Value<S, T>, X::Caught>
where
    X: TakesFrom<T, Literal> + TakesShape<S>,
    S: Shape,
    T: Verdict<Literal>,
{
    let value = S::Ending::split(value).map_err(<X as Takes<EndingKind<S>, EndingError<S>>>::take)?;
    let split = |value: T| value.without_error().map_err(<X as Takes<T::Kind, T::Error>>::take);
    S::Presence::try_map(value, split).map(S::Ending::value)
}

/// The shape of a manager and of those after it in the same header (`Rest`) together.
///
/// It is there for differing errors too, so that [`Around`] has the only word about them.
pub trait Layer<Rest: Shape>: Shape {
    /// The shape of all of them.
    type Both: Shape;
}

impl<E, P, F, Q> Layer<Shaped<F, Q>> for Shaped<E, P>
where
    E: EitherEnding<F>,
    P: EitherPresence<Q>,
    F: Ending,
    Q: Presence,
{
    type Both = Shaped<E::Both, P::Both>;
}

/// What the value of `with!` is, when the managers after one in the same header (`Rest`) have come to theirs.
pub trait Around<Rest: Shape>: Layer<Rest> {
    /// When this manager has nothing to add.
    fn value<T>(rest: Value<Rest, T>) -> Value<Self::Both, T>;

    /// When it ended in an error.
    fn error<T>(ending: Self::Ending) -> Option<Value<Self::Both, T>>;

    /// When it ended the block without a value, if it may.
    fn nothing<T>() -> Option<Value<Self::Both, T>>;
}

impl<E, P, F, Q> Around<Shaped<F, Q>> for Shaped<E, P>
where
    E: AroundEnding<F>,
    P: EitherPresence<Q>,
    F: Ending,
    Q: Presence,
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
