//! Where rescues run: the executor of the user's choice, or the runtime that the manager was entered on.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Place, Rescue, thread};
use crate::panics;

type Spawn = dyn Fn(Rescue) + Send + Sync;

static SPAWN: RwLock<Option<Arc<Spawn>>> = RwLock::new(None);

/// Names the executor on which the rescues of this process run from now on: `spawn` is to have it poll the [`Rescue`]
/// to its end.
///
/// It is called from drops, so it should not block. A rescue that the executor drops before its end, or that `spawn`
/// itself drops because it panics, goes on on the crate's own thread.
///
/// ```
/// use std::sync::{LazyLock, Mutex};
///
/// use async_context_manager::rescue;
/// use futures::executor::ThreadPool;
///
/// static POOL: LazyLock<ThreadPool> = LazyLock::new(|| ThreadPool::new().unwrap());
///
/// rescue::set(|rescue| POOL.spawn_ok(rescue));
/// ```
pub fn set(spawn: impl Fn(Rescue) + Send + Sync + 'static) {
    let before = SPAWN.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(spawn));
    // Here, where the tasks in that executor may be dropped with it, and be rescued.
    drop(before);
}

pub(super) fn spawn(mut rescue: Rescue) {
    rescue.place = Place::Executor;
    let spawn = SPAWN.read().unwrap_or_else(PoisonError::into_inner).clone();
    match spawn {
        Some(spawn) => panics::contain(move || spawn(rescue)),
        None => match rescue.origin.spawn() {
            Some(spawn) => spawn(rescue),
            None => thread::spawn(rescue),
        },
    }
}
