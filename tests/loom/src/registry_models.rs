//! The registry of pending rescues: the end of the last one wakes those that wait until none is pending.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::model;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::registry::{Registry, RescueEnd};

/// A thread that waits to be woken.
#[derive(Default)]
struct Parker {
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Polls until it is ready, and waits for a wake-up in between, which does not come if it is lost.
pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(Arc::clone(&parker));
    loop {
        if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        let mut is_woken = parker.is_woken.lock().unwrap();
        while !*is_woken {
            is_woken = parker.changed.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}

/// Waits until nothing is pending.
fn wait(registry: &Registry) -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    let mut none = registry.wait();
    move |cx| none.poll(cx)
}

/// Creates a registry of rescues in the places before `count`.
fn pending(count: usize) -> Arc<Registry> {
    let registry = Arc::new(Registry::default());
    for place in 0..count {
        assert_eq!(registry.add("rescue"), place);
    }
    registry
}

/// Runs `run` on another thread.
fn spawn<T: 'static>(registry: &Arc<Registry>, run: impl FnOnce(&Registry) -> T + 'static) -> thread::JoinHandle<T> {
    let registry = Arc::clone(registry);
    thread::spawn(move || run(&registry))
}

/// Removes the rescue in this place on another thread.
fn remove(registry: &Arc<Registry>, place: usize) -> thread::JoinHandle<()> {
    spawn(registry, move |registry| registry.remove(place, RescueEnd::Done))
}

#[test]
fn the_last_one_is_not_missed() {
    model(|| {
        let registry = pending(1);
        let removes = remove(&registry, 0);
        block_on(wait(&registry));
        removes.join().unwrap();
        assert!(registry.list().is_empty());
    });
}

#[test]
fn nor_that_of_two_threads() {
    model(|| {
        let registry = pending(2);
        let removes = [0, 1].map(|place| remove(&registry, place));
        block_on(wait(&registry));
        assert!(registry.list().is_empty());
        for removes in removes {
            removes.join().unwrap();
        }
    });
}

#[test]
fn all_who_wait_are_woken() {
    model(|| {
        let registry = pending(1);
        let waits = spawn(&registry, |registry| block_on(wait(registry)));
        let removes = remove(&registry, 0);
        block_on(wait(&registry));
        waits.join().unwrap();
        removes.join().unwrap();
    });
}

#[test]
fn one_that_begins_before_the_last_one_ends_is_waited_for() {
    model(|| {
        let registry = pending(1);
        let chain = spawn(&registry, |registry| {
            let place = registry.add("another");
            registry.remove(0, RescueEnd::Done);
            registry.remove(place, RescueEnd::Done);
        });
        block_on(wait(&registry));
        assert!(registry.list().is_empty());
        chain.join().unwrap();
    });
}

#[test]
fn one_who_gives_up_does_not_keep_the_other_from_being_woken() {
    model(|| {
        let registry = pending(1);
        let removes = remove(&registry, 0);
        let gives_up = spawn(&registry, |registry| {
            let _ = registry.wait().poll(&mut Context::from_waker(Waker::noop()));
        });
        block_on(wait(&registry));
        removes.join().unwrap();
        gives_up.join().unwrap();
    });
}
