//! Without `std` nothing is shielded: there is nothing to be rescued, and nobody to be told of a loss.

use core::task::{Context, Poll};

use crate::panics::Payload;

#[derive(Default)]
pub(crate) struct Rescues;

#[expect(clippy::unused_self, reason = "as with `std`")]
impl Rescues {
    pub(crate) fn extend(&mut self, _other: Self) {}

    pub(crate) fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

pub(crate) fn collect(f: &mut dyn FnMut()) -> Rescues {
    f();
    Rescues
}

pub(crate) fn block_first(f: &mut dyn FnMut()) {
    f();
}

pub(crate) fn of_block(f: &mut dyn FnMut()) {
    f();
}

pub(crate) fn failed(_manager: &'static str, _what: &str) {}

pub(crate) fn panicked(_manager: &'static str, payload: Payload) {
    match payload {}
}
