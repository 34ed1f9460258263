//! The executor of what is rescued: polls by turns what this thread has dropped.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Wake, Waker};

use async_context_manager::rescue::{self, LossKind, Rescue};

use crate::env::{Error, label};

thread_local! {
    static QUEUE: RefCell<VecDeque<Rescue>> = const { RefCell::new(VecDeque::new()) };
    static LOST: RefCell<Vec<Option<String>>> = const { RefCell::new(Vec::new()) };
}

/// Remembers whether it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Has what is rescued come here, for one test at a time: [`rescue::drain`] waits for all of the process.
pub(crate) fn begin() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    listen();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has what is rescued and what is lost come here, in place of a thread and of standard error.
pub(crate) fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        rescue::set_spawner(|rescue| QUEUE.with_borrow_mut(|queue| queue.push_back(rescue)));
        rescue::set_hook(|loss| {
            // An error that another one replaced. The other one is what a manager came to.
            if loss.kind() == LossKind::Replaced && loss.error().is_none() {
                return;
            }
            // Of a plain manager that is cut off, what it came to is not known.
            if loss.kind() == LossKind::Unfinished && loss.to_string().contains("cut off in its exit phase") {
                return;
            }
            let error = loss.error().map(|error| match error.downcast_ref::<Error>() {
                Some(error) => error.label.clone(),
                None => label(error),
            });
            LOST.with_borrow_mut(|lost| lost.push(error));
        });
    });
}

/// Runs all that is rescued to its end. One that waits for another is not woken before that has ended.
pub(crate) fn run() {
    let mut drained = pin!(rescue::drain());
    while drained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        let count = QUEUE.with_borrow(VecDeque::len);
        assert!(count > 0, "it is here that it is under way");
        let goes_on: Vec<bool> = (0..count).map(|_| poll_next()).collect();
        assert!(goes_on.contains(&true), "pending, and nobody was woken");
    }
    assert!(QUEUE.with_borrow(VecDeque::is_empty), "all has ended");
}

/// Polls the next one. Returns whether it has ended or was woken.
fn poll_next() -> bool {
    let Some(mut rescue) = QUEUE.with_borrow_mut(VecDeque::pop_front) else { return false };
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    if Pin::new(&mut rescue).poll(&mut Context::from_waker(&waker)).is_ready() {
        return true;
    }
    QUEUE.with_borrow_mut(|queue| queue.push_back(rescue));
    woken.0.load(Ordering::SeqCst)
}

/// The errors and panics that nobody was told of since the last call. A stack can't say which they were.
pub(crate) fn take_lost() -> Vec<Option<String>> {
    LOST.take()
}
