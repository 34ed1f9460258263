//! What stands in generated code next to an error, so that the compiler has no more to say about it.

use crate::lend::Lends;
use crate::manager::IntoManager;
use crate::outcome::Outcome;

/// Stands for a marker that is not where it can be, next to the error that says so.
pub fn stub_yield<V>(_value: V) -> Outcome {
    unreachable!("not compiled")
}

/// Stands for what a manager lends, next to the error of a block that can't be parsed.
pub fn stub_value<'a, M: IntoManager<Contract: Lends<'a, 'a>>>(
    _manager: &'a M,
) -> <M::Contract as Lends<'a, 'a>>::Value {
    unreachable!("not compiled")
}
