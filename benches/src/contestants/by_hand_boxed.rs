//! By hand, for a closure that gives a boxed future, with `catch_unwind` around that. Nothing is released when the future
//! is dropped in the block.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::resource::Resource;
use crate::scenario::{Contestant, Failed, Scenario, contestant, spin};

async fn scoped<T>(
    pends: bool,
    block: impl for<'r> FnOnce(&'r mut Resource) -> LocalBoxFuture<'r, Result<T, Failed>>,
) -> Result<T, Failed> {
    let mut resource = Resource::acquire(pends).await;
    let result = AssertUnwindSafe(block(&mut resource)).catch_unwind().await;
    resource.release(pends).await;
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        scoped($pends, |$resource| Box::pin(async move { Ok::<u64, Failed>($block) })).await?
    };
}

pub(crate) fn contestant() -> Contestant {
    Contestant { loses: &[Scenario::Dropped], ..contestant!("by hand, `Box::pin`", scope, spin) }
}
