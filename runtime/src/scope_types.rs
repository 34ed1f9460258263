//! The types of one manager of a `with!`, as one type parameter.

use core::marker::PhantomData;

use crate::exit::Exit;
use crate::value::{Both, Shape};

/// The types of one manager of a `with!`. The expansion of `with!` infers them.
///
/// No parameter of [`Types`] may be a type that can be wrong. A bound that does not hold here would hide the methods,
/// and one mistake of the user would be reported as two errors.
pub trait Scope {
    /// The exit type of the manager.
    type Exit: Exit;
    /// The type of the lent value, for the life of the `with!`.
    type Lent;
    /// The shape of the managers after this one in the header.
    type Rest: Shape;
    /// The value of the block.
    type Value;
    /// The `break`s and `continue`s that leave the block.
    type Jump;
    /// The type of the value that a `return` in the block returns.
    type Return;
}

/// The output of the managers after this one.
pub(crate) type RestOutput<S> = <<S as Scope>::Rest as Shape>::BodyOutput;

/// The only [`Scope`].
pub struct Types<X, V, Rest, T, Jump, Return>(PhantomData<fn() -> Members<X, V, Rest, T, Jump, Return>>);

type Members<X, V, Rest, T, Jump, Return> = (X, V, Rest, T, Jump, Return);

impl<X: Exit, V, Rest: Shape, T, Jump, Return> Scope for Types<X, V, Rest, T, Jump, Return> {
    type Exit = X;
    type Lent = V;
    type Rest = Rest;
    type Value = T;
    type Jump = Jump;
    type Return = Return;
}

/// The shape of a manager together with the managers after it in the header.
pub(crate) type BothOf<S> = Both<<S as Scope>::Exit, <S as Scope>::Rest>;
