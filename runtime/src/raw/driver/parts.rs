//! The fields of a driver except its body and its block.

use core::marker::PhantomData;

use crate::classify::Classify;
use crate::frame::Frame;
use crate::named::{NameAt, Named};
use crate::panics::Parcel;
use crate::raw::any_driver::{AnyParts, PartsOf};
use crate::raw::header::Header;
use crate::raw::yield_point::Enclosing;
use crate::rescue::Show;
use crate::scope_types::Scope;

/// The fields of a driver except its body and its block. They do not change while the driver is live.
#[expect(missing_debug_implementations, reason = "hidden from users")]
pub struct DriverParts<'h, N, S: Scope, W, Literal> {
    /// Borrowed for as long as the driver lives.
    pub(super) frame: &'h Frame<S>,
    pub(super) enclosing: W,
    pub(super) name: N,
    pub(super) literal: PhantomData<fn() -> Literal>,
}

impl<N, S, W, Literal> AnyParts for DriverParts<'_, N, S, W, Literal>
where
    N: NameAt<S>,
    S: Scope<Return: Classify<Literal>>,
    W: Enclosing,
{
    fn header(&self) -> &Header {
        self.frame.header()
    }

    fn enclosing(&self) -> &dyn Enclosing {
        &self.enclosing
    }

    fn can_be_cut(&self) -> bool {
        self.name.can_be_cut()
    }

    fn clear(&self, report: Option<&dyn Fn(Show<'_>)>) -> Option<Parcel> {
        self.frame.clear(&N::SHOW_END, report)
    }
}

impl<N, S, W, Literal> PartsOf<N::Output> for DriverParts<'_, N, S, W, Literal>
where
    N: NameAt<S>,
    S: Scope<Return: Classify<Literal>>,
    W: Enclosing,
{
    fn any(&self) -> &dyn AnyParts {
        self
    }

    fn named(&self) -> Named<N::Output> {
        self.name.named()
    }
}
