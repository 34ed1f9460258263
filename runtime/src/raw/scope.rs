//! The future of [`Manager::scope`].

use core::convert::Infallible;
use core::future::Future;

use super::in_place::InPlace;
use super::{Body, run};
use crate::frame::{BorrowToken, End, ValueToken};
use crate::lend::Lends;
use crate::manager::{Manager, OutputOf};
use crate::open::open;
use crate::scope_output::{CatchesOutput, ScopeOutput};
use crate::show::GENERIC;
use crate::value::ScopeValue;

/// Enters `manager`, runs `block` with the lent value, and leaves the manager.
///
/// This is not an `async fn`, and the body is started in place, because an `async fn` would store the manager twice.
#[inline]
pub(crate) fn scope<M, L, B, T>(manager: Manager<M, L>, block: B) -> impl Future<Output = ScopeValue<L::Exit, T>>
where
    M: Body<Future: Future<Output = OutputOf<L>>>,
    L: for<'a, 'b> Lends<'a, 'b>,
    B: for<'a, 'b> AsyncFnOnce(<L as Lends<'a, 'b>>::Value) -> T,
    T: ScopeOutput,
    L::Exit: CatchesOutput<T>,
{
    let mut in_place = InPlace::new(manager.body);
    async move {
        // SAFETY: `in_place` is a variable that this future has captured. The future is pinned, and does not move it.
        let body = unsafe { in_place.body() };
        let (manager, opened) = open::<_, L, _, _, T, Infallible, Infallible>(Manager::with_body(body));
        let kept = ValueToken::new();
        let first = BorrowToken::new();
        let second = BorrowToken::inside(&first);
        let frame = opened.until(&second, &kept);
        let block = async {
            let end = frame.block().end(block(frame.value()).await);
            match frame.end(end, T::Literal::default()).await {}
        };
        match run(manager, &frame, (), block, 0_u8, || GENERIC).await {
            End::Value(value) => value,
            End::Jump(never) | End::Return(never) => match never {},
        }
    }
}
