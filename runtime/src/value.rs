//! The type of a `with!`: it combines all managers of one header into at most one `Result` with one `Option` in it.
//!
//! The user sees a [`Value`], which has no `Result` if no manager can fail, and no `Option` if none can suppress. The
//! crate converts it to a [`Finished`], which always has both parts, so that one function is enough for all managers.

use core::marker::PhantomData;

use crate::classify::Classify;
use crate::exit::{Catches, CatchesFrom, Exit};
use crate::output::{BodyOutput, JoinOutput, Never, Suppression};

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

/// The combined shape of a manager with the exit type `X` and of the managers after it in the same header (`Rest`).
pub(crate) type Both<X, Rest> = Shaped<
    <<X as Exit>::Output as BodyOutput>::Both<<Rest as Shape>::BodyOutput>,
    <<X as Exit>::Suppression as Suppression>::Both<<Rest as Shape>::Suppression>,
>;

/// The type of a `with!` of shape `S` with a block of type `T`.
pub(crate) type Value<S, T> =
    <<S as Shape>::BodyOutput as BodyOutput>::Value<<<S as Shape>::Suppression as Suppression>::Value<T>>;

/// The value of a [`scope`](crate::Manager::scope): `T`, which is what its block returns.
///
/// `X` is the exit type of the manager. If the manager can suppress, an `Option<T>` takes the place of `T`. If it can fail,
/// this is a `Result<T, E>` or a `Result<Option<T>, E>`.
pub type ScopeValue<X, T> =
    <<X as Exit>::Output as BodyOutput>::Value<<<X as Exit>::Suppression as Suppression>::Value<T>>;

/// The result of entering a manager that lends a `V` and has the exit type `X`: `V`, or `Result<V, E>` if the manager can
/// fail.
pub type Entered<X, V> = <<X as Exit>::Output as BodyOutput>::Value<V>;

/// The same as a [`Value`], always with both parts. A part that is not possible has the type `Infallible`.
pub(crate) type Finished<S, T> = Result<Result<T, <<S as Shape>::Suppression as Suppression>::Missing>, OutputError<S>>;

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

/// Implemented by the shape of a `with!` that evaluates to an `Expected`, with a block of type `T`.
///
/// This bound takes the place of `Value<Self, T> == Expected`. `rustc` would report a mismatch of that equality twice, because
/// it infers the types of the managers after those of the `with!`.
#[diagnostic::on_unimplemented(
    message = "mismatched types: this `with!` does not evaluate to `{Expected}`",
    label = "expected `{Expected}`, found the type to which a `with!` with these managers evaluates",
    note = "if a manager can fail, the `with!` is a `Result`: write `?` after it to return the error",
    note = "if a manager has the option `suppress`, an `Option` takes the place of the value"
)]
pub trait EvaluatesTo<T, Expected>: Shape + Sized {
    fn same(value: Value<Self, T>) -> Expected;
}

#[diagnostic::do_not_recommend]
impl<S, T, Expected> EvaluatesTo<T, Expected> for S
where
    S: Shape<BodyOutput: BodyOutput<Value<<S::Suppression as Suppression>::Value<T>> = Expected>>,
{
    #[inline]
    fn same(value: Value<Self, T>) -> Expected {
        value
    }
}

/// Converts a value to the form that has both parts.
pub(crate) fn finished<S: Shape, T>(value: Value<S, T>) -> Finished<S, T> {
    S::BodyOutput::result(value).map(S::Suppression::result)
}

/// Returns whether this is an `Err`, either of the `with!` or of its block.
pub(crate) fn failed<S: Shape, T: Classify<Literal>, Literal>(finished: &Finished<S, T>) -> bool {
    match finished {
        Ok(Ok(value)) => value.failed(),
        Ok(Err(_missing)) => false,
        Err(_error) => true,
    }
}

/// Separates the error, if any, from the rest, for a manager with the exit type `X`.
pub(crate) fn split<X, S, T, Literal>(finished: Finished<S, T>) -> Result<Finished<S, T>, X::Caught>
where
    X: CatchesFrom<T, Literal> + CatchesShape<S>,
    S: Shape,
    T: Classify<Literal>,
{
    match finished {
        Ok(Ok(value)) => match value.without_error() {
            Ok(value) => Ok(Ok(Ok(value))),
            Err(error) => Err(<X as Catches<T::Kind, T::Error>>::take(error)),
        },
        Ok(missing) => Ok(Ok(missing)),
        Err(error) => Err(<X as Catches<OutputKind<S>, OutputError<S>>>::take(error)),
    }
}

/// Returns the value of a `with!` whose manager, with the exit type `X`, has finished. The value in `own` is that of the
/// managers after it.
#[inline]
pub(crate) fn join<X, Rest, T>(own: Finished<ShapeOf<X>, Finished<Rest, T>>) -> Value<Both<X, Rest>, T>
where
    X: Exit<Output: JoinOutput<Rest::BodyOutput>>,
    Rest: Shape,
{
    let join = X::Suppression::join::<T, Rest::Suppression>;
    let own = own.map(|own| match own {
        Ok(rest) => rest.map(|value| join(Ok(value))),
        Err(missing) => Ok(join(Err(missing))),
    });
    let value = X::Output::join(own);
    <Both<X, Rest> as Shape>::BodyOutput::value(value.map(<Both<X, Rest> as Shape>::Suppression::value))
}
