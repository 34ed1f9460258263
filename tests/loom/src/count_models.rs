//! The count of the rescues that are under way: who waits for there to be none is woken by the last one.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::model;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::count::Count;

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

/// Waits for there to be none.
fn wait(count: &Count) -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    let mut none = count.wait();
    move |cx| none.poll(cx)
}

/// Counts that many.
fn counting(count: usize) -> Arc<Count> {
    let counts = Arc::new(Count::default());
    (0..count).for_each(|_| counts.add());
    counts
}

/// On a thread of its own.
fn spawn<T: 'static>(count: &Arc<Count>, run: impl FnOnce(&Count) -> T + 'static) -> thread::JoinHandle<T> {
    let count = Arc::clone(count);
    thread::spawn(move || run(&count))
}

#[test]
fn the_last_one_is_not_missed() {
    model(|| {
        let count = counting(1);
        let removes = spawn(&count, Count::remove);
        block_on(wait(&count));
        removes.join().unwrap();
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn nor_that_of_two_threads() {
    model(|| {
        let count = counting(2);
        let removes = [(); 2].map(|()| spawn(&count, Count::remove));
        block_on(wait(&count));
        assert_eq!(count.get(), 0);
        for removes in removes {
            removes.join().unwrap();
        }
    });
}

#[test]
fn all_who_wait_are_woken() {
    model(|| {
        let count = counting(1);
        let waits = spawn(&count, |count| block_on(wait(count)));
        let removes = spawn(&count, Count::remove);
        block_on(wait(&count));
        waits.join().unwrap();
        removes.join().unwrap();
    });
}

#[test]
fn one_that_begins_before_the_last_one_ends_is_waited_for() {
    model(|| {
        let count = counting(1);
        let chain = spawn(&count, |count| {
            count.add();
            count.remove();
            count.remove();
        });
        block_on(wait(&count));
        assert_eq!(count.get(), 0);
        chain.join().unwrap();
    });
}

#[test]
fn one_who_gives_up_does_not_keep_the_other_from_being_woken() {
    model(|| {
        let count = counting(1);
        let removes = spawn(&count, Count::remove);
        let gives_up = spawn(&count, |count| {
            let _ = count.wait().poll(&mut Context::from_waker(Waker::noop()));
        });
        block_on(wait(&count));
        removes.join().unwrap();
        gives_up.join().unwrap();
    });
}
