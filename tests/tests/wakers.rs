//! Who wakes whom: the wakers that managers and blocks see are those of the task.

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on_counting, yields};

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A place to put wakers.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Waker>>>);

impl Kept {
    /// Keeps a clone of the waker that this is polled with; pending once.
    async fn keep(&self) {
        let mut polled = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(());
            }
            self.0.lock().unwrap().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[async_context_manager]
async fn keeps(kept: &Kept) {
    kept.keep().await;
    kept.keep().await;
    r#yield!();
    kept.keep().await;
}

#[async_context_manager]
async fn keeps_in_async(kept: &Kept) {
    kept.keep().await;
    kept.keep().await;
    let _ = async { r#yield!() }.await;
    kept.keep().await;
}

/// Polls a future that often with one waker; all that it has kept must be this one.
fn assert_one_waker(polls: usize, kept: &Kept, future: impl Future<Output = ()>) {
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    {
        let mut future = pin!(future);
        for _ in 1..polls {
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    }
    let kept = std::mem::take(&mut *kept.0.lock().unwrap());
    assert_eq!(kept.len(), polls - 1);
    for (index, other) in kept.into_iter().enumerate() {
        assert!(other.will_wake(&waker), "waker {index}");
        other.wake_by_ref();
        assert_eq!(counter.0.load(Ordering::SeqCst), index + 1);
    }
    // No clone is left behind.
    drop(waker);
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn all_phases_have_the_waker_of_the_task() {
    let kept = Kept::default();
    assert_one_waker(5, &kept, async { with!(keeps(&kept) => kept.keep().await) });
}

#[test]
fn all_phases_have_the_waker_when_the_marker_is_in_an_async_block() {
    let kept = Kept::default();
    assert_one_waker(5, &kept, async { with!(keeps_in_async(&kept) => kept.keep().await) });
}

#[test]
fn nested_managers_have_the_waker_of_the_task() {
    let kept = Kept::default();
    assert_one_waker(8, &kept, async { with!(keeps(&kept), keeps_in_async(&kept) => kept.keep().await) });
}

#[test]
fn composed_managers_have_the_waker_of_the_task() {
    #[async_context_manager]
    async fn composed(kept: &Kept) {
        with!(keeps(kept), keeps_in_async(kept) => { r#yield!(); });
    }
    let kept = Kept::default();
    assert_one_waker(8, &kept, async { with!(composed(&kept) => kept.keep().await) });
}

#[test]
fn a_block_that_is_reached_in_the_first_poll_has_the_waker_of_the_task() {
    #[async_context_manager]
    async fn at_once() {
        r#yield!();
    }
    #[async_context_manager]
    async fn composed() {
        with!(at_once() => { r#yield!(); });
    }
    let kept = Kept::default();
    assert_one_waker(2, &kept, async { with!(at_once() => kept.keep().await) });
    assert_one_waker(2, &kept, async { with!(at_once(), composed() => kept.keep().await) });
}

#[test]
fn a_waker_that_changes_is_passed_on() {
    #[async_context_manager]
    async fn at_once() {
        r#yield!();
    }
    let kept = Kept::default();
    let mut future = pin!(async {
        with!(at_once() => {
            kept.keep().await;
            kept.keep().await;
            kept.keep().await;
        });
    });
    let counters = [(); 3].map(|()| Arc::new(Counter::default()));
    for counter in &counters {
        let waker = Waker::from(Arc::clone(counter));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    for (waker, counter) in kept.0.lock().unwrap().drain(..).zip(&counters) {
        waker.wake();
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn nothing_is_polled_more_often_than_by_hand() {
    #[async_context_manager]
    async fn yielding(log: &Log) {
        yields(2).await;
        r#yield!();
        yields(3).await;
        log.add("exit");
    }
    let log = Log::new();
    let ((), polls) = block_on_counting(async { with!(yielding(&log), yielding(&log) => yields(4).await) });
    assert_eq!(polls, 1 + 2 + 2 + 4 + 3 + 3);
    assert_eq!(log.take(), ["exit", "exit"]);
}

#[test]
fn nothing_pends_that_has_no_await() {
    #[async_context_manager]
    async fn at_once() -> Result<u8, ()> {
        r#yield!(5);
        Ok(())
    }
    #[async_context_manager]
    async fn composed() -> Result<u8, ()> {
        with!(at_once() as n, at_once() => { r#yield!(n); })
    }
    let (value, polls) = block_on_counting(async { with!(composed() as n, at_once() as m => n + m) });
    assert_eq!((value, polls), (Ok(10), 1));
}

#[test]
fn each_phase_can_be_woken_from_another_thread() {
    /// A future that a thread of its own ends.
    fn elsewhere() -> impl Future<Output = ()> {
        let (sender, receiver) = futures::channel::oneshot::channel();
        std::thread::spawn(|| sender.send(()));
        async { receiver.await.unwrap() }
    }
    #[async_context_manager]
    async fn waits(log: &Log) {
        elsewhere().await;
        log.add("enter");
        let _ = async { r#yield!() }.await;
        elsewhere().await;
        log.add("exit");
    }
    let log = Log::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        with!(waits(&log), waits(&log) => {
            elsewhere().await;
            log.add("block");
        });
    });
    assert_eq!(log.take(), ["enter", "enter", "block", "exit", "exit"]);
}
