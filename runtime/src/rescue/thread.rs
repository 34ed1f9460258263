//! The crate's own threads, for rescues that have no executor (any more).
//!
//! A cleanup may block, and what blocks one must not hold up the others. So there are several threads, up to a limit,
//! that poll what was woken, and one more is started when none is idle. They end when there is nothing to do.
//!
//! With the feature `tokio` there is one thread more, on which a runtime of one thread keeps timers and connections
//! going, and the tasks that a rescue spawns. Rescues are polled within that runtime, but not by it: so
//! `block_in_place`, and another runtime's `block_on`, are no panics in them.
//!
//! After a `fork` the threads are not in the child, which starts its own.

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

/// Whether this is one of the threads. Their runtime is no origin: a rescue that begins in another one may block, too.
#[cfg(feature = "tokio")]
pub(super) fn is_own() -> bool {
    IS_OWN.try_with(Cell::get).unwrap_or(false)
}

/// Of which process, and its queue.
static QUEUE: Mutex<Option<(u32, Arc<Queue>)>> = Mutex::new(None);

/// Has the threads poll `rescue`. If there is no thread to be had, it is lost, which its drop tells.
pub(super) fn spawn(mut rescue: Rescue) {
    rescue.poller = super::Poller::Thread;
    if let Ok(queue) = queue() {
        queue.spawn(rescue);
    }
}

/// Nothing under its lock panics.
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

/// A runtime, so that what is rescued can open connections and timers.
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
                    // Its drop would wait, which is a panic on another runtime.
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
        #[expect(clippy::unnecessary_wraps, reason = "as with a runtime")]
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "as with a runtime")]
        pub(super) fn run(&self, work: impl FnOnce()) {
            work();
        }
    }
}
