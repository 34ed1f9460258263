//! Values that outlive the poll in which they were lent: on an exit stack, or lent by a shielded manager.

use core::ptr::NonNull;

use super::TaskPtr;
use crate::lend::Lends;
use crate::lent::{for_tuples, lent_value};

/// A contract whose value a stack can return, stored as a `K`.
///
/// The value may only borrow from the manager's locals as a reference, or as a tuple of references. These are known to be
/// covariant, so the caller cannot store anything through them that lives shorter than the stack.
#[diagnostic::on_unimplemented(
    message = "an exit stack can't return the value that this manager lends",
    label = "the lent type borrows from the manager's locals",
    note = "lend a value that borrows nothing from the manager, a `&T` or a `&mut T` of one, or a tuple of two of these or \
            of three references",
    note = "if the number of managers is known, use `with!` instead"
)]
pub trait StackValue<K>: for<'a, 'b> Lends<'a, 'b, Value: Send> {
    /// Converts the value into its stored form.
    fn store(value: <Self as Lends<'_, '_>>::Value) -> K;
}

/// A stored value, which is returned for as long as the stack is borrowed.
pub trait Stored<'s> {
    /// The value as it is returned.
    type Value;
    /// Whether the value may borrow from the manager.
    const BORROWS: bool;

    /// # Safety
    ///
    /// For `'s`, no other code may borrow what this value was made from, and it must not be dropped or moved.
    unsafe fn give(self) -> Self::Value;
}

/// A value that borrows nothing from the manager.
#[derive(Debug)]
pub struct StoredOwned<T>(T);

/// A `&T` to data of the manager.
pub struct StoredRef<T: ?Sized>(TaskPtr<T>);

/// A `&mut T` to data of the manager.
pub struct StoredMut<T: ?Sized>(TaskPtr<T>);

impl<L, T: Send> StackValue<StoredOwned<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = T>,
{
    fn store(value: T) -> StoredOwned<T> {
        value.into()
    }
}

impl<L, T: ?Sized + Sync> StackValue<StoredRef<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = &'a T>,
{
    fn store(value: &T) -> StoredRef<T> {
        value.into()
    }
}

impl<L, T: ?Sized + Send> StackValue<StoredMut<T>> for L
where
    L: for<'a, 'b> Lends<'a, 'b, Value = &'a mut T>,
{
    fn store(value: &mut T) -> StoredMut<T> {
        value.into()
    }
}

macro_rules! stored {
    (Owned $T:ident) => { StoredOwned<$T> };
    (Ref $T:ident) => { StoredRef<$T> };
    (Mut $T:ident) => { StoredMut<$T> };
}

macro_rules! stack_tuples {
    ($(($($kind:ident $T:ident $(: ?$Sized:ident)?),*))*) => {$(
        impl<L, $($T $(: ?$Sized)?),*> StackValue<($(stored!($kind $T),)*)> for L
        where
            L: for<'a, 'b> Lends<'a, 'b, Value: Send, Value = ($(lent_value!($kind 'a $T),)*)>,
        {
            #[allow(non_snake_case, reason = "the values are named like their types")]
            fn store(($($T,)*): ($(lent_value!($kind '_ $T),)*)) -> ($(stored!($kind $T),)*) {
                ($($T.into(),)*)
            }
        }
    )*};
}

for_tuples!(stack_tuples);

impl<T> From<T> for StoredOwned<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: ?Sized> From<&T> for StoredRef<T> {
    fn from(value: &T) -> Self {
        Self(TaskPtr(NonNull::from(value)))
    }
}

impl<T: ?Sized> From<&mut T> for StoredMut<T> {
    fn from(value: &mut T) -> Self {
        Self(TaskPtr(NonNull::from(value)))
    }
}

impl<'s, A: Stored<'s>, B: Stored<'s>> Stored<'s> for (A, B) {
    type Value = (A::Value, B::Value);
    const BORROWS: bool = A::BORROWS || B::BORROWS;

    unsafe fn give(self) -> Self::Value {
        // SAFETY: guaranteed by the caller. Both were made from references that lived at the same time.
        let first = unsafe { self.0.give() };
        // SAFETY: as above.
        let second = unsafe { self.1.give() };
        (first, second)
    }
}

impl<'s, A: Stored<'s>, B: Stored<'s>, C: Stored<'s>> Stored<'s> for (A, B, C) {
    type Value = (A::Value, B::Value, C::Value);
    const BORROWS: bool = <((A, B), C)>::BORROWS;

    unsafe fn give(self) -> Self::Value {
        let (first, second, third) = self;
        // SAFETY: guaranteed by the caller.
        let ((first, second), third) = unsafe { ((first, second), third).give() };
        (first, second, third)
    }
}

impl<T> Stored<'_> for StoredOwned<T> {
    type Value = T;
    const BORROWS: bool = false;

    unsafe fn give(self) -> T {
        self.0
    }
}

impl<'s, T: ?Sized + 's> Stored<'s> for StoredRef<T> {
    type Value = &'s T;
    const BORROWS: bool = true;

    unsafe fn give(self) -> &'s T {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.0.as_ref() }
    }
}

impl<'s, T: ?Sized + 's> Stored<'s> for StoredMut<T> {
    type Value = &'s mut T;
    const BORROWS: bool = true;

    unsafe fn give(mut self) -> &'s mut T {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.0.as_mut() }
    }
}
