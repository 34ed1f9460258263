//! The type of the value that a manager lends: a family of types over the lifetimes that mean "while the block runs".

use core::marker::PhantomData;

use crate::exit::Exit;

/// The types that a manager and its block agree on.
pub trait Contract {
    /// The exit type of the manager.
    type Exit: Exit;
}

/// A contract with the type of the lent value, as a member of a family of types. The value itself is lent for `'a`. The
/// data behind it is lent for `'b`, which is longer.
pub trait Lends<'a, 'b>: Contract {
    /// The type of the lent value for these lifetimes.
    type Value;
}

/// The contract of a manager function: the exit type `X`, and the family of lent types that `L` describes. `L` is a
/// trait object type over the `N` lifetimes that are elided in the return type.
///
/// A trait object type is the only place where a function can write `for<'y>` over a type that contains its own
/// generics and `Self`. No such object is ever created.
///
/// At most two lifetimes are used. Lifetimes that are elided inside of another reference, as in `&mut Tx<'_>`, share
/// the second one, because a `&mut Tx<'_>` of a local is invariant in it and could not be lent if both were the same.
/// The body and the block only know that the second lifetime is longer. The block must not be able to treat both as
/// one: it could otherwise store a reference that lives for the first lifetime where the body expects the second.
pub struct FnContract<L: ?Sized, const N: usize, X>(PhantomData<fn(&L) -> X>);

impl<L: ?Sized, const N: usize, X: Exit> Contract for FnContract<L, N, X> {
    type Exit = X;
}

macro_rules! arity {
    ($n:literal $Lend:ident($($left_out:lifetime $block:lifetime)*)) => {
        #[doc = concat!("A lent type with ", $n, " left-out lifetimes.")]
        pub trait $Lend<$($left_out),*> {
            /// The lent type.
            type Out;
        }

        impl<'a, 'b, L: ?Sized + for<$($left_out),*> $Lend<$($left_out),*>, X: Exit> Lends<'a, 'b> for FnContract<L, $n, X> {
            type Value = <L as $Lend<$($block),*>>::Out;
        }
    };
}

arity!(0 Lend0());
arity!(1 Lend1('y 'a));
arity!(2 Lend2('y 'a 'z 'b));
