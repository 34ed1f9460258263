//! Prepares a manager for its `with!`: what `with!` expands to begins with `open`.

use crate::exit::Exit;
use crate::frame::{Frame, Unbound};
use crate::lend::Lends;
use crate::manager::{Manager, UndroppedManager};
use crate::scope_types::Types;
use crate::value::{Block, Shape};

/// A manager that is about to be moved into a `with!`, and the frame that is created next.
type OpenedManager<'a, 'b, 'm, M, L, S> = (UndroppedManager<M, L>, Unbound<'a, 'b, 'm, Frame<S>>);

/// Returns the manager, and the [`Unbound`] from which its frame is created. The manager is the last one of its header,
/// or the only one.
#[inline]
pub fn open<'a, 'b, 'm, M, L, X, V, T, Jump, Return>(
    manager: Manager<M, L>,
) -> OpenedManager<'a, 'b, 'm, M, L, Types<X, V, Block, T, Jump, Return>>
where
    M: 'm,
    L: Lends<'a, 'b, Exit = X, Value = V>,
    X: Exit,
{
    (manager.undropped(), Unbound::new())
}

/// Same as [`open`], for a manager that is followed by others in its header. `Rest` is the shape of these.
#[inline]
pub fn open_around<'a, 'b, 'm, M, L, X, V, Rest, T, Jump, Return>(
    manager: Manager<M, L>,
) -> OpenedManager<'a, 'b, 'm, M, L, Types<X, V, Rest, T, Jump, Return>>
where
    M: 'm,
    L: Lends<'a, 'b, Exit = X, Value = V>,
    X: Exit,
    Rest: Shape,
{
    (manager.undropped(), Unbound::new())
}
