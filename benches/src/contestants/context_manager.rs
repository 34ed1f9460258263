//! The crate `context_manager`. Its cleanup is awaited, but lost when the block panics or is dropped.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use context_manager::{AsyncWrapContext, CallerContext};

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

struct Managed<const PENDS: bool> {
    resource: Resource,
}

impl<T, const PENDS: bool> AsyncWrapContext<T> for Managed<PENDS> {
    async fn new() -> Self {
        SUM.store(0, Relaxed);
        Self { resource: Resource::acquire(PENDS).await }
    }

    async fn after(mut self, _caller: &CallerContext, _result: &T) {
        self.resource.add(SUM.swap(0, Relaxed));
        self.resource.release(PENDS).await;
    }
}

/// It lends nothing to the block, so what is added goes by way of a global: the sum of the scope under way.
static SUM: AtomicU64 = AtomicU64::new(0);

struct NotLent;

impl NotLent {
    #[inline(never)]
    #[expect(clippy::unused_self, reason = "called as that of a resource is")]
    fn add(&self, number: u64) -> u64 {
        SUM.store(SUM.load(Relaxed) + number, Relaxed);
        SUM.load(Relaxed)
    }
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let block = async {
            let $resource = NotLent;
            Ok::<u64, Failed>($block)
        };
        Managed::<$pends>::run(CallerContext::new("scope"), block).await?
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant {
        loses: &[Scenario::Panic, Scenario::Dropped],
        note: "lends nothing to the block, which adds to a global",
        ..contestant!("context_manager", scope, spin)
    }
}
