//! What is pending in this process, and how many rescues there have been.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::vec::Vec;

use super::registry::{Registry, RescueEnd, Totals};

pub(super) static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::default);

/// Registers a rescue or a task as pending until it is dropped.
pub(crate) struct PendingGuard {
    place: usize,
    end: RescueEnd,
}

impl PendingGuard {
    /// Registers a rescue under the name of its manager.
    pub(crate) fn begin(name: &'static str) -> Self {
        Self { place: REGISTRY.add(name), end: RescueEnd::Done }
    }

    /// Sets how the rescue has ended.
    pub(crate) fn set_end(&mut self, end: RescueEnd) {
        self.end = end;
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        REGISTRY.remove(self.place, self.end);
    }
}

/// Returns the pending rescues of this process: managers whose `with!` was dropped and that have not ended. The oldest
/// is the first.
///
/// The tasks of a task group whose `with!` was dropped count as well, until they are gone.
///
/// ```
/// use std::time::Duration;
///
/// use async_context_manager::rescue;
///
/// for rescue in rescue::pending() {
///     if rescue.age() > Duration::from_secs(60) {
///         eprintln!("{} has been leaving for {:?}", rescue.manager(), rescue.age());
///     }
/// }
/// ```
#[must_use]
pub fn pending() -> Vec<PendingRescue> {
    REGISTRY.list().into_iter().map(|(manager, since)| PendingRescue { manager, since }).collect()
}

/// A rescue that had not ended when [`pending`] was called, or [`drain_timeout`](super::drain_timeout) gave up.
#[derive(Clone)]
pub struct PendingRescue {
    manager: &'static str,
    since: Instant,
}

impl PendingRescue {
    /// Returns the name of the manager: of its function, or of its type. It is `graceful` for a
    /// [`graceful`](crate::graceful()) future, and `task_group` for a task of a group.
    #[must_use]
    pub fn manager(&self) -> &str {
        self.manager
    }

    /// Returns the time that has passed since the rescue began, that is, since its `with!` was dropped.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl fmt::Display for PendingRescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({:.1?})", self.manager, self.age())
    }
}

impl fmt::Debug for PendingRescue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PendingRescue({self})")
    }
}

/// The numbers of rescues since this process began, for a metrics page: see [`metrics`].
///
/// The tasks of task groups whose `with!` was dropped count as well. An exit phase that a drop has cut off is no
/// rescue: count these in the [hook](super::set_hook), by [`LossKind::Unfinished`](super::LossKind::Unfinished).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The rescues that have begun.
    pub begun: u64,
    /// The rescues that have ended, in any way. The others are [`pending`].
    pub ended: u64,
    /// The rescues among those that have ended whose manager returned an error or panicked. Each is a
    /// [`Loss`](super::Loss).
    pub failed: u64,
    /// The rescues among those that have ended that were dropped before their end, because they did not end within
    /// their limit, or no executor was left. Each is a [`Loss`](super::Loss).
    pub cut: u64,
}

/// Returns how many rescues have begun and ended in this process, and how.
///
/// ```
/// use async_context_manager::rescue;
///
/// let metrics = rescue::metrics();
/// println!("rescues_begun_total {}", metrics.begun);
/// println!("rescues_failed_total {}", metrics.failed);
/// assert_eq!(metrics.begun - metrics.ended, 0); // none is pending
/// ```
#[must_use]
pub fn metrics() -> Metrics {
    let Totals { begun, ended, failed, cut } = REGISTRY.totals();
    Metrics { begun, ended, failed, cut }
}
