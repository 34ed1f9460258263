//! The crate's own threads, for rescues that have no executor or have lost it.
//!
//! A cleanup may block, and must not delay the others meanwhile. So several threads, up to a limit, poll the woken
//! rescues, and one more is started if none is idle. Idle threads end after a while.
//!
//! With the feature `tokio`, one more thread drives a runtime of one thread, which serves the timers, the connections,
//! and the tasks that a rescue spawns. Rescues are polled within the context of that runtime, but not by it. So
//! `block_in_place`, and the `block_on` of another runtime, do not panic in them.
//!
//! The threads do not exist in the child of a `fork`, which starts its own.

#[cfg(feature = "tokio")]
use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder as Thread;

use super::Rescue;
use super::queue::Queue;

#[cfg(feature = "tokio")]
std::thread_local! {
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this is one of the crate's own threads.
///
/// Their runtime is not used as an origin, so that a rescue that begins in another one is polled by these threads and
/// may block, too.
#[cfg(feature = "tokio")]
pub(super) fn is_own() -> bool {
    IS_OWN.try_with(Cell::get).unwrap_or(false)
}

/// The process id, and the queue of that process.
static QUEUE: Mutex<Option<(u32, Arc<Queue>)>> = Mutex::new(None);

/// Spawns `rescue` on the threads. If no thread can be started, the drop of the rescue reports it as lost.
pub(super) fn spawn(mut rescue: Rescue) {
    rescue.poller = super::Poller::Thread;
    if let Ok(queue) = queue() {
        queue.spawn(rescue);
    }
}

/// Returns the queue of this process. No code under the lock panics, so poisoning is ignored.
fn queue() -> io::Result<Arc<Queue>> {
    let mut running = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((_, queue)) = running.as_ref().filter(|(of, _)| *of == process) {
        return Ok(Arc::clone(queue));
    }
    let context = imp::RuntimeContext::new()?;
    let queue = Queue::new(move |queue| {
        let (queue, context) = (Arc::clone(queue), context.clone());
        let work = move || context.run(|| while queue.poll_next() {});
        Thread::new().name("rescue".into()).spawn(work).is_ok()
    });
    *running = Some((process, Arc::clone(&queue)));
    Ok(queue)
}

/// A runtime, so that rescues can open connections and timers.
#[cfg(feature = "tokio")]
mod imp {
    use std::future::pending;
    use std::io;
    use std::sync::Arc;
    use std::thread::Builder as Thread;

    use tokio::runtime::{Builder, Handle, Runtime};

    #[derive(Clone)]
    pub(super) struct RuntimeContext(Handle);

    impl RuntimeContext {
        pub(super) fn new() -> io::Result<Self> {
            let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
            let driven = Arc::clone(&runtime);
            let drive = move || {
                super::IS_OWN.set(true);
                driven.block_on(pending::<()>());
            };
            match Thread::new().name("rescue-io".into()).spawn(drive) {
                Ok(_thread) => Ok(Self(runtime.handle().clone())),
                Err(error) => {
                    // The drop of a runtime waits, and panics if this thread is on another runtime.
                    Arc::into_inner(runtime).into_iter().for_each(Runtime::shutdown_background);
                    Err(error)
                }
            }
        }

        pub(super) fn run(&self, work: impl FnOnce()) {
            super::IS_OWN.set(true);
            let _within = self.0.enter();
            work();
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod imp {
    use std::io;

    #[derive(Clone)]
    pub(super) struct RuntimeContext;

    impl RuntimeContext {
        #[expect(clippy::unnecessary_wraps, reason = "the same signature as with a runtime")]
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "the same signature as with a runtime")]
        pub(super) fn run(&self, work: impl FnOnce()) {
            work();
        }
    }
}
