//! Placeholders that generated code uses next to an error, so that the compiler reports no further errors, and in an
//! editor, which only needs their types.

use core::marker::PhantomData;

#[cfg(feature = "std")]
use crate::boxed::{BoxManager, LendsKind};
use crate::lend::{Contract, Lends};
#[cfg(feature = "std")]
use crate::lent::HasContract;
use crate::manager::IntoManager;
#[cfg(feature = "std")]
use crate::manager::Manager;
use crate::outcome::Outcome;
use crate::value::{Block, Both, Shape, Value};

/// Replaces a `yield!` in a place where it is not allowed, next to the error about it.
pub fn stub_yield<V>(_value: V) -> Outcome {
    unreachable!("not compiled")
}

/// Replaces the value that a manager lends, next to the error about a block that cannot be parsed.
pub fn stub_value<'a, M: IntoManager<Contract: Lends<'a, 'a>>>(_manager: M) -> <M::Contract as Lends<'a, 'a>>::Value {
    unreachable!("not compiled")
}

/// Gives an editor the type of the value that a manager lends.
pub fn stub_lent<'a, M: IntoManager<Contract: Lends<'a, 'a>>>(
    _manager: &'a M,
) -> <M::Contract as Lends<'a, 'a>>::Value {
    unreachable!("not compiled")
}

/// Replaces a manager that its own function enters, next to the error about it. Unlike `boxed`, it needs no `Send`, which
/// would depend on itself.
#[cfg(feature = "std")]
pub fn stub_boxed<'env, B, L: LendsKind<K>, K: HasContract>(_manager: Manager<B, L>) -> BoxManager<'env, K, L::Exit> {
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
