//! What a manager lends, as types: a family over the lifetimes that stand for "while the block runs".

use core::marker::PhantomData;

use crate::exit::Exit;

/// What there is between a manager and its block.
pub trait Contract {
    /// How the manager ends.
    type Exit: Exit;
}

/// Contract with what is lent to a block: a member of a family of types. The value itself is lent for `'a`, and what is
/// behind it for `'b`, which is longer.
pub trait Lends<'a, 'b>: Contract {
    /// The member.
    type Value;
}

/// The contract of a manager function: the exit `X`, and the family that is described by `L`, a trait object type over the
/// `N` lifetimes that the return type left out.
///
/// A trait object type is the one place where a function can write `for<'y>` over a type in which its own generics and
/// `Self` appear; no such object is ever made.
///
/// There are two such lifetimes at most. Those that are left out inside of another one, as in `&mut Tx<'_>`, are a
/// second one, because a `&mut Tx<'_>` of a local is invariant in it, and could not be lent with both the same. Of
/// these, all that the body and the block know is that the second is longer. The block must not take them for one: it
/// could store what lives for the first where the body looks for the second.
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
