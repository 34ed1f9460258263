//! The crate `async-safe-defer`. Its cleanup is awaited, but lost when the block panics or is dropped.

use async_safe_defer::async_scope;

use crate::contestants::shared::Shared;
use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let shared = Shared::new(Resource::acquire($pends).await);
        let $resource = &shared;
        let result = async_scope!(scope, {
            scope.defer(|| async { shared.take().release($pends).await });
            Ok::<u64, Failed>($block)
        });
        result.await?
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant {
        loses: &[Scenario::Panic, Scenario::Dropped],
        note: "its `async_scope!`, not the one of fixed size",
        ..contestant!("async-safe-defer", scope, spin)
    }
}
