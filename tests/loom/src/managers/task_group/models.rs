//! The tasks of a group, which other threads stop: each task ends, the group is told, and knows why.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use loom::model::Builder;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::task::spawn;
use super::tasks::{Tasks, TasksState};
use crate::raw::stop_scope::{StopMode, StopScope};
use crate::registry_models::block_on;
use crate::rescue::{self, Wait};

/// Runs a model in all interleavings in which a thread is interrupted twice at most.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

fn group() -> Arc<Tasks<&'static str>> {
    Arc::new(Tasks::new(Vec::new()))
}

/// Waits as the exit phase of the group does, until all tasks are gone. Returns whether the stop of the group has cut one.
fn until_gone(tasks: &Tasks<&'static str>) -> bool {
    let mut gone = pin!(tasks.until_gone());
    block_on(|cx| {
        let scope = StopScope::new(cx.waker(), StopMode::Leaving);
        scope.poll(|cx| gone.as_mut().poll(cx)).map(|()| scope.is_cut())
    })
}

#[test]
fn a_task_that_ends_by_itself_is_noticed() {
    model(|| {
        let tasks = group();
        let task = spawn(&tasks, async { Ok(5) });
        let mut task = pin!(task);
        assert_eq!(block_on(|cx| task.as_mut().poll(cx)), 5);
        let mut ended = pin!(tasks.until_or_stopped(TasksState::is_empty));
        block_on(|cx| ended.as_mut().poll(cx));
        assert!(!until_gone(&tasks));
    });
}

#[test]
fn a_join_returns_when_another_thread_stops_the_group() {
    model(|| {
        let tasks = group();
        let mut task = spawn(&tasks, pending::<Result<(), _>>());
        let stops = {
            let tasks = Arc::clone(&tasks);
            thread::spawn(move || tasks.stop())
        };
        let mut joined = pin!(task.join());
        assert_eq!(block_on(|cx| joined.as_mut().poll(cx)), None);
        until_gone(&tasks);
        stops.join().unwrap();
    });
}

#[test]
fn a_task_that_another_thread_aborts_ends() {
    model(|| {
        let tasks = group();
        let task = spawn(&tasks, pending::<Result<(), _>>());
        let aborts = thread::spawn(move || task.abort());
        assert!(!until_gone(&tasks), "an abort is not a stop of the group");
        aborts.join().unwrap();
    });
}

#[test]
fn tasks_that_another_thread_aborts_all_end() {
    model(|| {
        let tasks = group();
        drop(spawn(&tasks, pending::<Result<(), _>>()));
        let other = Arc::clone(&tasks);
        let aborts = thread::spawn(move || other.abort_all());
        assert!(!until_gone(&tasks), "an abort is not a stop of the group");
        aborts.join().unwrap();
    });
}

#[test]
fn a_group_that_stops_while_a_task_is_aborted_ends() {
    model(|| {
        let tasks = group();
        let task = spawn(&tasks, pending::<Result<(), _>>());
        let aborts = thread::spawn(move || task.abort());
        tasks.stop();
        until_gone(&tasks);
        aborts.join().unwrap();
    });
}

#[test]
fn a_group_that_stops_says_that_its_task_was_cut() {
    model(|| {
        let tasks = group();
        drop(spawn(&tasks, pending::<Result<(), _>>()));
        tasks.stop();
        assert!(until_gone(&tasks));
    });
}

#[test]
fn a_failure_stops_the_other_task() {
    model(|| {
        let tasks = group();
        drop(spawn(&tasks, async { Err::<(), _>("failed") }));
        drop(spawn(&tasks, pending::<Result<(), _>>()));
        let mut failed = pin!(tasks.until(TasksState::has_failures));
        block_on(|cx| failed.as_mut().poll(cx));
        tasks.stop();
        until_gone(&tasks);
        assert_eq!(tasks.take_failures().errors, ["failed"]);
    });
}

#[test]
fn a_task_that_is_spawned_while_the_group_stops_is_stopped_or_not_begun() {
    model(|| {
        let tasks = group();
        let other = Arc::clone(&tasks);
        let spawns = thread::spawn(move || drop(spawn(&other, pending::<Result<(), _>>())));
        tasks.stop();
        spawns.join().unwrap();
        until_gone(&tasks);
    });
}

/// A task that enters a manager, unless a scope around it will be stopped.
async fn enters() -> Result<(), &'static str> {
    poll_fn(|cx| match StopScope::of(cx.waker()) {
        Some(scope) if scope.is_requested() => Poll::Pending,
        _ => Poll::Ready(Ok(())),
    })
    .await
}

#[test]
fn a_task_that_was_refused_goes_on_if_its_group_is_not_stopped() {
    model(|| {
        let (completion, signal) = rescue::completion();
        let tasks = Arc::new(Tasks::new(vec![signal.clone()]));
        drop(spawn(&tasks, enters()));
        let cancels = thread::spawn(move || drop(completion));
        let (mut cancelled, mut ended) = (Wait::new(signal), pin!(tasks.until_or_stopped(TasksState::is_empty)));
        block_on(|cx| {
            // The scope is polled when it is cancelled. The group is in an exit phase, so it is polled outside of the scope.
            let _polled = Pin::new(&mut cancelled).poll(cx);
            ended.as_mut().poll(cx)
        });
        cancels.join().unwrap();
    });
}

#[test]
fn tasks_of_a_group_that_is_dropped_are_waited_for() {
    model(|| {
        let tasks = group();
        let is_gone = Arc::new(AtomicBool::new(false));
        let sets = SetOnDrop(Arc::clone(&is_gone));
        drop(spawn(&tasks, async move {
            let _sets = sets;
            pending::<Result<(), _>>().await
        }));
        let mut failures = None;
        let mut gone = rescue::collect(&mut || failures = Some(tasks.abandon()));
        block_on(|cx| gone.poll(cx));
        assert!(is_gone.load(Ordering::SeqCst), "its future is dropped");
        assert_eq!(rescue::pending(), 0);
        assert!(failures.is_some_and(|failures| failures.errors.is_empty()));
    });
}

/// Notes that the future of a task was dropped.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
