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
use crate::lend::{FnContract, Lend0, Lend1};
pub(crate) use sealed::HasContract;

/// The manager lends a `T` that borrows nothing from it.
#[derive(Debug)]
pub struct Owned<T>(PhantomData<fn(T) -> T>);

/// The manager lends a `&T`, which may borrow from it.
#[derive(Debug)]
pub struct Ref<T: ?Sized>(PhantomData<fn(&T) -> &T>);

/// The manager lends a `&mut T`, which may borrow from it.
#[derive(Debug)]
pub struct Mut<T: ?Sized>(PhantomData<fn(&mut T) -> &mut T>);

/// The kind of value that a manager lends: [`Owned`], [`Ref`] or [`Mut`]. The block runs for `'v`.
///
/// This trait is sealed. Do not name the parameter `Implied`. Its default tells the compiler that `Self` outlives `'v`,
/// also in the bound `for<'v> Kind<'v>`.
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

mod sealed {
    use crate::exit::Exit;
    use crate::lend::Contract;

    /// The contract of a manager of which only two things are known: it lends a value of this kind, and its exit type is
    /// `X`.
    pub trait HasContract {
        type Contract<X: Exit>: Contract<Exit = X>;
    }
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
