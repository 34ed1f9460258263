//! `with!` and a manager with the option `catch`: the error goes through the manager. As `with!` otherwise.

use async_context_manager::{async_context_manager, with};

use crate::resource::Resource;
use crate::scenario::{Contestant, Failed, contestant, spin};

#[async_context_manager(catch)]
async fn managed(pends: bool) -> Result<&mut Resource, Failed> {
    let mut resource = Resource::acquire(pends).await;
    let outcome = r#yield!(&mut resource);
    resource.release(pends).await;
    outcome.into_result()
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        with!(managed($pends) as $resource => $block)?
    };
}

pub(crate) fn contestant() -> Contestant {
    contestant!("`with!`, `catch`", scope, spin)
}
