//! Records the events of the service, in order.

use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<&'static str>>);

impl Log {
    pub(crate) fn add(&self, event: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    pub(crate) fn events(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
