//! The end of a `with!` whose body has ended: it depends neither on the type of the body nor on that of the block.

use core::ptr::NonNull;
use core::task::{Context, Poll};

use super::any_driver::{AnyDriver, polled_after_stop};
use super::cancel::discard_end;
use super::header::{Header, State};
use super::stop_driver::poll_driver;
use crate::exit::Exit;
use crate::frame::{End, Frame};
use crate::output::{BodyOutput, JoinOutput, Suppression};
use crate::panics::Parcel;
use crate::rescue;
use crate::scope_types::{BothOf, RestOutput, Scope};
use crate::value::{Value, join};

/// The end of a `with!` with the types `S`.
pub(super) type EndOf<S> = End<Value<BothOf<S>, <S as Scope>::Value>, <S as Scope>::Jump, <S as Scope>::Return>;

/// Returns the end of the `with!` if its block has ended in a value, and its body has returned an `output` that is no error.
///
/// # Errors
///
/// Returns the output in any other case, for [`conclude`].
#[inline]
pub(super) fn conclude_in_value<S, O>(frame: &Frame<S>, output: O) -> Result<EndOf<S>, O>
where
    S: Scope<Exit: Exit<Output: JoinOutput<RestOutput<S>>>>,
    O: BodyOutput,
{
    let header = frame.header();
    let is_plain = header.state.get() == State::BlockDone && output.as_error().is_none();
    match if is_plain { frame.take_value() } else { None } {
        Some(value) => {
            header.state.set(State::Done);
            Ok(End::Value(join::<S::Exit, S::Rest, _>(Ok(Ok(value)))))
        }
        None => Err(output),
    }
}

/// Polls the driver in a scope that can stop it.
///
/// # Safety
///
/// See [`poll_driver`]. `O` must be the output of the body.
#[cold]
pub(super) unsafe fn poll_in_scope<S, O>(
    frame: &Frame<S>,
    driver: &dyn AnyDriver,
    cx: &mut Context<'_>,
) -> Poll<EndOf<S>>
where
    S: Scope<Exit: Exit<Output = O>>,
    O: JoinOutput<RestOutput<S>>,
{
    let mut output = None::<O>;
    // SAFETY: guaranteed by the caller.
    unsafe { poll_driver(driver, frame.header(), cx, NonNull::from(&mut output).cast()) };
    match output {
        // SAFETY: guaranteed by the caller.
        Some(output) => Poll::Ready(unsafe { conclude(frame, driver, output) }),
        None => Poll::Pending,
    }
}

/// Returns the end of the `with!` whose body has returned `output`.
///
/// # Safety
///
/// `O` must be the output of the body of the driver.
#[inline(never)]
pub(super) unsafe fn conclude<S, O>(frame: &Frame<S>, driver: &dyn AnyDriver, output: O) -> EndOf<S>
where
    S: Scope<Exit: Exit<Output = O>>,
    O: JoinOutput<RestOutput<S>>,
{
    let before = frame.header().conclude();
    if let Err(error) = output.check() {
        if let Some(parcel) = discard_end(driver, "failed and replaced the error of its block") {
            // SAFETY: guaranteed by the caller.
            unsafe { give_way(parcel, O::failed(error), driver) };
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
///
/// # Safety
///
/// See [`conclude`].
#[cold]
unsafe fn give_way<O>(parcel: Parcel, output: O, driver: &dyn AnyDriver) -> ! {
    // Dropped before the panic is resumed: a panic of its destructor during unwinding would abort the process.
    // SAFETY: guaranteed by the caller.
    unsafe { driver.discard(NonNull::from(&mut Some(output)).cast(), Some(rescue::PANICKING)) };
    parcel.resume();
}
