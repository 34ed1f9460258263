//! Where rescues run: the executor of the user's choice, or the runtime that the manager was entered on.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Rescue, thread};
use crate::user_code;

type Spawn = dyn Fn(Rescue) + Send + Sync;

static SPAWN: RwLock<Option<Arc<Spawn>>> = RwLock::new(None);

/// Names the executor on which the rescues of this process run from now on: `spawn` is to have it poll the [`Rescue`]
/// to its end.
///
/// It is called from drops, so it should not block. A rescue that the executor drops before its end, or that `spawn`
/// itself drops because it panics, goes on on the crate's own threads.
///
/// ```
/// use std::sync::{LazyLock, Mutex};
///
/// use async_context_manager::rescue;
/// use futures::executor::ThreadPool;
///
/// static POOL: LazyLock<ThreadPool> = LazyLock::new(|| ThreadPool::new().unwrap());
///
/// rescue::set_spawner(|rescue| POOL.spawn_ok(rescue));
/// ```
pub fn set_spawner(spawn: impl Fn(Rescue) + Send + Sync + 'static) {
    let before = SPAWN.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(spawn));
    // Not under the lock: tasks in that executor may be dropped with it, and be rescued.
    user_code::discard(before);
}

pub(super) fn spawn(rescue: Rescue) {
    let spawn = SPAWN.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(spawn) = spawn {
        user_code::call(|| spawn(rescue));
        // It may have been replaced meanwhile.
        return user_code::discard(spawn);
    }
    let origin = rescue.parts.as_ref().and_then(|parts| parts.origin.spawn());
    match origin {
        Some(spawn) => user_code::call(|| spawn(rescue)),
        None => thread::spawn(rescue),
    }
}
