//! Replaces `rescue` without `std`: no manager is shielded, so no rescue begins, and losses are not reported.

use core::fmt;
use core::marker::PhantomData;
use core::task::{Context, Poll};

use crate::panics::{Parcel, Payload};

#[derive(Default)]
pub(crate) struct Rescues;

#[expect(clippy::unused_self, reason = "the same signature as with `std`")]
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

pub(crate) struct CollectScope;

pub(crate) fn block_before_manager() -> CollectScope {
    CollectScope
}

pub(crate) fn begin_block() -> CollectScope {
    CollectScope
}

pub(crate) fn end_block(_block: CollectScope) {}

/// Formats an error.
pub(crate) type Show<'a> = &'a dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result;

pub(crate) struct Lost<'a>(PhantomData<&'a str>);

impl<'a> Lost<'a> {
    pub(crate) fn show(self, _show: Show<'a>) -> Self {
        self
    }
}

impl<'a> From<&'a str> for Lost<'a> {
    fn from(_what: &'a str) -> Self {
        Self(PhantomData)
    }
}

pub(crate) const CANCELLED: &str = "";

pub(crate) const PANICKING: &str = "";

pub(crate) fn failed(_manager: &'static str, _lost: Lost<'_>) {}

pub(crate) fn replaced(_manager: &'static str, _lost: Lost<'_>) {}

pub(crate) fn replaced_panic(_manager: &'static str, _what: &str, parcel: Parcel) {
    parcel.resume();
}

pub(crate) fn unfinished(_manager: &'static str, _what: &str) {}

pub(crate) fn panicked(_manager: &'static str, payload: Payload) {
    match payload {}
}
