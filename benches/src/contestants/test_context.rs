//! The crate `test-context`, as on a test. Its cleanup is awaited, after a panic too, but lost when the block is dropped.

use test_context::AsyncTestContext;

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

struct Managed<const PENDS: bool>(Resource);

impl<const PENDS: bool> AsyncTestContext for Managed<PENDS> {
    async fn setup() -> Self {
        Self(Resource::acquire(PENDS).await)
    }

    async fn teardown(self) {
        self.0.release(PENDS).await;
    }
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        #[test_context::test_context(Managed<$pends>)]
        async fn test(managed: &mut Managed<$pends>) -> Result<u64, Failed> {
            let $resource = &mut managed.0;
            Ok($block)
        }
        test().await?
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant {
        loses: &[Scenario::Dropped],
        note: "a function without arguments is the block",
        ..contestant!("test-context", scope, spin)
    }
}
