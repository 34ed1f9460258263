//! How the way a manager function ends shapes the value of `with!`: a block of type `T` gives `T` or `Result<T, E>`.

/// What the body of a manager function ends in: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a return type whose name ends in `Result` is taken for a `Result<V, E>`",
    note = "for a type of your own with such a name, import it under another: `use path::{Self} as Other`"
)]
pub trait Exit: Sized {
    /// The value of `with!` for a block of type `T`.
    type Value<T>;

    /// The block's own value in it, if there is one.
    fn block_value<T>(value: &Self::Value<T>) -> Option<&T>;
}

impl Exit for () {
    type Value<T> = T;

    fn block_value<T>(value: &T) -> Option<&T> {
        Some(value)
    }
}

impl<E> Exit for Result<(), E> {
    type Value<T> = Result<T, E>;

    fn block_value<T>(value: &Result<T, E>) -> Option<&T> {
        value.as_ref().ok()
    }
}

/// How an exit and those of the managers after it in the same header (`Rest`) make one layer: one `Result` at most.
#[diagnostic::on_unimplemented(
    message = "the managers of one `with!` must fail with the same error type",
    label = "`{Self}` here, `{Rest}` after it in the header",
    note = "nest them, `with!(a() => with!(b() => ...)?)`, where `?` converts the error"
)]
pub trait Around<Rest: Exit>: Exit {
    /// The exit of all of them together.
    type Both: Exit;

    /// The value of `with!`, when this manager has nothing to add to that of the rest.
    fn value<T>(rest: Rest::Value<T>) -> <Self::Both as Exit>::Value<T>;

    /// The value of `with!`, when this manager ended in an error.
    fn error<T>(self) -> Option<<Self::Both as Exit>::Value<T>>;
}

impl<Rest: Exit> Around<Rest> for () {
    type Both = Rest;

    fn value<T>(rest: Rest::Value<T>) -> Rest::Value<T> {
        rest
    }

    fn error<T>(self) -> Option<Rest::Value<T>> {
        None
    }
}

impl<E> Around<()> for Result<(), E> {
    type Both = Self;

    fn value<T>(rest: T) -> Result<T, E> {
        Ok(rest)
    }

    fn error<T>(self) -> Option<Result<T, E>> {
        self.err().map(Err)
    }
}

impl<E> Around<Self> for Result<(), E> {
    type Both = Self;

    fn value<T>(rest: Result<T, E>) -> Result<T, E> {
        rest
    }

    fn error<T>(self) -> Option<Result<T, E>> {
        self.err().map(Err)
    }
}

/// A return type that is named like a `Result` and has no type arguments to read its parts from.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a return type whose name ends in `Result` is taken for a `Result<V, E>`",
    note = "for a type of your own with such a name, import it under another: `use path::{Self} as Other`"
)]
pub trait ResultAlias {
    /// What the block gets.
    type Value;
    /// What entering and leaving fail with.
    type Error;
}

impl<V, E> ResultAlias for Result<V, E> {
    type Value = V;
    type Error = E;
}
