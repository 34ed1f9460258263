//! What a manager came to when nobody was left to be told of it.

use std::any::Any;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use crate::panics;

/// What a manager came to when nobody was left to be told: the error that its exit phase returned after the future
/// around its `with!` was dropped, say.
///
/// It goes to the hook that [`set_hook`] has set. With the feature `tracing`, it is an event of the level `ERROR` with
/// the field `manager`, if there is a subscriber. Where there is neither, it goes to standard error; but for a panic, of
/// which the panic hook has told.
pub struct Loss<'a> {
    manager: &'static str,
    kind: LossKind,
    what: &'a str,
    error: Option<&'a (dyn Any + Send)>,
}

/// In what way something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossKind {
    /// The manager failed, and its error is lost.
    Failed,
    /// The manager panicked, and the panic goes no further.
    Panicked,
    /// The manager could not be brought to its end. What it had done was dropped.
    Unfinished,
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
        self.error
    }
}

impl fmt::Display for Loss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.manager, self.what)
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
/// no further.
pub fn set_hook(hook: impl Fn(&Loss<'_>) + Send + Sync + 'static) {
    let before = HOOK.write().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(hook));
    // Here, where it may tell of a loss.
    drop(before);
}

/// Tells that `manager` failed with an error that can't be shown.
pub(crate) fn failed(manager: &'static str, what: &str) {
    tell(&Loss { manager, kind: LossKind::Failed, what, error: None });
}

/// Tells of the error that a rescue of `manager` ended in.
pub(crate) fn rescue_failed(manager: &'static str, error: &(dyn Any + Send)) {
    let what = "failed after a cancellation; its error is lost";
    tell(&Loss { manager, kind: LossKind::Failed, what, error: Some(error) });
}

/// Tells of a panic after a cancellation.
pub(crate) fn panicked(manager: &'static str, payload: panics::Payload) {
    let what = "panicked after a cancellation";
    tell(&Loss { manager, kind: LossKind::Panicked, what, error: Some(&*payload) });
    panics::contain(|| drop(payload));
}

/// Tells that `manager` was dropped before its end.
pub(crate) fn unfinished(manager: &'static str, what: &str) {
    tell(&Loss { manager, kind: LossKind::Unfinished, what, error: None });
}

fn tell(loss: &Loss<'_>) {
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    let told = hook.is_some();
    if let Some(hook) = hook {
        panics::contain(|| hook(loss));
    }
    if !trace(loss) && !told && loss.kind != LossKind::Panicked {
        // Unlike `eprintln!` it does not panic where there is nothing to write to.
        let _ = writeln!(io::stderr(), "async-context-manager: {loss}");
    }
}

/// Whether there is a subscriber, who is told.
#[cfg(feature = "tracing")]
fn trace(loss: &Loss<'_>) -> bool {
    panics::contain(|| tracing::error!(manager = loss.manager, kind = ?loss.kind, "{loss}"));
    // There may be some for other threads only.
    tracing::dispatcher::get_default(|subscriber| !subscriber.is::<tracing::subscriber::NoSubscriber>())
}

#[cfg(not(feature = "tracing"))]
fn trace(_loss: &Loss<'_>) -> bool {
    false
}
