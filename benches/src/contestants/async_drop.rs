//! The language's own `AsyncDrop`, on nightly. Its cleanup is awaited, but lost when the block panics or is dropped.

use std::future::AsyncDrop;
use std::mem::take;
use std::pin::Pin;

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

struct Dropping<const PENDS: bool>(Resource);

impl<const PENDS: bool> Drop for Dropping<PENDS> {
    fn drop(&mut self) {}
}

impl<const PENDS: bool> AsyncDrop for Dropping<PENDS> {
    async fn drop(mut self: Pin<&mut Self>) {
        take(&mut self.0).release(PENDS).await;
    }
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let mut dropping = Dropping::<$pends>(Resource::acquire($pends).await);
        let $resource = &mut dropping.0;
        $block
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant {
        loses: &[Scenario::Panic, Scenario::Dropped],
        note: "compiled by nightly, so not to be compared by the instruction",
        ..contestant!("`AsyncDrop` of nightly", scope, spin)
    }
}
