//! Without `std` nothing is shielded: there is nothing to be rescued, and nobody to be told of a loss.

use core::convert::Infallible;
use core::marker::PhantomData;
use core::task::Context;

use crate::panics::Payload;

pub(crate) struct Rescues;

impl Rescues {
    #[expect(clippy::unused_self, reason = "as with `std`")]
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
}

pub(crate) struct Waiting<Content>(Infallible, PhantomData<Content>);

impl<Content> Waiting<Content> {
    pub(crate) fn new(_rescues: Rescues, _content: Content) -> Self {
        unreachable!("there are no rescues")
    }

    pub(crate) fn poll(self, _cx: &mut Context<'_>) -> Result<Content, Self> {
        match self.0 {}
    }
}

pub(crate) fn collect<T>(f: impl FnOnce() -> T) -> (T, Rescues) {
    (f(), Rescues)
}

pub(crate) fn block_first<T>(f: impl FnOnce() -> T) -> T {
    f()
}

pub(crate) fn of_block<T>(f: impl FnOnce() -> T) -> T {
    f()
}

pub(crate) fn failed(_manager: &'static str, _what: &str) {}

pub(crate) fn panicked(_manager: &'static str, payload: Payload) {
    match payload {}
}
