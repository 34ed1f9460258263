//! What a manager came to when nobody was left to be told of it.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::string::{String, ToString};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{panics, user_code};

/// What a manager came to when nobody was left to be told: the error that its exit phase returned after the future
/// around its `with!` was dropped, say.
///
/// It goes to the hook that [`set_hook`] has set. With the feature `tracing`, it is an event of the level `ERROR` with
/// the fields `manager`, `kind` and `error` (the error as it is shown), if there is a subscriber. Where there is neither, it goes to standard error;
/// but for a panic, of which the panic hook has told.
///
/// It is shown with its error after a colon, as far as the type of that is known where the manager is:
///
/// | the manager, and its error | what is shown |
/// |---|---|
/// | a manager function, and an [`Error`](std::error::Error), or a `Box` of one | its `Display`, and those of its sources, with `: ` between them |
/// | the same, and an error that is none, but has `Debug` | its `Debug` |
/// | the same, and any other error | the name of its type |
/// | a manager function that is generic over its error | the same by the bounds that the function has on it |
/// | an [`AsyncContextManager`](crate::AsyncContextManager) | the name of its type |
/// | a callback on an [`AsyncExitStack`](crate::AsyncExitStack) | the name of its type |
/// | any manager, and an error of its block that it replaces and does not catch | the name of its type, or of the block's |
///
/// Where an error is told of by a rescue or by a task group, a `&str`, a `String`, an [`io::Error`] and a
/// `Box<dyn Error + Send + Sync>` are shown in any case. Of a panic its message is shown.
pub struct Loss<'a> {
    manager: &'static str,
    kind: LossKind,
    lost: Lost<'a>,
}

/// Shows an error.
pub(crate) type Show<'a> = &'a dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result;

/// What is lost: a text, and the error, and how that is shown, if these are known.
#[derive(Clone, Copy)]
pub(crate) struct Lost<'a> {
    what: &'a str,
    error: Option<&'a (dyn Any + Send)>,
    show: Option<Show<'a>>,
}

impl<'a> Lost<'a> {
    pub(crate) fn error(self, error: &'a (dyn Any + Send)) -> Self {
        Self { error: Some(error), ..self }
    }

    pub(crate) fn show(self, show: Show<'a>) -> Self {
        Self { show: Some(show), ..self }
    }
}

impl<'a> From<&'a str> for Lost<'a> {
    fn from(what: &'a str) -> Self {
        Self { what, error: None, show: None }
    }
}

/// The error alone.
struct Shown<'a>(Show<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// In what way something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// The manager failed, and its error is lost.
    Failed,
    /// The manager panicked, and the panic goes no further.
    Panicked,
    /// The manager could not be brought to its end, and the rest of it was dropped. Mostly it is one that is not shielded,
    /// and that was cut off at an `.await` of its exit phase when its `with!` was dropped.
    Unfinished,
    /// An error that was replaced by a later one, or by a panic; or a panic that was replaced by another one.
    Replaced,
}

impl Loss<'_> {
    /// The name of the manager: of its function, or of its type.
    #[must_use]
    pub fn manager(&self) -> &str {
        self.manager
    }

    /// In what way it was lost.
    #[must_use]
    pub fn kind(&self) -> LossKind {
        self.kind
    }

    /// The error, or what the panic carried, where it was a shielded manager that ended so.
    ///
    /// ```
    /// use async_context_manager::rescue;
    /// # #[derive(Debug)]
    /// # struct DbError;
    ///
    /// rescue::set_hook(|loss| {
    ///     if let Some(error) = loss.error().and_then(|error| error.downcast_ref::<DbError>()) {
    ///         eprintln!("a transaction could not be rolled back: {error:?}");
    ///     } else {
    ///         eprintln!("{loss}");
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Any + Send)> {
        self.lost.error
    }

    /// What is told of it without its error.
    fn head(&self) -> String {
        std::format!("`{}` {}", self.manager, self.lost.what)
    }
}

/// What was lost, and its error after a colon, if that can be shown.
impl fmt::Display for Loss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        self.lost.show.map_or(Ok(()), |show| write!(f, ": {}", Shown(show)))
    }
}

impl fmt::Debug for Loss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loss").field("manager", &self.manager).field("kind", &self.kind).finish_non_exhaustive()
    }
}

