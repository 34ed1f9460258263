//! The runtime and the span in which a manager was entered, and in which its rescue runs.

use super::Rescue;

/// The runtime and the span in which a manager was entered.
#[derive(Clone)]
pub(crate) struct Origin {
    #[cfg(feature = "tokio")]
    runtime: Option<tokio::runtime::Handle>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Origin {
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            runtime: tokio::runtime::Handle::try_current().ok().filter(|_| !super::thread::is_own()),
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    /// Returns a function that spawns a rescue on the runtime. `None` if the manager was entered on no runtime.
    #[cfg_attr(not(feature = "tokio"), expect(clippy::unused_self, reason = "unused without a runtime"))]
    pub(super) fn spawn(&self) -> Option<impl FnOnce(Rescue) + use<>> {
        #[cfg(feature = "tokio")]
        return self.runtime.clone().map(|runtime| move |rescue| drop(runtime.spawn(rescue)));
        #[cfg(not(feature = "tokio"))]
        None::<fn(Rescue)>
    }

    /// Runs `f` in the span, and with the span's subscriber, which may be the subscriber of another thread.
    #[cfg_attr(not(feature = "tracing"), expect(clippy::unused_self, reason = "unused without spans"))]
    pub(super) fn within_span<T>(&self, f: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        if let Some(subscriber) = self.span.with_subscriber(|(_, subscriber)| subscriber.clone()) {
            return tracing::dispatcher::with_default(&subscriber, || self.span.in_scope(f));
        }
        f()
    }
}
