//! Losses: reports errors and panics that cannot be returned to a caller.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::string::{String, ToString};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{panics, user_code};

/// An error or a panic of a manager that could not be returned to a caller, or an exit phase that was cut off.
///
/// An example is the error that an exit phase returned after the future around its `with!` was dropped.
///
/// A loss is passed to the hook that was set by [`set_hook`]. With the feature `tracing`, it is also an event of the
/// level `ERROR` with the fields `manager`, `kind` and `error` (the error as shown below), if a subscriber is set.
/// Without a hook and a subscriber, the loss is written to standard error, except for a panic, which the panic hook has
/// already reported.
///
/// `Display` shows the loss with its error after a colon. How the error is shown depends on its type:
///
/// | the error | what is shown |
/// |---|---|
/// | an [`Error`](std::error::Error), or a `Box` of one | its `Display`, and those of its sources, with `: ` between them |
/// | no `Error`, but `Debug` | its `Debug` |
/// | any other | the name of its type |
///
/// The type must be known where the code is that the macros expand to. In a generic function, its bounds say what is known:
///
/// | the error of | is known |
/// |---|---|
/// | a manager function | in the function itself, and at its `with!` if it does not catch |
/// | an [`AsyncContextManager`](crate::AsyncContextManager) that does not catch | at its `with!` |
/// | a block, which its manager replaces | at the `with!`, if the manager can fail and does not catch |
///
/// Of any other error, only the name of its type is shown, or that of the block: of a callback on an
/// [`AsyncExitStack`](crate::AsyncExitStack), of an `AsyncContextManager` on such a stack, in a
/// [`scope`](crate::Manager::scope), or that catches. If a rescue or a task group reports it, a `&str`, a `String`, an
/// [`io::Error`] and a `Box<dyn Error + Send + Sync>` are shown in any case. A panic is shown by its message.
pub struct Loss<'a> {
    manager: &'static str,
    kind: LossKind,
    lost: Lost<'a>,
}

/// Formats an error.
pub(crate) type Show<'a> = &'a dyn Fn(&mut fmt::Formatter<'_>) -> fmt::Result;

/// The description of a loss, and the error and its formatter, if they are known.
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

/// Displays only the error.
struct Shown<'a>(Show<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// The kind of a [`Loss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// The manager failed, and its error is lost.
    Failed,
    /// The manager panicked, and its panic was contained.
    Panicked,
    /// The manager could not be run to its end, and the rest of it was dropped. Usually it is not shielded, and the
    /// drop of its `with!` cut off its exit phase at an `.await`.
    Unfinished,
    /// An error was replaced by a later error or by a panic, or a panic was replaced by another panic.
    Replaced,
}

impl Loss<'_> {
    /// Returns the name of the manager: of its function, or of its type.
    #[must_use]
    pub fn manager(&self) -> &str {
        self.manager
    }

    /// Returns the kind of the loss.
    #[must_use]
    pub fn kind(&self) -> LossKind {
        self.kind
    }

    /// Returns the error of a rescue or of a task, or the payload of a panic after a cancellation. `None` for all other
    /// losses, whose error may borrow.
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

    /// Returns the text of the loss without its error.
    fn head(&self) -> String {
        std::format!("`{}` {}", self.manager, self.lost.what)
    }
}

/// Shows the manager, the loss, and the error after a colon, if the error can be shown.
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

/// Sets the hook that is called for each [`Loss`] in this process from now on, in place of the previous one.
///
/// The hook is called where the loss happens: in a rescue, in the drop of a `with!`, or in a `with!` that ends. A panic
/// of the hook is contained. A loss that happens on the hook's thread while the hook runs is written to standard error.
pub fn set_hook(hook: impl Fn(&Loss<'_>) + Send + Sync + 'static) {
    let before = HOOK.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(hook));
    // Not under the lock: the drop of the previous hook may report a loss.
    user_code::discard(before);
}

/// Describes an error that has no caller to return to, because the `with!` is gone.
pub(crate) const CANCELLED: &str = "failed after a cancellation; its error is lost";

/// Describes an error that is dropped in favour of a panic.
pub(crate) const PANICKING: &str = "failed during a panic; its error is lost";

