//! Chooses where a rescue runs: on the executor set by the user, on the runtime of its manager, or on a thread of this
//! crate.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Rescue, thread};
use crate::user_code;

type Spawn = dyn Fn(Rescue) + Send + Sync;

static SPAWN: RwLock<Option<Arc<Spawn>>> = RwLock::new(None);

/// Sets the executor for the rescues that begin in this process from now on: `spawn` must make it poll the [`Rescue`]
/// to its end.
///
/// `spawn` is called from drops, so it should not block. If the executor drops a rescue before its end, or `spawn`
/// drops it because it panics, the rescue continues on the crate's own threads.
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
    // Not under the lock: the drop of the previous executor may drop tasks, which are rescued.
    user_code::discard(before);
}

pub(super) fn spawn(rescue: Rescue) {
    let spawn = SPAWN.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(spawn) = spawn {
        user_code::call(|| spawn(rescue));
        // `spawn` may be the last reference, if another spawner was set meanwhile.
        return user_code::discard(spawn);
    }
    let origin = rescue.parts.as_ref().and_then(|parts| parts.origin.spawn());
    match origin {
        Some(spawn) => user_code::call(|| spawn(rescue)),
        None => thread::spawn(rescue),
    }
}
