//! The crate's own thread, for rescues that have no executor (any more).

use super::{Place, Rescue};

/// Has the thread poll `rescue`. If there is no thread to be had, it is lost, which its drop tells.
pub(super) fn spawn(mut rescue: Rescue) {
    rescue.place = Place::Thread;
    if let Ok(executor) = imp::executor() {
        imp::spawn(&executor, rescue);
    }
}

/// A runtime, so that what is rescued can open connections and timers.
#[cfg(feature = "tokio")]
mod imp {
    use std::future::pending;
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread::Builder as Thread;

    use tokio::runtime::{Builder, Handle, Runtime};

    use super::Rescue;

    static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);

    pub(super) fn executor() -> io::Result<Handle> {
        let mut running = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &*running {
            return Ok(handle.clone());
        }
        let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
        let driven = Arc::clone(&runtime);
        match Thread::new().name("rescue".into()).spawn(move || driven.block_on(pending::<()>())) {
            Ok(_thread) => Ok(running.insert(runtime.handle().clone()).clone()),
            Err(error) => {
                // Its drop would wait, which is a panic on another runtime.
                Arc::into_inner(runtime).into_iter().for_each(Runtime::shutdown_background);
                Err(error)
            }
        }
    }

    pub(super) fn spawn(runtime: &Handle, rescue: Rescue) {
        drop(runtime.spawn(rescue));
    }
}

#[cfg(not(feature = "tokio"))]
mod imp {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread::Builder as Thread;

    use super::Rescue;
    use crate::rescue::queue::Queue;

    static QUEUE: Mutex<Option<Arc<Queue>>> = Mutex::new(None);

    pub(super) fn executor() -> io::Result<Arc<Queue>> {
        let mut running = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = &*running {
            return Ok(Arc::clone(queue));
        }
        let queue = Arc::new(Queue::default());
        let polled = Arc::clone(&queue);
        Thread::new().name("rescue".into()).spawn(move || {
            loop {
                polled.poll_next();
            }
        })?;
        Ok(Arc::clone(running.insert(queue)))
    }

    pub(super) fn spawn(queue: &Arc<Queue>, rescue: Rescue) {
        queue.spawn(rescue);
    }
}
