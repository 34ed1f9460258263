//! `Manager::shielded`: a manager that cannot be cancelled in its enter or exit phase.

use core::future::Future;

use crate::exit::Exit;
use crate::lend::{Contract, FnContract, Lends};
use crate::lent::{Mut, Owned, Ref, for_tuples, lent_value};
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
    #[doc(alias = "shield")]
    pub fn shielded<K>(self) -> Manager<ShieldedBody<B, L>, L>
    where
        L: LendsShielded<K>,
    {
        self.map(|body| ShieldedBody::new(body, L::BORROWS))
    }
}

/// A contract whose value is known to be covariant, so that a shielded manager may lend it. `K` is the kind of the value,
/// as in [`lent`](crate::lent).
///
/// The exit phase of a shielded manager may run after the function around its `with!` is gone. The block must therefore
/// not be able to store its own borrows in the lent value.
#[diagnostic::on_unimplemented(
    message = "this manager lends a type that only a manager function with the option `shielded` can lend",
    label = "this type borrows from the manager's locals, and the block could store its own borrows in it",
    note = "the exit phase of the manager may outlive everything that the block borrows",
    note = "write `#[async_context_manager(shielded)]` on the function; a type can lend a value that borrows nothing, a \
            `&T` or a `&mut T` of one, or a tuple of two of these or of three references"
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

macro_rules! lends_tuples {
    ($(($($kind:ident $T:ident $(: ?$Sized:ident)?),*))*) => {$(
        impl<L, $($T: $(?$Sized +)? 'static),*> LendsShielded<($($kind<$T>,)*)> for L
        where
            L: for<'a, 'b> Lends<'a, 'b, Value = ($(lent_value!($kind 'a $T),)*)>,
        {
            const BORROWS: bool = true;
        }
    )*};
}

for_tuples!(lends_tuples);

/// Creates a shielded manager. The option of the attribute expands to a call of this function.
///
/// `shorten` must return its first argument. This compiles only if the lent type is covariant in the `N` lifetimes that
/// are elided in it: code that has the value for a shorter time can't store anything in it that the manager could use
/// afterwards. The second argument of `shorten` is not used. Its type says that `'l` outlives `'s`.
#[doc(hidden)]
#[inline]
pub fn shielded<M, B, F, L, const N: usize, X, S>(
    contract: SameContract<FnContract<L, N, X>>,
    name: M,
    body: B,
    _shorten: S,
) -> Manager<ShieldedBody<FunctionBody<M, B>, FnContract<L, N, X>>, FnContract<L, N, X>>
where
    M: Name<Output = F::Output>,
    B: FnOnce(FrameHandle) -> F,
    F: Future<Output = X::Output> + Send + 'static,
    L: ?Sized,
    X: Exit,
    FnContract<L, N, X>: Contract<Exit = X> + Rescuable + for<'a, 'b> Lends<'a, 'b>,
    S: for<'s, 'l> FnOnce(
        <FnContract<L, N, X> as Lends<'l, 'l>>::Value,
        &'s &'l (),
    ) -> <FnContract<L, N, X> as Lends<'s, 's>>::Value,
{
    Manager::new(contract, name, body).map(|body| ShieldedBody::new(body, N > 0))
}
