//! `with!` and a manager with the option `shielded`. Its cleanup always runs: when the future is dropped, in a rescue.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Once;
use std::task::{Context, Waker};

use async_context_manager::rescue::{self, Rescue};
use async_context_manager::{async_context_manager, with};

use crate::resource::Resource;
use crate::scenario::{Contestant, Ended, contestant, spin};

#[async_context_manager(shielded)]
async fn managed(pends: bool) -> &mut Resource {
    let mut resource = Resource::acquire(pends).await;
    r#yield!(&mut resource);
    resource.release(pends).await;
}

macro_rules! scope {
    ($pends:tt, $resource:ident => $block:block) => {
        with!(managed($pends) as $resource => $block)
    };
}

thread_local!(static RESCUES: RefCell<Vec<Rescue>> = const { RefCell::new(Vec::new()) });

/// Has rescues wait on this thread until [`run_rescues`] is called, so that they are counted too.
pub(crate) fn keep_rescues() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rescue::set_spawner(|rescue| RESCUES.with_borrow_mut(|rescues| rescues.push(rescue))));
}

/// Runs all rescues to their ends.
pub(crate) fn run_rescues() {
    while let Some(rescue) = RESCUES.with_borrow_mut(Vec::pop) {
        let mut rescue = pin!(rescue);
        while rescue.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
    }
}

fn drive<F: Future<Output = Ended>>(times: u32, make: impl Fn() -> F) -> Ended {
    keep_rescues();
    let mut last = Ended::Dropped;
    for _ in 0..times {
        last = spin(1, &make);
        run_rescues();
    }
    last
}

pub(crate) fn contestant() -> Contestant {
    Contestant { note: "the program itself runs the rescues", ..contestant!("`with!`, `shielded`", scope, drive) }
}
