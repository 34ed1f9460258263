//! `AsyncExitStack` with one manager on it. As `with!` otherwise.

use async_context_manager::{AsyncExitStack, with};

use crate::contestants::with::managed;
use crate::scenario::{Contestant, contestant, spin};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {{
        with!(AsyncExitStack::<Failed>::new() as stack => {
            let $resource = stack.enter(managed($pends)).await;
            $block
        })?
    }};
}

pub(crate) fn contestant() -> Contestant {
    contestant!("`AsyncExitStack`", scope, spin)
}
