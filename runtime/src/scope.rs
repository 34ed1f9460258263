//! `Manager::scope`: `with!` as a method, without a macro.

use core::convert::Infallible;
use core::future::Future;

use crate::classify::{Classify, ReturnType};
use crate::exit::{CatchesFrom, Exit};
use crate::frame::{Frame, Unbound};
use crate::lend::Lends;
use crate::manager::{Manager, OutputOf, UndroppedManager};
use crate::raw::{Body, scope};
use crate::scope_types::Types;
use crate::value::{Block, CatchesShape, ScopeValue, Shape};

/// A manager that is about to be moved into a `with!`, and the frame that is created next.
type OpenedManager<'a, 'b, 'm, M, L, S> = (UndroppedManager<M, L>, Unbound<'a, 'b, 'm, Frame<S>>);

/// Returns the manager, and the [`Unbound`] from which its frame is created. The manager is the last one of its header,
/// or the only one.
#[inline]
pub fn open<'a, 'b, 'm, M, L, X, V, T, Jump, Return>(
    manager: Manager<M, L>,
) -> OpenedManager<'a, 'b, 'm, M, L, Types<X, V, Block, T, Jump, Return>>
where
    M: 'm,
    L: Lends<'a, 'b, Exit = X, Value = V>,
    X: Exit,
{
    (manager.undropped(), Unbound::new())
}

/// Same as [`open`], for a manager that is followed by others in its header. `Rest` is the shape of these.
#[inline]
pub fn open_around<'a, 'b, 'm, M, L, X, V, Rest, T, Jump, Return>(
    manager: Manager<M, L>,
) -> OpenedManager<'a, 'b, 'm, M, L, Types<X, V, Rest, T, Jump, Return>>
where
    M: 'm,
    L: Lends<'a, 'b, Exit = X, Value = V>,
    X: Exit,
    Rest: Shape,
{
    (manager.undropped(), Unbound::new())
}

impl<M, L> Manager<M, L>
where
    M: Body<Future: Future<Output = OutputOf<L>>>,
    L: for<'a, 'b> Lends<'a, 'b>,
{
    /// Enters the manager, runs `block` with the lent value, and leaves the manager: [`with!`](crate::with) without the
    /// macro.
    ///
    /// ```
    /// # use async_context_manager::async_context_manager;
    /// # #[async_context_manager]
    /// # async fn connection() -> &mut Vec<u8> { let mut bytes = Vec::new(); r#yield!(&mut bytes); }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let length = connection()
    ///     .scope(async |conn| {
    ///         conn.push(1);
    ///         conn.len()
    ///     })
    ///     .await;
    /// assert_eq!(length, 1);
    /// # }
    /// ```
    ///
    /// The future can be spawned as a task of tokio. If both the manager and the block can fail, each adds a `?`:
    ///
    /// ```
    /// # use std::io;
    /// # use async_context_manager::async_context_manager;
    /// # struct Conn;
    /// # impl Conn { async fn execute(&mut self, _sql: &str) -> io::Result<u64> { Ok(1) } }
    /// # #[async_context_manager]
    /// # async fn connection(_url: &str) -> io::Result<&mut Conn> { let mut conn = Conn; r#yield!(&mut conn); Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = String::from("db://");
    /// let task = tokio::spawn(async move { connection(&url).scope(async |conn| conn.execute("SELECT 1").await).await });
    /// let rows = task.await???; // errors of the task, of the connection, of the block
    /// assert_eq!(rows, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The value and the guarantees are the same as those of `with!`. The block is a closure: a `return` or `?` in it
    /// leaves the closure and not the function around it. An `Err` that the closure returns is the failure that the
    /// manager sees. The output of the closure must be a [`ScopeOutput`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the manager. An `Err` of the block is in the value, unless the manager catches it.
    ///
    /// # Panics
    ///
    /// Panics if the block or the manager does.
    ///
    /// # Cancel safety
    ///
    /// Same as `with!`: see [`async_context_manager`](crate::async_context_manager).
    pub fn scope<B, T>(self, block: B) -> impl Future<Output = ScopeValue<L::Exit, T>>
    where
        B: for<'a, 'b> AsyncFnOnce(<L as Lends<'a, 'b>>::Value) -> T,
        T: ScopeOutput,
        L::Exit: CatchesOutput<T>,
    {
        scope(self, block)
    }
}

/// The output of the block of a [`scope`](Manager::scope): a type that is known to be, or not to be, a failure.
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
