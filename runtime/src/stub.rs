//! Placeholders that generated code uses next to an error, so that the compiler reports no further errors.

use crate::lend::Lends;
use crate::manager::IntoManager;
use crate::outcome::Outcome;

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
