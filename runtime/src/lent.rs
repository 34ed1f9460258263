//! Names for what a manager lends, for code that is generic over managers.
//!
//! | name | the manager lends |
//! |---|---|
//! | [`Owned<T>`](Owned) | a `T` that borrows nothing from the manager |
//! | [`Ref<T>`](Ref) | a `&T`, which may borrow from the manager |
//! | [`Mut<T>`](Mut) | a `&mut T`, which may borrow from the manager |
//!
//! They stand in the bound [`AnyManager`](crate::AnyManager) and in the type [`BoxManager`](crate::BoxManager).

use core::marker::PhantomData;

use crate::exit::Exit;
use crate::lend::{Contract, FnContract, Lend0, Lend1, Lends};
use crate::manager::Manager;

/// The manager lends a `T` that borrows nothing from it.
#[derive(Debug)]
pub struct Owned<T>(PhantomData<fn(T) -> T>);

/// The manager lends a `&T`, which may borrow from it.
#[derive(Debug)]
pub struct Ref<T: ?Sized>(PhantomData<fn(&T) -> &T>);

/// The manager lends a `&mut T`, which may borrow from it.
#[derive(Debug)]
pub struct Mut<T: ?Sized>(PhantomData<fn(&mut T) -> &mut T>);

/// What a manager lends: [`Owned`], [`Ref`] or [`Mut`]. `'v` is the life of the block.
///
/// This trait is sealed. `Implied` is never written. It tells the compiler that `Self` outlives `'v`, also in a bound of
/// the form `for<'v> Kind<'v>`.
pub trait Kind<'v, Implied = &'v Self>: HasContract {
    /// The type of the lent value.
    type Value;
}

impl<T> Kind<'_> for Owned<T> {
    type Value = T;
}

impl<'v, T: ?Sized> Kind<'v> for Ref<T> {
    type Value = &'v T;
}

impl<'v, T: ?Sized> Kind<'v> for Mut<T> {
    type Value = &'v mut T;
}

/// The contract of a manager of which only this is known: it lends a value of this kind, and its exit type is `X`.
#[doc(hidden)]
pub trait HasContract {
    type Contract<X: Exit>: Contract<Exit = X>;
}

impl<T> HasContract for Owned<T> {
    type Contract<X: Exit> = FnContract<dyn Lend0<Out = T>, 0, X>;
}

impl<T: ?Sized> HasContract for Ref<T> {
    type Contract<X: Exit> = FnContract<dyn for<'y> Lend1<'y, Out = &'y T>, 1, X>;
}

impl<T: ?Sized> HasContract for Mut<T> {
    type Contract<X: Exit> = FnContract<dyn for<'y> Lend1<'y, Out = &'y mut T>, 1, X>;
}

/// A contract whose value is a `K`. Only one `K` fits, so the compiler infers it.
#[diagnostic::on_unimplemented(
    message = "the type of this manager can't be named, because of what it lends",
    label = "the lent type borrows from the manager's locals",
    note = "a boxed manager lends a value that borrows nothing from it, or a `&T` or a `&mut T` of one; for a trait \
            object, write `&mut (dyn Trait + 'static)`"
)]
#[doc(hidden)]
pub trait LendsKind<K: HasContract>: Contract + Sized {
    /// Gives the manager the contract of its kind.
    fn with_kind<B>(manager: Manager<B, Self>) -> Manager<B, K::Contract<Self::Exit>>;
}

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
