//! How the way a manager function ends shapes the value of `with!`: a block of type `T` gives `T` or `Result<T, E>`.

/// What the body of a manager function ends in: `()` or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a return type whose name ends in `Result` is taken for a `Result<V, E>`",
    note = "a type of your own with such a name can be returned by another: `type Found = SearchResult;`"
)]
pub trait Exit: Sized {
    /// The value of `with!` for a block of type `T`.
    type Value<T>;

    /// The block's own value in it, if there is one.
    fn block_value<T>(value: &Self::Value<T>) -> Option<&T>;

    /// Whether the manager itself failed.
    fn is_error(&self) -> bool;
}

impl Exit for () {
    type Value<T> = T;

    fn block_value<T>(value: &T) -> Option<&T> {
        Some(value)
    }

    fn is_error(&self) -> bool {
        false
    }
}

impl<E> Exit for Result<(), E> {
    type Value<T> = Result<T, E>;

    fn block_value<T>(value: &Result<T, E>) -> Option<&T> {
        value.as_ref().ok()
    }

    fn is_error(&self) -> bool {
        self.is_err()
    }
}

/// The exit of a manager and of those after it in the same header (`Rest`) together: one `Result` at most.
///
/// It is there for differing errors too, so that [`Around`] has the only word about them.
pub trait Layer<Rest: Exit>: Exit {
    /// The exit of all of them.
    type Both: Exit;
}

impl<Rest: Exit> Layer<Rest> for () {
    type Both = Rest;
}

impl<E> Layer<()> for Result<(), E> {
    type Both = Self;
}

impl<E, F> Layer<Result<(), F>> for Result<(), E> {
    type Both = Self;
}

/// What the value of `with!` is, when the managers after one in the same header (`Rest`) have come to theirs.
#[diagnostic::on_unimplemented(
    message = "the managers of one `with!` must fail with the same error type",
    label = "`{Self}` here, `{Rest}` after it in the header",
    note = "nest them, `with!(a() => with!(b() => ...)?)`, where `?` converts the error"
)]
pub trait Around<Rest: Exit>: Layer<Rest> {
    /// When this manager has nothing to add.
    fn value<T>(rest: Rest::Value<T>) -> <Self::Both as Exit>::Value<T>;

    /// When it ended in an error.
    fn error<T>(self) -> Option<<Self::Both as Exit>::Value<T>>;
}

impl<Rest: Exit> Around<Rest> for () {
    fn value<T>(rest: Rest::Value<T>) -> Rest::Value<T> {
        rest
    }

    fn error<T>(self) -> Option<Rest::Value<T>> {
        None
    }
}

impl<E> Around<()> for Result<(), E> {
    fn value<T>(rest: T) -> Result<T, E> {
        Ok(rest)
    }

    fn error<T>(self) -> Option<Result<T, E>> {
        self.err().map(Err)
    }
}

impl<E> Around<Self> for Result<(), E> {
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
    note = "a type of your own with such a name can be returned by another: `type Found = SearchResult;`"
)]
pub trait ResultAlias {
    /// What the block gets.
    type Value;
    /// What the body ends in.
    type Exit: Exit;
}

impl<V, E> ResultAlias for Result<V, E> {
    type Value = V;
    type Exit = Result<(), E>;
}
