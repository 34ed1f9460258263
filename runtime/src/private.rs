//! Items that generated code uses. They are not public API and may change in any release. Only the macros may use them.

pub use crate::classify::Classify;
pub use crate::exit::ResultAlias;
pub use crate::frame::{BlockTypes, BodyToken, BorrowToken, Either, End, Frame, Later, Unbound, ValueToken, expected};
pub use crate::lend::{FnContract, Lend0, Lend1, Lend2};
pub use crate::manager::{Captures, IntoManager, assert_manager};
pub use crate::named::Named;
pub use crate::open::{open, open_around};
pub use crate::output::BodyOutput;
pub use crate::raw::body::AtWith;
pub use crate::raw::detached::{DetachedGuard, Inline, Placement};
pub use crate::raw::{Body, Driver, Enclosing, SameContract, YieldPoint, finish, lend0, lend1, lend2, run};
pub use crate::scope_types::{Scope, Types};
#[cfg(feature = "std")]
pub use crate::shielded::shielded;
#[cfg(feature = "std")]
pub use crate::stub::stub_boxed;
pub use crate::stub::{stub_lent, stub_value, stub_with, stub_yield};
pub use crate::value::Shape;
pub use async_context_manager_macros::{context_managers, with};
pub use core::future::Future;
