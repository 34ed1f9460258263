//! All who take part, in the order of the tables. One file each; its first line says what becomes of the cleanup.

mod by_hand;
mod by_hand_boxed;
mod by_hand_caught;
mod exit_stack;
mod generic;
mod least;
mod scope;
mod shielded;
mod with;
mod with_catch;
mod with_type;

#[cfg(feature = "async_drop")]
mod async_drop;
#[cfg(feature = "full")]
mod async_dropper;
#[cfg(feature = "full")]
mod async_safe_defer;
#[cfg(feature = "full")]
mod async_stream;
#[cfg(feature = "full")]
mod context_manager;
#[cfg(feature = "full")]
mod fauxgen;
#[cfg(feature = "full")]
mod scopeguard;
#[cfg(feature = "full")]
mod shared;
#[cfg(feature = "full")]
mod test_context;

use crate::scenario::Contestant;

#[cfg(feature = "full")]
pub(crate) use shielded::{keep_rescues, run_rescues};
#[cfg(feature = "full")]
pub(crate) use with::managed;

/// By hand, with `catch_unwind`: the others are compared with this.
pub(crate) fn baseline() -> Contestant {
    by_hand_caught::contestant()
}

/// The same in a scope: what is in a scope is compared with this.
pub(crate) fn baseline_in_scope() -> Contestant {
    by_hand_caught::in_scope()
}

/// In a program that nightly has compiled, only the one that is there for.
#[cfg(feature = "async_drop")]
pub(crate) fn all() -> Vec<Contestant> {
    vec![async_drop::contestant()]
}

/// Everybody.
#[cfg(not(feature = "async_drop"))]
pub(crate) fn all() -> Vec<Contestant> {
    let ours = [
        by_hand::contestant(),
        baseline(),
        with::contestant(),
        with_catch::contestant(),
        with_type::contestant(),
        shielded::contestant(),
        scope::contestant(),
        exit_stack::contestant(),
        by_hand_boxed::contestant(),
        least::contestant(),
        generic::contestant(),
        baseline_in_scope(),
        with::in_scope(),
    ];
    ours.into_iter().chain(peers()).collect()
}

#[cfg(feature = "full")]
fn peers() -> Vec<Contestant> {
    vec![
        context_manager::contestant(),
        test_context::contestant(),
        async_safe_defer::contestant(),
        async_stream::contestant(),
        fauxgen::contestant(),
        scopeguard::contestant(),
        async_dropper::contestant(),
    ]
}

#[cfg(not(feature = "full"))]
fn peers() -> Vec<Contestant> {
    Vec::new()
}
