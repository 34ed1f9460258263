//! `shielded`: a manager that can't be cancelled while it enters or leaves.

use core::future::Future;

use crate::lend::Lends;
use crate::manager::{Manager, OutputOf};
use crate::raw::body::Name;
use crate::raw::shield::{Rescuable, ShieldedBody};
use crate::raw::stack_entry::{Mut, Owned, Ref};
use crate::raw::{Body, FrameHandle, FunctionBody, SameContract};

impl<B, L> Manager<B, L>
where
    B: Body<Future: Future<Output = OutputOf<L>> + Send + 'static>,
    L: Rescuable,
{
    /// The same manager, but that only its block can be cancelled: the option `shielded` of
    /// [`async_context_manager`](crate::async_context_manager), for a manager that is there.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::time::Duration;
    ///
    /// use async_context_manager::{async_context_manager, rescue, with};
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # static RELEASED: AtomicBool = AtomicBool::new(false);
    /// # struct Lease;
    /// # impl Lease {
    /// #     async fn acquire() -> Self { Self }
    /// #     async fn release(self) { tokio::task::yield_now().await; RELEASED.store(true, Ordering::SeqCst); }
    /// # }
    ///
    /// #[async_context_manager]
    /// async fn lease() -> &Lease {
    ///     let lease = Lease::acquire().await;
    ///     r#yield!(&lease);
    ///     lease.release().await;
    /// }
    ///
    /// let work = async { with!(lease().shielded() as _lease => std::future::pending::<()>().await) };
    /// tokio::time::timeout(Duration::from_millis(1), work).await.unwrap_err();
    /// rescue::drain().await; // has been released after this
    /// # assert!(RELEASED.load(Ordering::SeqCst));
    /// # }
    /// # #[cfg(not(feature = "tokio"))]
    /// # fn main() {}
    /// ```
    ///
    /// A type with [`AsyncContextManager`](crate::AsyncContextManager) is made a manager first:
    /// `connection.into_manager().shielded()`.
    ///
    /// It takes one allocation. What a manager must be for it, and what it does, is told in [`rescue`](crate::rescue).
    pub fn shielded<K>(self) -> Manager<ShieldedBody<B, L>, L>
    where
        L: LendsShielded<K>,
    {
        self.map(|body| ShieldedBody::new(body, L::BORROWS))
    }
}

/// What a shielded manager may lend: as a `K`.
///
/// Its exit phase may be run when the function around its `with!` is gone. So the block must not be able to store
/// what it borrows there in what is lent; a reference is known to be covariant.
#[diagnostic::on_unimplemented(
    message = "a shielded manager can't lend this",
    label = "it lends a type that borrows from the manager's locals, in which the block could store what it borrows itself",
    note = "its exit phase may run when what the block borrows is gone",
    note = "lend a value that borrows nothing, or a `&T` or a `&mut T` of one; a trait object says that it is one: \
            `&mut (dyn Trait + 'static)`"
)]
pub trait LendsShielded<K> {
    /// Whether it borrows from the manager.
    const BORROWS: bool;
}

impl<L, T: 'static> LendsShielded<Owned<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = T>,
{
    const BORROWS: bool = false;
}

impl<L, T: ?Sized + 'static> LendsShielded<Ref<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = &'a T>,
{
    const BORROWS: bool = true;
}

impl<L, T: ?Sized + 'static> LendsShielded<Mut<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = &'a mut T>,
{
    const BORROWS: bool = true;
}

/// Makes a shielded manager: what the option of the attribute expands to.
#[doc(hidden)]
#[inline]
pub fn shielded<N, B, F, L, K>(
    contract: SameContract<L>,
    name: N,
    body: B,
) -> Manager<ShieldedBody<FunctionBody<N, B>, L>, L>
where
    N: Name<Output = F::Output>,
    B: FnOnce(FrameHandle) -> F,
    F: Future<Output = OutputOf<L>> + Send + 'static,
    L: Rescuable + LendsShielded<K>,
{
    Manager::new(contract, name, body).shielded()
}
