//! `with!` and a type that implements `AsyncContextManager`. As `with!` otherwise.

use async_context_manager::{AsyncContextManager, Outcome, with};

use crate::resource::Resource;
use crate::scenario::{Contestant, contestant, spin};

struct Managed {
    pends: bool,
    resource: Option<Resource>,
}

impl AsyncContextManager for Managed {
    type Value<'v> = &'v mut Resource;
    type Exit = ();

    async fn enter(&mut self) -> &mut Resource {
        self.resource.insert(Resource::acquire(self.pends).await)
    }

    async fn exit(&mut self, _outcome: Outcome) {
        if let Some(resource) = self.resource.take() {
            resource.release(self.pends).await;
        }
    }
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        with!(Managed { pends: $pends, resource: None } as $resource => $block)
    };
}

pub(crate) fn contestant() -> Contestant {
    contestant!("`with!`, own type", scope, spin)
}
