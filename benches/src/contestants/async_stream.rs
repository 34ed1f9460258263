//! A generator by the crate `async-stream`, with `catch_unwind` around the block. Nothing is released when the future is
//! dropped in the block.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;

use async_stream::stream;
use futures_util::StreamExt;

use crate::contestants::shared::Shared;
use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let shared = &Shared::default();
        let mut generator = pin!(stream! {
            shared.set(Resource::acquire($pends).await);
            yield ();
            shared.take().release($pends).await;
        });
        generator.next().await;
        let block = async {
            let $resource = shared;
            Ok::<u64, Failed>($block)
        };
        let result = AssertUnwindSafe(block).catch_unwind().await;
        generator.next().await;
        result.unwrap_or_else(|panic| resume_unwind(panic))?
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant { loses: &[Scenario::Dropped], ..contestant!("async-stream", scope, spin) }
}
