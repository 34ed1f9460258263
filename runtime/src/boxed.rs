//! `BoxManager`: a manager with a type that can be named.

use core::future::Future;
use std::boxed::Box;

use crate::exit::Exit;
use crate::lend::{Contract, Lends};
use crate::lent::{HasContract, Mut, Owned, Ref, for_tuples, lent_value};
use crate::manager::{Manager, OutputOf};
use crate::raw::Body;
use crate::raw::boxed::{AnyBody, BoxBody};
use crate::raw::in_place::InPlace;

/// A manager on the heap, whose type can be named: in the fields of a struct, in a list, as the two branches of an `if`,
/// in a recursive function, and as the return type of a method of a `dyn` trait.
///
/// `K` is what the manager lends, as a type of [`lent`](crate::lent). `X` is its exit type. The manager may borrow for
/// `'env`. [`Manager::boxed`] makes one.
///
/// ```
/// use async_context_manager::{BoxManager, async_context_manager, lent, with};
/// # async fn read(path: &str) -> Result<String, std::io::Error> { std::fs::read_to_string(path) }
/// # async fn write(path: &str, text: String) -> Result<(), std::io::Error> { std::fs::write(path, text) }
///
/// #[async_context_manager]
/// async fn file(path: &str) -> Result<&mut String, std::io::Error> {
///     let mut text = read(path).await?;
///     r#yield!(&mut text);
///     write(path, text).await
/// }
///
/// #[async_context_manager]
/// async fn scratch() -> Result<&mut String, std::io::Error> {
///     r#yield!(&mut String::new());
///     Ok(())
/// }
///
/// trait Storage {
///     fn open(&self) -> BoxManager<'_, lent::Mut<String>, Result<(), std::io::Error>>;
/// }
///
/// struct Place(Option<String>);
///
/// impl Storage for Place {
///     fn open(&self) -> BoxManager<'_, lent::Mut<String>, Result<(), std::io::Error>> {
///         match &self.0 {
///             Some(path) => file(path).boxed(),
///             None => scratch().boxed(),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::io::Error> {
/// let storage: &dyn Storage = &Place(None);
/// let length = with!(storage.open() as text => {
///     text.push_str("hello");
///     text.len()
/// })?;
/// assert_eq!(length, 5);
/// # Ok(())
/// # }
/// ```
///
/// It is `Send`. [`LocalBoxManager`] is the same for managers that are not.
pub type BoxManager<'env, K, X = ()> =
    Manager<BoxBody<dyn AnyBody<Output = <X as Exit>::Output> + Send + 'env>, <K as HasContract>::Contract<X>>;

/// A [`BoxManager`] that need not be `Send`. [`Manager::boxed_local`] makes one.
pub type LocalBoxManager<'env, K, X = ()> =
    Manager<BoxBody<dyn AnyBody<Output = <X as Exit>::Output> + 'env>, <K as HasContract>::Contract<X>>;

impl<B: Body<Future: Future<Output = OutputOf<L>>>, L: Contract> Manager<B, L> {
    /// Moves the manager to the heap. The type of the result can be named: see [`BoxManager`].
    ///
    /// This is one allocation. The future of the manager uses the same memory once it is entered. A value of a type that
    /// implements [`AsyncContextManager`](crate::AsyncContextManager) is converted first:
    /// `value.into_manager().boxed()`.
    pub fn boxed<'env, K>(self) -> BoxManager<'env, K, L::Exit>
    where
        B: Body<Future: Send + 'env> + Send + 'env,
        L: LendsKind<K>,
        K: HasContract,
    {
        L::with_kind(
            self.map(|body| BoxBody::<dyn AnyBody<Output = _> + Send + 'env>::new(Box::pin(InPlace::new(body)))),
        )
    }

    /// The same for a manager that is not `Send`.
    pub fn boxed_local<'env, K>(self) -> LocalBoxManager<'env, K, L::Exit>
    where
        B: Body<Future: 'env> + 'env,
        L: LendsKind<K>,
        K: HasContract,
    {
        L::with_kind(self.map(|body| BoxBody::<dyn AnyBody<Output = _> + 'env>::new(Box::pin(InPlace::new(body)))))
    }
}

/// A contract whose value is a `K`. Only one `K` fits, so the compiler infers it.
#[diagnostic::on_unimplemented(
    message = "the type of this manager can't be named, because of what it lends",
    label = "the lent type borrows from the manager's locals",
    note = "a boxed manager lends a value that borrows nothing from it, a `&T` or a `&mut T` of one, or a tuple of two of \
            these or of three references; for a trait object, write `&mut (dyn Trait + 'static)`"
)]
pub trait LendsKind<K: HasContract>: Contract + Sized {
    /// Gives the manager the contract of its kind.
    fn with_kind<B>(manager: Manager<B, Self>) -> Manager<B, K::Contract<Self::Exit>>;
}

macro_rules! lends_tuples {
    ($(($($kind:ident $T:ident $(: ?$Sized:ident)?),*))*) => {$(
        impl<L, $($T $(: ?$Sized)?),*> LendsKind<($($kind<$T>,)*)> for L
        where
            L: for<'a, 'b> Lends<'a, 'b, Value = ($(lent_value!($kind 'a $T),)*)>,
        {
            fn with_kind<M>(
                manager: Manager<M, L>,
            ) -> Manager<M, <($($kind<$T>,)*) as HasContract>::Contract<L::Exit>> {
                manager.with_contract()
            }
        }
    )*};
}

for_tuples!(lends_tuples);

macro_rules! lends_kind {
    ($kind:ident<$T:ident $(: ?$Sized:ident)?>: $value:ty) => {
        impl<L: for<'a, 'b> Lends<'a, 'b, Value = $value>, $T $(: ?$Sized)?> LendsKind<$kind<$T>> for L {
            fn with_kind<B>(manager: Manager<B, L>) -> Manager<B, <$kind<$T> as HasContract>::Contract<L::Exit>> {
                manager.with_contract()
            }
        }
    };
}

lends_kind!(Owned<T>: T);
lends_kind!(Ref<T: ?Sized>: &'a T);
lends_kind!(Mut<T: ?Sized>: &'a mut T);
