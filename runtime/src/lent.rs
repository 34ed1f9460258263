//! Names for what a manager lends, for code that is generic over managers.
//!
//! | name | the manager lends |
//! |---|---|
//! | [`Owned<T>`](Owned) | a `T` that borrows nothing from the manager |
//! | [`Ref<T>`](Ref) | a `&T`, which may borrow from the manager |
//! | [`Mut<T>`](Mut) | a `&mut T`, which may borrow from the manager |
//! | `(Mut<T>, Ref<U>)` and the like | a tuple of two or three of these, of which at least one is a reference (of three, all) |
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

/// The kind of value that a manager lends: [`Owned`], [`Ref`], [`Mut`], or a tuple of these. The block runs for `'v`.
///
/// This trait is sealed. Leave the parameter `Implied` at its default. The default tells the compiler that `Self` outlives
/// `'v`, which a bound such as `for<'v> Kind<'v>` cannot say.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how a manager lends",
    label = "expected a type of `lent`",
    note = "write `lent::Owned<T>` for a manager that lends a `T`, `lent::Ref<T>` for a `&T`, and `lent::Mut<T>` for a `&mut T`"
)]
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

/// Calls a macro with the kinds of tuples: those of two that do not own both of their values, and those of three
/// references. The compiler can infer the kind of a value only if each has an implementation of its own.
macro_rules! for_tuples {
    ($implement:ident) => {
        $implement! {
            (Owned T, Ref U: ?Sized) (Owned T, Mut U: ?Sized)
            (Ref T: ?Sized, Owned U) (Mut T: ?Sized, Owned U)
            (Ref T: ?Sized, Ref U: ?Sized) (Ref T: ?Sized, Mut U: ?Sized)
            (Mut T: ?Sized, Ref U: ?Sized) (Mut T: ?Sized, Mut U: ?Sized)
            (Ref T: ?Sized, Ref U: ?Sized, Ref V: ?Sized) (Ref T: ?Sized, Ref U: ?Sized, Mut V: ?Sized)
            (Ref T: ?Sized, Mut U: ?Sized, Ref V: ?Sized) (Ref T: ?Sized, Mut U: ?Sized, Mut V: ?Sized)
            (Mut T: ?Sized, Ref U: ?Sized, Ref V: ?Sized) (Mut T: ?Sized, Ref U: ?Sized, Mut V: ?Sized)
            (Mut T: ?Sized, Mut U: ?Sized, Ref V: ?Sized) (Mut T: ?Sized, Mut U: ?Sized, Mut V: ?Sized)
        }
    };
}

/// The value of a kind: `lent_value!(Mut 'v T)` is `&'v mut T`.
macro_rules! lent_value {
    (Owned $life:lifetime $T:ident) => { $T };
    (Ref $life:lifetime $T:ident) => { &$life $T };
    (Mut $life:lifetime $T:ident) => { &$life mut $T };
}

macro_rules! tuple_kinds {
    ($(($($kind:ident $T:ident $(: ?$Sized:ident)?),*))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'v, $($T $(: ?$Sized)?),*> Kind<'v> for ($($kind<$T>,)*) {
            type Value = ($(lent_value!($kind 'v $T),)*);
        }

        impl<$($T $(: ?$Sized)?),*> HasContract for ($($kind<$T>,)*) {
            type Contract<X: Exit> = FnContract<dyn for<'y> Lend1<'y, Out = ($(lent_value!($kind 'y $T),)*)>, 1, X>;
        }
    )*};
}

for_tuples!(tuple_kinds);

#[cfg(feature = "std")]
pub(crate) use {for_tuples, lent_value};
