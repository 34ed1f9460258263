//! What a manager lends, as types: a family `V<'a>`, where `'a` stands for "while the block runs".

use core::marker::PhantomData;

use crate::exit::Exit;
use crate::frame::{Lending, YieldPoint};

/// What there is between a manager and its block.
pub trait Terms {
    /// How the manager ends.
    type Exit: Exit;
}

/// Terms with what is lent to a block that runs for `'a`: a member of a family of types.
pub trait Lent<'a>: Terms {
    /// The member.
    type Value;
}

/// The terms of a manager function: the exit `X`, and the family that is described by `L`, a trait object type over `N`
/// lifetimes that the return type left out.
///
/// A trait object type is the one place where a function can write `for<'a>` over a type in which its own generics and
/// `Self` appear; no such object is ever made. Each left-out lifetime is its own, because an invariant `&mut Tx<'_>` of
/// a local could not be lent with both the same. `with!` takes one lifetime for all of them.
pub struct Lends<L: ?Sized, const N: usize, X>(PhantomData<fn(&L) -> X>);

impl<L: ?Sized, const N: usize, X: Exit> Terms for Lends<L, N, X> {
    type Exit = X;
}

macro_rules! arity {
    ($n:literal $Lend:ident($($left_out:lifetime $block:lifetime)*)) => {
        #[doc = concat!("A lent type with ", $n, " left-out lifetimes.")]
        pub trait $Lend<$($left_out),*> {
            /// The lent type.
            type Out;
        }

        impl<'a, L: ?Sized + for<$($left_out),*> $Lend<$($left_out),*>, X: Exit> Lent<'a> for Lends<L, $n, X> {
            type Value = <L as $Lend<$($block),*>>::Out;
        }

        impl<'f, L, X, Here> YieldPoint<'f, Lends<L, $n, X>, Here>
        where
            L: ?Sized + for<$($left_out),*> $Lend<$($left_out),*>,
            X: Exit,
        {
            /// The yield point: lends `value` to the block and polls it to its end.
            ///
            /// The left-out lifetimes must end before the body does (`'f`): the block may store what it likes in
            /// a lent `&Cell<&T>`, and it must not find its way to somebody who reads it later.
            pub fn lend<$($left_out),*>(
                self,
                value: <L as $Lend<$($left_out),*>>::Out,
            ) -> Lending<'f, Lends<L, $n, X>, Here, <L as $Lend<$($left_out),*>>::Out>
            where
                $('f: $left_out),*
            {
                Lending::new(self, value)
            }
        }
    };
}

arity!(0 Lend0());
arity!(1 Lend1('y 'a));
arity!(2 Lend2('y 'a 'z 'a));
arity!(3 Lend3('y 'a 'z 'a 'x 'a));
arity!(4 Lend4('y 'a 'z 'a 'x 'a 'w 'a));
