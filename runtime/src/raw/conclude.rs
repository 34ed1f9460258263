//! The end of a `with!` whose body has ended: it depends neither on the type of the body nor on that of the block.

use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll, ready};

use super::any_body::{BodyOf, discard_output};
use super::any_driver::{AnyBlock, AnyDriver, PartsOf, polled_after_stop};
use super::cancel::discard_end;
use super::header::{Header, State};
use super::stop_driver::poll_driver;
use crate::exit::Exit;
use crate::frame::{End, Frame};
use crate::named::Named;
use crate::output::{BodyOutput, JoinOutput, Suppression};
use crate::panics::Parcel;
use crate::rescue;
use crate::scope_types::{BothOf, RestOutput, Scope};
use crate::value::{Value, join};

/// The end of a `with!` with the types `S`.
pub(super) type EndOf<S> = End<Value<BothOf<S>, <S as Scope>::Value>, <S as Scope>::Jump, <S as Scope>::Return>;

/// Returns the result of a poll of a driver: the end of its `with!`, if the body has ended. `polled` is the result of the poll
/// of the body.
#[inline]
pub(super) fn conclude<S, O>(frame: &Frame<S>, parts: &dyn PartsOf<O>, polled: Poll<O>) -> Poll<EndOf<S>>
where
    S: Scope<Exit: Exit<Output = O>>,
    O: JoinOutput<RestOutput<S>>,
{
    let output = ready!(polled);
    let header = frame.header();
    let is_plain = header.state.get() == State::BlockDone && output.as_error().is_none();
    match if is_plain { frame.take_value() } else { None } {
        Some(value) => {
            header.state.set(State::Done);
            Poll::Ready(End::Value(join::<S::Exit, S::Rest, _>(Ok(Ok(value)))))
        }
        None => Poll::Ready(conclude_without_value(frame, parts, output)),
    }
}

/// Same as [`conclude`], if the manager has failed, or if its block has not ended in a value.
#[inline(never)]
fn conclude_without_value<S, O>(frame: &Frame<S>, parts: &dyn PartsOf<O>, output: O) -> EndOf<S>
where
    S: Scope<Exit: Exit<Output = O>>,
    O: JoinOutput<RestOutput<S>>,
{
    let before = frame.header().conclude();
    if let Err(error) = output.check() {
        if let Some(parcel) = discard_end(parts.any(), "failed and replaced the error of its block") {
            give_way(parcel, O::failed(error), parts.named());
        }
        return End::Value(join::<S::Exit, S::Rest, _>(Err(error)));
    }
    let own = match frame.take_end() {
        Some(End::Value(rest)) => Ok(rest),
        Some(End::Jump(jump)) => return End::Jump(jump),
        Some(End::Return(value)) => return End::Return(value),
        None => match <S::Exit as Exit>::Suppression::MISSING {
            Some(missing) if is_suppressed(frame.header(), before) => Err(missing),
            _ => no_value(frame.header(), before),
        },
    };
    End::Value(join::<S::Exit, S::Rest, _>(Ok(own)))
}

/// Returns whether a manager that can suppress has done so, if its body has ended without an error in the state `before`,
/// and the block has no value.
fn is_suppressed(header: &Header, before: State) -> bool {
    !before.is_entering() && !was_stopped(header, before)
}

/// Returns whether a scope around the `with!` has stopped it.
fn was_stopped(header: &Header, before: State) -> bool {
    before == State::BlockDone && header.was_stopped()
}

/// Panics because the manager has succeeded but its `with!` has no value.
#[cold]
fn no_value(header: &Header, before: State) -> ! {
    let name = header.name();
    let what = match before {
        _ if was_stopped(header, before) => polled_after_stop(name),
        State::BlockDropped => "dropped its block before the end",
        State::BlockDone => "caught the error of its block",
        _ => panic!("`{name}` ended without reaching its `yield!`: return an `Err` to skip the block"),
    };
    panic!("`{name}` {what} and succeeded, so its `with!` has no value: return an `Err`, or add the option `suppress`")
}

/// Resumes the panic of the block. The error of the manager is reported as lost.
#[cold]
fn give_way<O: BodyOutput>(parcel: Parcel, output: O, named: Named<O>) -> ! {
    // Dropped before the panic is resumed: a panic of its destructor during unwinding would abort the process.
    discard_output(named, output, Some(rescue::PANICKING));
    parcel.resume();
}

/// Polls the driver in a scope that can stop it.
///
/// # Safety
///
/// The parts, the body and the block must be those of a driver: see [`poll_driver`].
#[cold]
#[inline(never)]
pub(super) unsafe fn poll_in_scope<'d, S, O>(
    frame: &Frame<S>,
    parts: &'d dyn PartsOf<O>,
    body: Pin<&'d mut (dyn Future<Output = O> + 'd)>,
    block: NonNull<dyn AnyBlock + 'd>,
    cx: &mut Context<'_>,
) -> Poll<EndOf<S>>
where
    S: Scope<Exit: Exit<Output = O>>,
    O: JoinOutput<RestOutput<S>>,
{
    let header = frame.header();
    let mut body = BodyOf::new(header, parts, body);
    // SAFETY: guaranteed by the caller.
    unsafe { poll_driver(&mut AnyDriver { header, parts: parts.any(), body: &mut body, block }, cx) };
    conclude(frame, parts, body.into_output())
}
