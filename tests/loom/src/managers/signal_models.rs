//! The flag of a cancel scope and of a task: a waiter is woken when another thread sets it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::model;
use loom::model::Builder;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::signal::Signal;
use crate::registry_models::block_on;

/// Sets the signal on a thread of its own.
fn sets(signal: &Arc<Signal>) -> thread::JoinHandle<()> {
    let signal = Arc::clone(signal);
    thread::spawn(move || signal.set())
}

fn waits(signal: &Signal) {
    let mut wait = signal.wait();
    block_on(|cx| Pin::new(&mut wait).poll(cx));
    assert!(signal.is_set());
}

#[test]
fn a_request_during_the_first_poll_is_not_missed() {
    model(|| {
        let signal = Arc::new(Signal::new());
        let sets = sets(&signal);
        waits(&signal);
        sets.join().unwrap();
    });
}

#[test]
fn two_requests_at_the_same_time_wake_a_waiter() {
    model(|| {
        let signal = Arc::new(Signal::new());
        let sets = [sets(&signal), sets(&signal)];
        waits(&signal);
        for sets in sets {
            sets.join().unwrap();
        }
    });
}

/// With four threads there are too many interleavings: those in which a thread is interrupted twice at most.
#[test]
fn two_waiters_are_woken_by_one_request() {
    let mut some = Builder::new();
    some.preemption_bound = Some(2);
    some.check(|| {
        let signal = Arc::new(Signal::new());
        let (sets, other) = (sets(&signal), Arc::clone(&signal));
        let other = thread::spawn(move || waits(&other));
        waits(&signal);
        sets.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_waiter_that_is_polled_with_another_waker_is_woken_by_that_one() {
    model(|| {
        let signal = Arc::new(Signal::new());
        let sets = sets(&signal);
        let mut wait = signal.wait();
        let early = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
        assert!(early.is_pending() || signal.is_set());
        block_on(|cx| Pin::new(&mut wait).poll(cx));
        sets.join().unwrap();
    });
}

#[test]
fn a_waiter_that_is_dropped_does_not_keep_another_from_being_woken() {
    model(|| {
        let signal = Arc::new(Signal::new());
        let (sets, other) = (sets(&signal), Arc::clone(&signal));
        let gives_up = thread::spawn(move || {
            let wait = pin!(other.wait());
            let _ = wait.poll(&mut Context::from_waker(Waker::noop()));
        });
        waits(&signal);
        sets.join().unwrap();
        gives_up.join().unwrap();
    });
}

/// A waker that sets the signal again, and counts how often it is woken.
struct Reenters {
    signal: Arc<Signal>,
    woken: AtomicUsize,
}

impl Wake for Reenters {
    fn wake(self: Arc<Self>) {
        assert!(self.signal.is_set());
        self.signal.set();
        let mut wait = self.signal.wait();
        assert!(Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        self.woken.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waker_may_use_the_signal_that_wakes_it() {
    model(|| {
        let signal = Arc::new(Signal::new());
        let reenters = Arc::new(Reenters { signal: Arc::clone(&signal), woken: AtomicUsize::new(0) });
        let waker = Waker::from(Arc::clone(&reenters));
        let sets = sets(&signal);
        let mut wait = signal.wait();
        let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
        sets.join().unwrap();
        let woken = reenters.woken.load(Ordering::SeqCst);
        assert_eq!(woken, usize::from(polled.is_pending()), "it is woken once if it was registered");
        assert!(matches!(Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)), Poll::Ready(())));
    });
}

#[test]
fn what_happened_before_a_request_is_seen_by_its_waiter() {
    model(|| {
        let (signal, value) = (Arc::new(Signal::new()), Arc::new(AtomicUsize::new(0)));
        let (other, written) = (Arc::clone(&signal), Arc::clone(&value));
        let sets = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            other.set();
        });
        waits(&signal);
        assert_eq!(value.load(Ordering::Relaxed), 1);
        sets.join().unwrap();
    });
}
