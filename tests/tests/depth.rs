//! How deep `with!`s go before the compiler gives up, with the default `recursion_limit`: that these compile is the test.
//! Each future is one that is spawned, and so known to be `Send`.

#![forbid(unsafe_code)]
#![allow(clippy::many_single_char_names, reason = "there are many managers")]

use std::convert::Infallible;

use async_context_manager::{async_context_manager, with};
use tests::block_on;

#[async_context_manager]
async fn number(n: u64) -> Result<&mut u64, Infallible> {
    let mut number = n;
    r#yield!(&mut number);
    Ok(())
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let spawned: std::pin::Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(future);
    block_on(spawned)
}

/// An `async fn` with a `with!` around the call of another one.
macro_rules! calls {
    ($($name:ident calls $callee:ident)*) => {$(
        async fn $name(n: u64) -> Result<u64, Infallible> {
            with!(number(n) as number => { *number + $callee(n).await? })
        }
    )*};
}

async fn innermost(n: u64) -> Result<u64, Infallible> {
    with!(number(n) as number => *number)
}

mod functions {
    use super::*;

    calls! {
        f2 calls innermost
        f3 calls f2 f4 calls f3 f5 calls f4 f6 calls f5 f7 calls f6 f8 calls f7 f9 calls f8 f10 calls f9
        f11 calls f10 f12 calls f11 f13 calls f12 f14 calls f13 f15 calls f14 f16 calls f15 f17 calls f16
        f18 calls f17 f19 calls f18
    }

    #[test]
    fn nineteen_where_the_callee_is_defined_first() {
        assert_eq!(spawn(f19(1)), Ok(19));
    }
}

mod functions_caller_first {
    use super::*;

    calls! {
        f15 calls f14 f14 calls f13 f13 calls f12 f12 calls f11 f11 calls f10 f10 calls f9 f9 calls f8 f8 calls f7
        f7 calls f6 f6 calls f5 f5 calls f4 f4 calls f3 f3 calls f2
        f2 calls innermost
    }

    #[test]
    fn fifteen_where_the_caller_is_defined_first() {
        assert_eq!(spawn(f15(1)), Ok(15));
    }
}

/// A `with!` in the block of another one, as often as there are tokens.
macro_rules! nested {
    ($n:ident) => { Ok::<u64, Infallible>($n) };
    ($n:ident . $($more:tt)*) => { with!(number($n) as number => *number + nested!($n $($more)*)?) };
}

#[test]
fn twenty_nested_in_one_function() {
    async fn nested(n: u64) -> Result<u64, Infallible> {
        nested!(n . . . . . . . . . . . . . . . . . . . .)
    }
    assert_eq!(spawn(nested(1)), Ok(21));
}

#[test]
fn sixteen_in_one_header() {
    async fn header(n: u64) -> Result<u64, Infallible> {
        with!(
            number(n) as a, number(n) as b, number(n) as c, number(n) as d,
            number(n) as e, number(n) as f, number(n) as g, number(n) as h,
            number(n) as i, number(n) as j, number(n) as k, number(n) as l,
            number(n) as m, number(n) as o, number(n) as p, number(n) as q
            => *a + *b + *c + *d + *e + *f + *g + *h + *i + *j + *k + *l + *m + *o + *p + *q
        )
    }
    assert_eq!(spawn(header(1)), Ok(16));
}

mod composed {
    use super::*;

    /// A manager that is made of another one.
    macro_rules! made {
        ($($name:ident of $inner:ident)*) => {$(
            #[async_context_manager]
            async fn $name(n: u64) -> Result<&mut u64, Infallible> {
                with!($inner(n) as number => {
                    *number += n;
                    r#yield!(&mut *number);
                })
            }
        )*};
    }

    made! {
        m2 of number
        m3 of m2 m4 of m3 m5 of m4 m6 of m5 m7 of m6 m8 of m7 m9 of m8 m10 of m9 m11 of m10 m12 of m11 m13 of m12
        m14 of m13 m15 of m14 m16 of m15 m17 of m16 m18 of m17 m19 of m18 m20 of m19 m21 of m20 m22 of m21
        m23 of m22 m24 of m23 m25 of m24 m26 of m25 m27 of m26 m28 of m27
    }

    #[test]
    fn twenty_eight_managers_of_one_another() {
        async fn run(n: u64) -> Result<u64, Infallible> {
            with!(m28(n) as number => *number)
        }
        assert_eq!(spawn(run(1)), Ok(28));
    }
}
