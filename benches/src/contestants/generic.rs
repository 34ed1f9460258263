//! The block is an argument of the body, by hand: what `with!` could come to if a function could return a body that is
//! generic over its block, see `tests/ui/generic-body`. Releases nothing when the future is dropped in the block.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

async fn managed<T>(pends: bool, block: impl AsyncFnOnce(&mut Resource) -> T) -> T {
    let mut resource = Resource::acquire(pends).await;
    let result = AssertUnwindSafe(block(&mut resource)).catch_unwind().await;
    resource.release(pends).await;
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        managed($pends, async |$resource: &mut Resource| Ok::<u64, Failed>($block)).await?
    };
}

pub(crate) fn contestant() -> Contestant {
    let note = "no manager, but a function for each block: what is left where a body knows its block";
    Contestant { loses: &[Scenario::Dropped], note, ..contestant!("a generic body", scope, spin) }
}
