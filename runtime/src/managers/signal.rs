//! A flag that is set once, and that futures can wait for.

use crate::rescue::{Completion, Handle, Wait, completion};
use crate::sync::{Mutex, PoisonError};

/// A flag that any thread can set.
pub(super) struct Signal {
    /// `None` once the flag is set.
    completion: Mutex<Option<Completion>>,
    handle: Handle,
}

impl Signal {
    pub(super) fn new() -> Self {
        let (completion, handle) = completion();
        Self { completion: Mutex::new(Some(completion)), handle }
    }

    /// Sets the flag and wakes all waiters. Does nothing if the flag is set.
    pub(super) fn set(&self) {
        let completion = self.completion.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(completion);
    }

    pub(super) fn is_set(&self) -> bool {
        self.handle.is_done()
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns a future that waits for the flag.
    pub(super) fn wait(&self) -> Wait {
        Wait::new(self.handle.clone())
    }
}