/// Describes a panic because the threads of this crate have no runtime.
const NO_RUNTIME: &str = "panicked after a cancellation, because it needs a tokio runtime; \
                          enable the feature `tokio` of `async-context-manager`, so that it runs on one";

/// Reports that `manager` failed.
pub(crate) fn failed(manager: &'static str, lost: Lost<'_>) {
    report(&Loss { manager, kind: LossKind::Failed, lost });
}

/// Reports an error of `manager` that was replaced.
pub(crate) fn replaced(manager: &'static str, lost: Lost<'_>) {
    report(&Loss { manager, kind: LossKind::Replaced, lost });
}

/// Reports a panic after a cancellation.
pub(crate) fn panicked(manager: &'static str, payload: panics::Payload) {
    let what = if lacks_runtime(&*payload) { NO_RUNTIME } else { "panicked after a cancellation" };
    let lost = Lost { what, error: Some(&*payload), show: None };
    report_panic(manager, LossKind::Panicked, lost, &*payload);
    user_code::discard(payload);
}

/// Reports the one of two panics that does not resume, with its message.
pub(crate) fn replaced_panic(manager: &'static str, what: &str, parcel: panics::Parcel) {
    let payload = parcel.open();
    // The code that holds the real payload reports the panic.
    if !payload.is::<panics::PayloadElsewhere>() {
        report_panic(manager, LossKind::Replaced, what.into(), &*payload);
    }
    user_code::discard(payload);
}

fn report_panic(manager: &'static str, kind: LossKind, lost: Lost<'_>, payload: &(dyn Any + Send)) {
    let message = message(payload);
    let show = |f: &mut fmt::Formatter<'_>| f.write_str(message.unwrap_or_default());
    let show = message.is_some().then_some(&show as Show<'_>);
    report(&Loss { manager, kind, lost: Lost { show, ..lost } });
}

/// Returns whether this is a panic of tokio because of a missing runtime.
#[cfg(not(feature = "tokio"))]
fn lacks_runtime(payload: &(dyn Any + Send)) -> bool {
    message(payload).is_some_and(|message| message.contains("Tokio 1.x runtime"))
}

/// With the feature `tokio`, a rescue has a runtime.
#[cfg(feature = "tokio")]
fn lacks_runtime(_payload: &(dyn Any + Send)) -> bool {
    false
}

/// Returns the message of a panic. `None` if its payload is no text.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Reports that `manager` was dropped before its end.
pub(crate) fn unfinished(manager: &'static str, what: &str) {
    report(&Loss { manager, kind: LossKind::Unfinished, lost: what.into() });
}

fn report(loss: &Loss<'_>) {
    let is_reported = Reporting::begin().is_some_and(|_reporting| {
        let is_hooked = hook(loss);
        trace(loss) || is_hooked
    });
    // The panic hook has already written the message of a panic, but not the cure.
    if !is_reported && (loss.kind != LossKind::Panicked || loss.lost.what == NO_RUNTIME) {
        write(loss);
    }
}

/// Marks the thread as reporting a loss to a hook or a subscriber.
struct Reporting;

impl Reporting {
    /// `None` if the thread is already reporting a loss. This prevents recursion when a hook itself causes a loss.
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

/// Passes the loss to the hook. Returns whether a hook is set.
fn hook(loss: &Loss<'_>) -> bool {
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(hook) = hook else { return false };
    user_code::call(|| hook(loss));
    // `hook` may be the last reference, if another hook was set meanwhile, and its destructor may panic.
    user_code::discard(hook);
    true
}

/// Writes the loss to standard error. Unlike `eprintln!`, it does not panic if writing fails.
fn write(loss: &Loss<'_>) {
    let mut text = loss.head();
    user_code::call(|| text = loss.to_string());
    // In one call, so that the text is not mixed with the output of other threads.
    let _ = io::stderr().write_all(std::format!("async-context-manager: {text}\n").as_bytes());
}

/// Emits an event for the loss. Returns whether a subscriber is set.
#[cfg(feature = "tracing")]
fn trace(loss: &Loss<'_>) -> bool {
    let error = loss.lost.show.map(|show| tracing::field::display(Shown(show)));
    let head = loss.head();
    user_code::call(|| tracing::error!(manager = loss.manager, kind = ?loss.kind, error, "{head}"));
    // The subscriber of this thread, because other threads may have their own.
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
