//! `scope`, which is `with!` without the macro. As `with!` otherwise.

use crate::contestants::with::managed;
use crate::scenario::{Contestant, contestant, spin};

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        managed($pends).scope(async |$resource| Ok::<u64, Failed>($block)).await?
    };
}

pub(crate) fn contestant() -> Contestant {
    contestant!("`scope`", scope, spin)
}
