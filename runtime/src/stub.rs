//! What stands in generated code next to an error, so that the compiler has no more to say about it.

use crate::lend::Lent;
use crate::manager::IntoManager;
use crate::outcome::Outcome;

/// Stands for a marker that is not where it can be, next to the error that says so.
pub fn misplaced<V>(_value: V) -> Outcome {
    unreachable!("not compiled")
}

/// Stands for what a manager lends, next to the error of a block that can't be parsed.
pub fn lent_by<'a, M: IntoManager<Terms: Lent<'a, 'a>>>(_manager: &'a M) -> <M::Terms as Lent<'a, 'a>>::Value {
    unreachable!("not compiled")
}
