//! `AnyManager`: the bound for functions and types that are generic over managers.

use crate::exit::Exit;
use crate::lend::Lends;
use crate::lent::Kind;
use crate::manager::IntoManager;

/// Any context manager that lends a `K`: of a manager function, or of a type that implements
/// [`AsyncContextManager`](crate::AsyncContextManager).
///
/// It is the bound for a manager as an argument. `K` is one of the types in [`lent`](crate::lent):
///
/// ```
/// use async_context_manager::{AnyManager, async_context_manager, lent, with};
/// # #[derive(Debug, PartialEq)]
/// # struct DbError;
/// # struct Conn(u32);
/// # impl Conn {
/// #     async fn query(&mut self) -> Result<u32, DbError> { self.0 += 1; Ok(self.0) }
/// # }
///
/// async fn count(conn: impl AnyManager<lent::Mut<Conn>, Exit = Result<(), DbError>>) -> Result<u32, DbError> {
///     with!(conn as conn => conn.query().await?)
/// }
///
/// #[async_context_manager]
/// async fn connection() -> Result<&mut Conn, DbError> {
///     let mut conn = Conn(0);
///     r#yield!(&mut conn);
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(count(connection()).await, Ok(1));
/// # }
/// ```
///
/// A function with such an argument can be spawned, for example `tokio::spawn(count(connection()))`.
///
/// A manager that wraps another one is a manager function:
///
/// ```
/// use async_context_manager::{AnyManager, async_context_manager, lent, with};
///
/// #[async_context_manager]
/// async fn logged<T, E>(manager: impl AnyManager<lent::Mut<T>, Exit = Result<(), E>>) -> Result<&mut T, E> {
///     println!("enters");
///     with!(manager as value => { r#yield!(value); })?;
///     println!("left");
///     Ok(())
/// }
/// ```
///
/// A factory of managers is a function that returns one:
///
/// ```
/// use async_context_manager::{AnyManager, async_context_manager, lent, with};
///
/// struct App<F> {
///     lifespan: F,
/// }
///
/// impl<F, M> App<F>
/// where
///     F: Fn(&str) -> M,
///     M: AnyManager<lent::Owned<u32>, Exit = ()>,
/// {
///     async fn serve(&self) -> u32 {
///         with!((self.lifespan)("app") as state => state + 1)
///     }
/// }
///
/// #[async_context_manager]
/// async fn lifespan(name: String) -> u32 {
///     println!("{name} starts");
///     r#yield!(1);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App { lifespan: |name: &str| lifespan(name.to_string()) };
/// assert_eq!(app.serve().await, 2);
/// # }
/// ```
///
/// This trait is implemented for all managers that lend one of the three kinds of values, and cannot be implemented by
/// other code. For a manager in a field or a list, see [`BoxManager`](crate::BoxManager).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a manager that lends a `{K}`",
    label = "expected a manager that lends a `{K}`",
    note = "`lent::Owned<T>` is the kind of a manager that lends a `T`, `lent::Ref<T>` that of a `&T`, and `lent::Mut<T>` \
            that of a `&mut T`"
)]
pub trait AnyManager<K: for<'v> Kind<'v>>:
    IntoManager<Contract: for<'a, 'b> Lends<'a, 'b, Value = <K as Kind<'a>>::Value, Exit = <Self as AnyManager<K>>::Exit>>
{
    /// The exit type of the manager: `()`, `Result<(), E>`, or one of these with [`Catch`](crate::Catch) or
    /// [`Suppress`](crate::Suppress).
    type Exit: Exit;
}

impl<M, K, X> AnyManager<K> for M
where
    M: IntoManager<Contract: for<'a, 'b> Lends<'a, 'b, Value = <K as Kind<'a>>::Value, Exit = X>>,
    K: for<'v> Kind<'v>,
    X: Exit,
{
    type Exit = X;
}
