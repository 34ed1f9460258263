//! A generator by the crate `fauxgen`, with `catch_unwind` around the block. Nothing is released when the future is
//! dropped in the block.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;

use fauxgen::{GeneratorState, GeneratorToken};

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let mut generator = pin!(fauxgen::r#gen!(async |token: GeneratorToken<Resource, Resource>| {
            let resource = Resource::acquire($pends).await;
            token.yield_(resource).await.release($pends).await;
        }));
        let GeneratorState::Yielded(mut resource) = generator.as_mut().resume(Resource::default()).await else {
            unreachable!("it yields once");
        };
        let block = async {
            let $resource = &mut resource;
            Ok::<u64, Failed>($block)
        };
        let result = AssertUnwindSafe(block).catch_unwind().await;
        generator.as_mut().resume(resource).await;
        result.unwrap_or_else(|panic| resume_unwind(panic))?
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant { loses: &[Scenario::Dropped], ..contestant!("fauxgen", scope, spin) }
}
