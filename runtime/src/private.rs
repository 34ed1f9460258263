//! What generated code calls. Not public API: it may change in any release, and the macros are the only ones that know
//! how to use it.

pub use crate::exit::{Around, Exit, Layer, ResultAlias};
pub use crate::frame::{Within, YieldPoint, attach, run};
pub use crate::handoff::{Either, End, Handoff, Lifespan};
pub use crate::home::{Here, Home, Inline};
pub use crate::lend::{Lend0, Lend1, Lend2, Lend3, Lend4, Lends};
pub use crate::manager::{About, IntoManager};
pub use crate::verdict::Verdict;
pub use core::future::Future;

use crate::lend::Lent;
use crate::manager::Manager;
use crate::outcome::Outcome;
pub use async_context_manager_macros::{context_managers, with};

/// The manager, and the place where its `with!` hands over values. It is the last of its header, or the only one.
pub fn open<M, F, L, X, T, Jump, Return>(
    manager: M,
    lifespan: &Lifespan,
) -> (Manager<F, L>, Handoff<'_, L, X, (), T, Jump, Return>)
where
    M: IntoManager<Body = F, Lent = L, Exit = X>,
    L: Lent,
    X: Exit,
{
    (manager.into_manager(), Handoff::new(lifespan))
}

/// As [`open`], for a manager that has others after it in the header, with the exit `Rest`.
pub fn open_around<M, F, L, X, Both, Rest, T, Jump, Return>(
    manager: M,
    lifespan: &Lifespan,
) -> (Manager<F, L>, Handoff<'_, L, Both, Rest, T, Jump, Return>)
where
    M: IntoManager<Body = F, Lent = L, Exit = X>,
    L: Lent,
    X: Layer<Rest, Both = Both>,
    Both: Exit,
    Rest: Exit,
{
    (manager.into_manager(), Handoff::new(lifespan))
}

/// Stands for a marker that is not where it can be, next to the error that says so.
pub fn misplaced<V>(_value: V) -> Outcome {
    unreachable!("not compiled")
}

/// Stands for what a manager lends, next to the error of a block that can't be parsed.
pub fn lent_by<M: IntoManager>(_manager: &M) -> <M::Lent as Lent>::Value<'_> {
    unreachable!("not compiled")
}
