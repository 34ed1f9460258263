//! By hand, without panic safety: await, block, await. Nothing is released when the block panics or is dropped.

use crate::resource::Resource;
use crate::scenario::{Contestant, Scenario, contestant, spin};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        let mut resource = Resource::acquire($pends).await;
        let result = async {
            let $resource = &mut resource;
            Ok::<u64, Failed>($block)
        }
        .await;
        resource.release($pends).await;
        result?
    }};
}

pub(crate) fn contestant() -> Contestant {
    Contestant { loses: &[Scenario::Panic, Scenario::Dropped], ..contestant!("by hand", scope, spin) }
}
