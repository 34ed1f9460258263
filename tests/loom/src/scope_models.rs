//! Safe code can poll with the waker of a scope on two threads at the same time: the other thread uses only the waker of
//! the task. Its cells are those of the model checker, which notices two threads in one of them.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use loom::model;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use scoped_tls::scoped_thread_local;

use crate::raw::stop_scope::{StopMode, StopPoll, StopScope, task_waker};

// All threads of a model are on one thread of the system, so this lends them the waker.
scoped_thread_local!(static WAKER: Waker);

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls `here` within a poll by a scope, and `there` on another thread at the same time. Returns how often the task was
/// woken.
fn poll_on_both(mode: StopMode, here: fn(&StopScope<'_>), there: fn(&Waker)) -> usize {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let scope = StopScope::new(&waker, mode);
    scope.poll(|cx| {
        WAKER.set(cx.waker(), || {
            let other = thread::spawn(move || WAKER.with(there));
            here(StopScope::of(cx.waker()).expect("it polls on this thread"));
            other.join().unwrap();
        });
    });
    woken.0.load(Ordering::SeqCst)
}

/// Uses the cells as drivers do.
fn records(scope: &StopScope<'_>) {
    scope.set_open();
    scope.record(StopPoll::Skipped);
    scope.leave();
    scope.set_cut();
    assert!(scope.is_open() && scope.is_cut());
}

#[test]
fn another_thread_does_not_find_the_scope() {
    model(|| {
        poll_on_both(StopMode::Stopping, records, |waker| {
            assert!(StopScope::of(waker).is_none());
            assert!(StopScope::stopping(waker).is_none());
        });
    });
}

#[test]
fn another_thread_may_clone_and_wake_the_waker() {
    model(|| {
        let woken = poll_on_both(StopMode::Running, records, |waker| {
            waker.wake_by_ref();
            let clone = waker.clone();
            assert!(clone.will_wake(task_waker(waker)));
            clone.wake();
            task_waker(waker).wake_by_ref();
        });
        assert_eq!(woken, 3);
    });
}

#[test]
fn a_scope_that_another_thread_begins_in_it_is_by_itself() {
    model(|| {
        poll_on_both(StopMode::Running, records, |waker| {
            let scope = StopScope::running(waker);
            let (polled, is_open) = scope.trace(|| {
                scope.poll(|cx| {
                    StopScope::of(cx.waker()).expect("it polls on this thread").set_open();
                    Poll::<()>::Pending
                })
            });
            assert!(polled.is_pending() && is_open && scope.is_outermost() && !scope.is_requested());
        });
    });
}
