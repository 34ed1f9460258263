//! The crate's own executor: a task is polled after each wake-up, and to its end.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::model;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::queue::Queue;

/// What a task waits for: so many signals, each from a thread that wakes it.
struct Signals {
    missing: AtomicUsize,
    waker: Mutex<Option<Waker>>,
    ended: AtomicBool,
}

impl Signals {
    fn new(count: usize) -> Arc<Self> {
        let missing = AtomicUsize::new(count);
        Arc::new(Self { missing, waker: Mutex::new(None), ended: AtomicBool::new(false) })
    }

    fn send(&self) {
        self.missing.fetch_sub(1, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().clone();
        waker.inspect(Waker::wake_by_ref);
    }

    /// Waits for all.
    async fn wait(self: Arc<Self>) {
        poll_fn(|cx| {
            // Before it looks, so that who comes later wakes it.
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            if self.missing.load(Ordering::SeqCst) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // The cycle of the task, its waker, and this.
        self.waker.lock().unwrap().take();
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Polls the queue until all have come, which it does not if a wake-up is lost.
    fn run(&self, queue: &Queue) {
        while !self.ended.load(Ordering::SeqCst) {
            assert!(queue.poll_next());
        }
    }
}

#[test]
fn a_wake_up_during_a_poll_is_not_lost() {
    model(|| {
        let (queue, signals) = (Queue::new(|_queue| true), Signals::new(1));
        queue.spawn(Arc::clone(&signals).wait());
        let sender = Arc::clone(&signals);
        let sends = thread::spawn(move || sender.send());
        signals.run(&queue);
        sends.join().unwrap();
    });
}

/// With three threads there are too many interleavings: those where a thread is interrupted twice at most.
#[test]
fn nor_is_one_of_two_threads() {
    let mut some = loom::model::Builder::new();
    some.preemption_bound = Some(2);
    some.check(|| {
        let (queue, signals) = (Queue::new(|_queue| true), Signals::new(2));
        queue.spawn(Arc::clone(&signals).wait());
        let sends = [(); 2].map(|()| {
            let sender = Arc::clone(&signals);
            thread::spawn(move || sender.send())
        });
        signals.run(&queue);
        for sends in sends {
            sends.join().unwrap();
        }
    });
}

#[test]
fn tasks_of_two_threads_are_polled_to_their_end() {
    model(|| {
        let queue = Queue::new(|_queue| true);
        let both = [Signals::new(0), Signals::new(0)];
        let spawns = both.clone().map(|signals| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.spawn(signals.wait()))
        });
        for signals in &both {
            signals.run(&queue);
        }
        for spawns in spawns {
            spawns.join().unwrap();
        }
    });
}

#[test]
fn a_task_may_spawn_another_while_a_third_is_woken() {
    model(|| {
        let queue = Queue::new(|_queue| true);
        let (inner, outer) = (Signals::new(0), Signals::new(1));
        queue.spawn(Arc::clone(&outer).wait());
        let (spawned, of) = (Arc::clone(&inner), Arc::clone(&queue));
        queue.spawn(async move { of.spawn(spawned.wait()) });
        let sender = Arc::clone(&outer);
        let sends = thread::spawn(move || sender.send());
        outer.run(&queue);
        inner.run(&queue);
        sends.join().unwrap();
    });
}

#[test]
fn one_that_has_ended_may_still_be_woken() {
    model(|| {
        let queue = Queue::new(|_queue| true);
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        let ends = poll_fn(move |cx| {
            *keep.lock().unwrap() = Some(cx.waker().clone());
            Poll::Ready(())
        });
        queue.spawn(ends);
        let wakes = thread::spawn(move || {
            let waker: Option<Waker> = kept.lock().unwrap().take();
            waker.inspect(Waker::wake_by_ref);
        });
        queue.poll_next();
        wakes.join().unwrap();
        let signals = Signals::new(0);
        queue.spawn(Arc::clone(&signals).wait());
        signals.run(&queue);
    });
}
