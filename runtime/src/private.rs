//! What generated code calls. Not public API: it may change in any release, and the macros are the only ones that know
//! how to use it.

pub use crate::exit::ResultAlias;
pub use crate::frame::{Body, Driver, SameTerms, Within, YieldPoint, finish, lend0, lend1, lend2, run};
pub use crate::handoff::{BlockType, Either, End, Handoff, Kept, Lifespan, Loan, Opened, expected};
pub use crate::home::{Here, Home, Inline};
pub use crate::layer::{Around, Layer, Shape};
pub use crate::lend::{Lend0, Lend1, Lend2, Lends};
pub use crate::manager::{IntoManager, it};
pub use crate::named::{Known, Named};
pub use crate::output::Ending;
pub use crate::scope::{open, open_around};
pub use crate::scope_types::{Scope, Types};
#[cfg(feature = "std")]
pub use crate::shielded::shielded;
pub use crate::stub::{lent_by, misplaced};
pub use crate::verdict::Verdict;
pub use async_context_manager_macros::{context_managers, with};
pub use core::future::Future;
