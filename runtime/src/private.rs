//! What generated code calls. Not public API: it may change in any release, and the macros are the only ones that know
//! how to use it.

pub use crate::exit::{Ending, ResultAlias};
pub use crate::frame::{Body, Driver, SameTerms, Within, YieldPoint, finish, run};
pub use crate::handoff::{BlockType, Either, End, Handoff, Kept, Lifespan, Loan, Opened};
pub use crate::home::{Here, Home, Inline};
pub use crate::layer::{Around, Layer, Shape};
pub use crate::lend::{Lend0, Lend1, Lend2, Lends, lend0, lend1, lend2};
pub use crate::manager::IntoManager;
pub use crate::scope_types::{Scope, Types};
#[cfg(feature = "std")]
pub use crate::shielded::shielded;
pub use crate::verdict::Verdict;
pub use core::future::Future;

use crate::exit::Exit;
use crate::handoff::Typed;
use crate::layer::{Block, ShapeOf};
use crate::lend::Lent;
use crate::manager::{Held, Manager};
use crate::outcome::Outcome;
pub use async_context_manager_macros::{context_managers, with};

/// A manager on its way into a `with!`, and the handoff that is yet to be made.
type OpenedManager<'a, 'b, 'm, M, L, S> = (Held<M, L>, Opened<'a, 'b, 'm, Handoff<S>>);

/// Returns the manager, and what makes the place where its `with!` hands over values. It is the last of its header, or the
/// only one.
#[inline]
pub fn open<'a, 'b, 'm, M, L, X, V, T, Jump, Return>(
    manager: Manager<M, L>,
) -> OpenedManager<'a, 'b, 'm, M, L, Types<X, V, ShapeOf<X>, Block, T, Jump, Return>>
where
    M: 'm,
    L: Lent<'a, 'b, Exit = X, Value = V>,
    X: Exit,
{
    (manager.hold(), Opened::new())
}

/// As [`open`], for a manager that has others after it in the header, with the shape `Rest`.
#[inline]
pub fn open_around<'a, 'b, 'm, M, L, X, V, Both, Rest, T, Jump, Return>(
    manager: Manager<M, L>,
) -> OpenedManager<'a, 'b, 'm, M, L, Types<X, V, Both, Rest, T, Jump, Return>>
where
    M: 'm,
    L: Lent<'a, 'b, Exit = X, Value = V>,
    X: Exit,
    ShapeOf<X>: Layer<Rest, Both = Both>,
    Both: Shape,
    Rest: Shape,
{
    (manager.hold(), Opened::new())
}

/// What is to be entered. It makes the compiler tell once that it can't be.
#[inline]
pub const fn it<M>(manager: M) -> M {
    manager
}

/// Tells the compiler a type that is written out.
#[must_use]
pub fn expected<T>() -> Typed<T> {
    Typed::none()
}

/// Stands for a marker that is not where it can be, next to the error that says so.
pub fn misplaced<V>(_value: V) -> Outcome {
    unreachable!("not compiled")
}

/// Stands for what a manager lends, next to the error of a block that can't be parsed.
pub fn lent_by<'a, M: IntoManager<Terms: Lent<'a, 'a>>>(_manager: &'a M) -> <M::Terms as Lent<'a, 'a>>::Value {
    unreachable!("not compiled")
}