type Hook = dyn Fn(&Loss<'_>) + Send + Sync;

static HOOK: RwLock<Option<Arc<Hook>>> = RwLock::new(None);

/// Has `hook` told of each [`Loss`] in this process from now on, in place of the one before.
///
/// It is called where the loss happens: in a rescue, in the drop of a `with!`, or in one that ends. A panic in it goes
/// no further. What is lost while it runs, on its thread, goes to standard error.
pub fn set_hook(hook: impl Fn(&Loss<'_>) + Send + Sync + 'static) {
    let before = HOOK.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(hook));
    // Not under the lock: it may report of a loss.
    user_code::discard(before);
}

/// What is told of an error that has nobody to go to, as the `with!` is gone.
pub(crate) const CANCELLED: &str = "failed after a cancellation; its error is lost";

/// What is told of an error that gives way to a panic.
pub(crate) const PANICKING: &str = "failed while a panic was under way; its error is lost";

/// Tells that `manager` failed.
pub(crate) fn failed(manager: &'static str, lost: Lost<'_>) {
    report(&Loss { manager, kind: LossKind::Failed, lost });
}

/// Tells of an error of `manager` that was replaced.
pub(crate) fn replaced(manager: &'static str, lost: Lost<'_>) {
    report(&Loss { manager, kind: LossKind::Replaced, lost });
}

/// Tells of a panic after a cancellation.
pub(crate) fn panicked(manager: &'static str, payload: panics::Payload) {
    let lost = Lost { what: "panicked after a cancellation", error: Some(&*payload), show: None };
    tell_panic(manager, LossKind::Panicked, lost, &*payload);
    user_code::discard(payload);
}

/// Tells of one of two panics of which the other one goes on: by what it says.
pub(crate) fn replaced_panic(manager: &'static str, what: &str, parcel: panics::Parcel) {
    let payload = parcel.open();
    // Whoever has the panic itself tells of that.
    if !payload.is::<panics::PayloadElsewhere>() {
        tell_panic(manager, LossKind::Replaced, what.into(), &*payload);
    }
    user_code::discard(payload);
}

fn tell_panic(manager: &'static str, kind: LossKind, lost: Lost<'_>, payload: &(dyn Any + Send)) {
    let message = message(payload);
    let show = |f: &mut fmt::Formatter<'_>| f.write_str(message.unwrap_or_default());
    let show = message.is_some().then_some(&show as Show<'_>);
    report(&Loss { manager, kind, lost: Lost { show, ..lost } });
}

/// What a panic says, if that is a text.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Tells that `manager` was dropped before its end.
pub(crate) fn unfinished(manager: &'static str, what: &str) {
    report(&Loss { manager, kind: LossKind::Unfinished, lost: what.into() });
}

fn report(loss: &Loss<'_>) {
    let is_reported = Reporting::begin().is_some_and(|_reporting| {
        let is_hooked = hook(loss);
        trace(loss) || is_hooked
    });
    if !is_reported && loss.kind != LossKind::Panicked {
        write(loss);
    }
}

/// A hook or a subscriber is being told on this thread.
struct Reporting;

impl Reporting {
    /// Nothing while another one is told: a hook whose work loses something is not called for that again and again.
    fn begin() -> Option<Self> {
        REPORTING.try_with(|reporting| !reporting.replace(true)).unwrap_or(false).then_some(Self)
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        let _at_end = REPORTING.try_with(|reporting| reporting.set(false));
    }
}

std::thread_local! {
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether there is a hook, which is told.
fn hook(loss: &Loss<'_>) -> bool {
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(hook) = hook else { return false };
    user_code::call(|| hook(loss));
    // It may have been replaced meanwhile, and may panic.
    user_code::discard(hook);
    true
}

/// Writes to standard error. Unlike `eprintln!` it does not panic where there is nothing to write to.
fn write(loss: &Loss<'_>) {
    let mut text = loss.head();
    user_code::call(|| text = loss.to_string());
    // At once, or it would be mixed with what others write.
    let _ = io::stderr().write_all(std::format!("async-context-manager: {text}\n").as_bytes());
}

/// Whether there is a subscriber, who is told.
#[cfg(feature = "tracing")]
fn trace(loss: &Loss<'_>) -> bool {
    let error = loss.lost.show.map(|show| tracing::field::display(Shown(show)));
    let head = loss.head();
    user_code::call(|| tracing::error!(manager = loss.manager, kind = ?loss.kind, error, "{head}"));
    // There may be some for other threads only.
    let mut is_reported = false;
    user_code::call(|| {
        is_reported = tracing::dispatcher::get_default(|all| !all.is::<tracing::subscriber::NoSubscriber>());
    });
    is_reported
}

#[cfg(not(feature = "tracing"))]
fn trace(_loss: &Loss<'_>) -> bool {
    false
}
