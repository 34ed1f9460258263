//! `Manager::shielded`: a manager that cannot be cancelled in its enter or exit phase.

use core::future::Future;

use crate::lend::Lends;
use crate::lent::{Mut, Owned, Ref};
use crate::manager::{Manager, OutputOf};
use crate::raw::body::Name;
use crate::raw::shield::{Rescuable, ShieldedBody};
use crate::raw::{Body, FrameHandle, FunctionBody, SameContract};

impl<B, L> Manager<B, L>
where
    B: Body<Future: Future<Output = OutputOf<L>> + Send + 'static>,
    L: Rescuable,
{
    /// Returns the same manager, but only its block can be cancelled. This is the option `shielded` of
    /// [`async_context_manager`](crate::async_context_manager), for an existing manager.
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
    /// rescue::drain().await; // afterwards, the lease has been released
    /// # assert!(RELEASED.load(Ordering::SeqCst));
    /// # }
    /// # #[cfg(not(feature = "tokio"))]
    /// # fn main() {}
    /// ```
    ///
    /// A type that implements [`AsyncContextManager`](crate::AsyncContextManager) is converted into a manager first:
    /// `connection.into_manager().shielded()`.
    ///
    /// A shielded manager needs one allocation. The module [`rescue`](crate::rescue) documents its requirements and its
    /// behaviour.
    pub fn shielded<K>(self) -> Manager<ShieldedBody<B, L>, L>
    where
        L: LendsShielded<K>,
    {
        self.map(|body| ShieldedBody::new(body, L::BORROWS))
    }
}

/// A contract whose value a shielded manager may lend. `K` is the kind of the value: [`Owned`], [`Ref`] or [`Mut`].
///
/// The exit phase of a shielded manager may run after the function around its `with!` is gone. The block must therefore
/// not be able to store its own borrows in the lent value. References are known to be covariant, so they are allowed.
#[diagnostic::on_unimplemented(
    message = "a shielded manager can't lend this type",
    label = "this type borrows from the manager's locals, and the block could store its own borrows in it",
    note = "the exit phase of the manager may outlive everything that the block borrows",
    note = "lend a value that borrows nothing, or a `&T` or a `&mut T` of one; for a trait object, write \
            `&mut (dyn Trait + 'static)`"
)]
pub trait LendsShielded<K> {
    /// Whether the value borrows from the manager.
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

/// Creates a shielded manager. The option of the attribute expands to a call of this function.
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
