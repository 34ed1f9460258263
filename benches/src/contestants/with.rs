//! `with!` and a manager function. When the future is dropped in the block, what is not ready at once is lost.

use async_context_manager::{async_context_manager, with};

use crate::resource::Resource;
use crate::scenario::{Contestant, contestant, spin, spin_in_scope};

#[async_context_manager]
pub(crate) async fn managed(pends: bool) -> &mut Resource {
    let mut resource = Resource::acquire(pends).await;
    r#yield!(&mut resource);
    resource.release(pends).await;
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        with!(managed($pends) as $resource => $block)
    };
}

pub(crate) fn contestant() -> Contestant {
    contestant!("`with!`", scope, spin)
}

/// The same in a scope that may stop it.
pub(crate) fn in_scope() -> Contestant {
    contestant!("`with!`, in a scope", scope, spin_in_scope)
}
