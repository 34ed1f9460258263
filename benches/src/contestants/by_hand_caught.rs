//! By hand, with `catch_unwind` around the block: what the others are compared with. Nothing is released when the future
//! is dropped in the block.

use std::panic::{AssertUnwindSafe, resume_unwind};

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin, spin_in_scope};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let mut resource = Resource::acquire($pends).await;
        let block = async {
            let $resource = &mut resource;
            Ok::<u64, Failed>($block)
        };
        let result = AssertUnwindSafe(block).catch_unwind().await;
        resource.release($pends).await;
        match result {
            Ok(result) => result?,
            Err(panic) => resume_unwind(panic),
        }
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant { loses: &[Scenario::Dropped], ..contestant!("by hand, `catch_unwind`", scope, spin) }
}

/// The same in a scope, with which `with!` in a scope is compared.
pub(crate) fn in_scope() -> Contestant {
    Contestant { loses: &[Scenario::Dropped], ..contestant!("by hand, in a scope", scope, spin_in_scope) }
}
