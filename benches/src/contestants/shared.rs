//! The resource in a cell, for those whose cleanup borrows it while the block does.

use std::cell::RefCell;

use crate::resource::Resource;

#[derive(Default)]
pub(super) struct Shared(RefCell<Resource>);

impl Shared {
    pub(super) fn new(resource: Resource) -> Self {
        Self(RefCell::new(resource))
    }

    pub(super) fn set(&self, resource: Resource) {
        self.0.replace(resource);
    }

    pub(super) fn take(&self) -> Resource {
        self.0.take()
    }

    pub(super) fn add(&self, number: u64) -> u64 {
        self.0.borrow_mut().add(number)
    }
}
