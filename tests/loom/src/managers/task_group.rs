//! In place of the module of this name in the crate: the tasks of a group, and models of them.

#[path = "../../../../runtime/src/managers/task_group/task.rs"]
#[allow(unreachable_pub, reason = "public in the crate")]
mod task;
#[path = "../../../../runtime/src/managers/task_group/tasks.rs"]
mod tasks;

mod models;

/// The name of the manager, as in the crate.
const NAME: &str = "task_group";

/// No model loses a failure.
fn lost<E>(tasks::Failures { errors, panics }: tasks::Failures<E>) {
    assert!(errors.is_empty() && panics.is_empty(), "a failure is lost");
}
