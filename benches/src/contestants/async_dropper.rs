//! The crate `async-dropper`. Its cleanup always runs: in a `drop` that blocks the thread, on another one of tokio's.

use std::sync::LazyLock;

use async_dropper::{AsyncDrop, AsyncDropper};
use async_trait::async_trait;
use tokio::runtime::{self, Runtime};

use crate::resource::Resource;
use crate::scenario::{Contestant, Ended, contestant};

#[derive(Default)]
struct Dropping {
    resource: Option<Resource>,
    pends: bool,
}

#[async_trait]
impl AsyncDrop for Dropping {
    async fn async_drop(&mut self) {
        if let Some(resource) = self.resource.take() {
            resource.release(self.pends).await;
        }
    }
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let resource = Some(Resource::acquire($pends).await);
        let mut dropper = AsyncDropper::new(Dropping { resource, pends: $pends });
        let $resource = dropper.inner_mut().resource.as_mut().expect("just acquired");
        $block
    }};
}

fn drive<F: Future<Output = Ended>>(times: u32, make: impl Fn() -> F) -> Ended {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime"));
    RUNTIME.block_on(async {
        let mut last = Ended::Dropped;
        for _ in 0..times {
            last = make().await;
        }
        last
    })
}

pub(crate) fn contestant() -> Contestant {
    Contestant {
        one_thread: false,
        note: "blocks the thread that drops until another one has released",
        ..contestant!("async-dropper", scope, drive)
    }
}
