//! The crate `scopeguard`, with a guard that spawns the cleanup. That always runs, some time after the scope has ended.

use std::future::Future;
use std::sync::LazyLock;

use scopeguard::guard;
use tokio::runtime::{self, Runtime};
use tokio::task::yield_now;

use crate::resource::{Books, Resource};
use crate::scenario::{Contestant, Ended, contestant};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let mut guard = guard(Resource::acquire($pends).await, |resource| {
            tokio::spawn(resource.release($pends));
        });
        let $resource = &mut *guard;
        $block
    }};
}

/// What is spawned is waited for, so that it is measured too.
fn drive<F: Future<Output = Ended>>(times: u32, make: impl Fn() -> F) -> Ended {
    thread_local!(static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| runtime::Builder::new_current_thread().build().expect("a runtime")));
    let before = Books::look();
    let all = async {
        let mut last = Ended::Dropped;
        for _ in 0..times {
            last = make().await;
            while !Books::look().since(before).all_released() {
                yield_now().await;
            }
        }
        last
    };
    RUNTIME.with(|runtime| runtime.block_on(all))
}

pub(crate) fn contestant() -> Contestant {
    Contestant { note: "the caller goes on before it is released", ..contestant!("scopeguard, `spawn`", scope, drive) }
}
