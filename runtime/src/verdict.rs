//! Tells whether what left a block is an `Err`, when its type may not be known yet.

use core::task::Poll;

/// Whether a value of this type stands for a failure.
///
/// `with!` asks this of types that are often still open where it stands (`with!(cm() => s.parse().unwrap())`), where a
/// method call would force the compiler to decide. A trait bound is decided late. But one trait can't be implemented
/// for `Result` and for everything else, so it has a parameter, and the two implementations differ in it. `with!`
/// passes an integer literal for the parameter:
///
/// - most types have only the implementation for `u8`, so the literal becomes a `u8`;
/// - `Result` (or a `Poll` of it) has both, which leaves the literal open to the end of the function, where an open
///   integer literal falls back to `i32` (Rust reference, "Literal expressions"), and with it the implementation for
///   `Result` is taken.
///
/// `()` and `!` are what an open type falls back to, at the same time as the literal does: so they have both, too.
pub trait Verdict<Literal> {
    /// Whether this is an `Err`.
    fn failed(&self) -> bool;
}

impl<T> Verdict<u8> for T {
    fn failed(&self) -> bool {
        false
    }
}

impl<T, E> Verdict<i32> for Result<T, E> {
    fn failed(&self) -> bool {
        self.is_err()
    }
}

// What `?` can leave a function with, besides.
impl<T, E> Verdict<i32> for Poll<Result<T, E>> {
    fn failed(&self) -> bool {
        matches!(self, Self::Ready(Err(_)))
    }
}

impl<T, E> Verdict<i32> for Poll<Option<Result<T, E>>> {
    fn failed(&self) -> bool {
        matches!(self, Self::Ready(Some(Err(_))))
    }
}

impl Verdict<i32> for () {
    fn failed(&self) -> bool {
        false
    }
}

impl Verdict<i32> for <fn() -> ! as Output>::Type {
    fn failed(&self) -> bool {
        *self
    }
}

/// Names the type `!`, which stable Rust can only write as a return type.
pub trait Output {
    /// What the function pointer returns.
    type Type;
}

impl<T> Output for fn() -> T {
    type Type = T;
}
