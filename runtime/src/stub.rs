//! Placeholders that generated code uses next to an error, so that the compiler reports no further errors, and in an
//! editor, which only needs their types.

use core::marker::PhantomData;

use crate::lend::{Contract, Lends};
use crate::manager::IntoManager;
use crate::outcome::Outcome;
use crate::value::{Block, Both, Shape, Value};

/// Replaces a `yield!` in a place where it is not allowed, next to the error about it.
pub fn stub_yield<V>(_value: V) -> Outcome {
    unreachable!("not compiled")
}

/// Replaces the value that a manager lends, next to the error about a block that cannot be parsed.
pub fn stub_value<'a, M: IntoManager<Contract: Lends<'a, 'a>>>(
    _manager: &'a M,
) -> <M::Contract as Lends<'a, 'a>>::Value {
    unreachable!("not compiled")
}

/// The shape of a `with!` in an editor.
#[derive(Debug)]
pub struct StubWith<S>(PhantomData<fn() -> S>);

/// Returns the shape of a block without managers.
#[must_use]
pub fn stub_with() -> StubWith<Block> {
    StubWith(PhantomData)
}

#[expect(clippy::unused_self, reason = "an editor only needs the types")]
impl<S: Shape> StubWith<S> {
    /// Adds the manager around those that were added before.
    #[must_use]
    pub fn around<M: IntoManager>(self, _manager: &M) -> StubWith<Both<<M::Contract as Contract>::Exit, S>> {
        StubWith(PhantomData)
    }

    /// Gives an editor the type of the `with!`.
    pub fn value<T>(self, _block: T) -> Value<S, T> {
        unreachable!("not compiled")
    }
}
