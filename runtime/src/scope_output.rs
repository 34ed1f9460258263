//! What the block of a `scope` may return.

use core::convert::Infallible;

use crate::classify::{Classify, ReturnType};
use crate::exit::CatchesFrom;
use crate::value::{Block, CatchesShape};

/// The output of the block of a [`scope`](crate::Manager::scope): a type that is known to be, or not to be, a failure.
///
/// A `Result` is a failure when it is an `Err`. The other types of the standard library are not failures. (`with!` can
/// decide this for any type; a function cannot.) For a value of another type, return `Ok(value)`:
///
/// ```
/// # use std::convert::Infallible;
/// # use async_context_manager::async_context_manager;
/// # #[async_context_manager]
/// # async fn connection() -> &mut Vec<u8> { let mut bytes = Vec::new(); r#yield!(&mut bytes); }
/// struct Length(usize);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let Ok(length) = connection().scope(async |conn| Ok::<_, Infallible>(Length(conn.len()))).await;
/// assert_eq!(length.0, 0);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a block of `scope` can't return `{Self}`: it is not known whether this is a failure",
    label = "return `Ok(value)`",
    note = "the block of a `with!` can have any type"
)]
pub trait ScopeOutput: Classify<Self::Literal> {
    /// See [`Classify`].
    #[doc(hidden)]
    type Literal: Default;
}

/// An exit type whose manager can receive the end of a block that returns `T`.
#[diagnostic::on_unimplemented(
    message = "the block returns `{T}`, but its manager catches another error type",
    label = "with the option `catch`, this manager must catch the error of its block",
    note = "convert the error in the block with `.map_err(...)`, or make the manager catch the error type of the block"
)]
pub trait CatchesOutput<T: ScopeOutput>:
    CatchesFrom<T, T::Literal> + CatchesFrom<Infallible, u8> + CatchesShape<Block>
{
}

impl<X, T> CatchesOutput<T> for X
where
    T: ScopeOutput,
    X: CatchesFrom<T, T::Literal> + CatchesFrom<Infallible, u8> + CatchesShape<Block>,
{
}

impl<T, E> ScopeOutput for Result<T, E> {
    type Literal = i32;
}

// The output of a block that always panics, or never ends.
impl ScopeOutput for <fn() -> ! as ReturnType>::Type {
    type Literal = u8;
}

/// Types whose values are not failures.
macro_rules! infallible {
    ($({$($generics:tt)*} $value:ty;)*) => {$(
        impl<$($generics)*> ScopeOutput for $value {
            type Literal = u8;
        }
    )*};
}

infallible! {
    {} ();
    {} bool;
    {} char;
    {} u8; {} u16; {} u32; {} u64; {} u128; {} usize;
    {} i8; {} i16; {} i32; {} i64; {} i128; {} isize;
    {} f32; {} f64;
    {} Infallible;
    {} core::time::Duration;
    {} core::cmp::Ordering;
    {T} Option<T>;
    {T: ?Sized} &T;
    {T: ?Sized} &mut T;
    {T, const N: usize} [T; N];
    {A, B} (A, B);
    {A, B, C} (A, B, C);
    {A, B, C, D} (A, B, C, D);
    {A, B, C, D, E} (A, B, C, D, E);
    {A, B, C, D, E, F} (A, B, C, D, E, F);
}

#[cfg(feature = "std")]
mod with_std {
    use std::borrow::{Cow, ToOwned};
    use std::boxed::Box;
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
    use std::ffi::OsString;
    use std::path::PathBuf;
    use std::rc::Rc;
    use std::string::String;
    use std::sync::Arc;
    use std::time::{Instant, SystemTime};
    use std::vec::Vec;

    use super::ScopeOutput;

    infallible! {
        {} String;
        {} OsString;
        {} PathBuf;
        {} Instant;
        {} SystemTime;
        {T: ?Sized} Box<T>;
        {T: ?Sized} Rc<T>;
        {T: ?Sized} Arc<T>;
        {T} Vec<T>;
        {T} VecDeque<T>;
        {T} BTreeSet<T>;
        {K, V} BTreeMap<K, V>;
        {T, S} HashSet<T, S>;
        {K, V, S} HashMap<K, V, S>;
        {'a, T: ?Sized + ToOwned} Cow<'a, T>;
    }
}
