//! What safe code can do with the waker of a scope, and with futures that a scope polls. They also run under `AddressSanitizer`.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use async_context_manager::{graceful, nullcontext, stop_when};
use futures::executor::block_on;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::*;

/// Writes to a local on drop.
struct Guard<'g>(&'g mut Vec<&'static str>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.push("guard dropped");
    }
}

/// Lends a guard of a local, which it reads afterwards. Needs some time to enter.
#[async_context_manager]
async fn lends_guard(seen: Arc<Mutex<Vec<&'static str>>>, enters: Duration) -> Guard<'_> {
    let mut local = vec!["local"];
    sleep(enters).await;
    r#yield!(Guard(&mut local));
    sleep(5 * MS).await;
    local.push("left");
    *seen.lock().expect("nobody panics") = local;
}

/// Counts those that are left to the end, and lends a local that it reads there.
#[async_context_manager]
async fn counted(count: &AtomicUsize) -> &mut String {
    let mut local = String::from("a");
    r#yield!(&mut local);
    sleep(MS).await;
    local.push('c');
    if local == "abc" {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits in such a one.
async fn held(count: &AtomicUsize) {
    with!(counted(count) as local => {
        local.push('b');
        sleep(LONG).await;
    });
}

mod lent_guard {
    use super::*;

    /// The guard of a manager that enters for so long, beside one that leaves from 10 ms to 15 ms.
    async fn seen_when_stopped(enters: Duration) -> Vec<&'static str> {
        let trace = Trace::new();
        let seen = Arc::default();
        let late = with!(timeout(10 * MS) => {
            tokio::join!(holds(&trace, "a"), async {
                with!(lends_guard(Arc::clone(&seen), enters) as guard => {
                    guard.0.push("block");
                    sleep(LONG).await;
                });
            });
        });
        assert!(late.is_err());
        seen.lock().expect("nobody panics").clone()
    }

    #[tokio::test(start_paused = true)]
    async fn in_use_is_dropped_before_the_exit_phase() {
        assert_eq!(seen_when_stopped(Duration::ZERO).await, ["local", "block", "guard dropped", "left"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_manager_that_would_lend_during_the_stop_is_none() {
        assert!(seen_when_stopped(12 * MS).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_manager_that_never_lends_is_none() {
        assert!(seen_when_stopped(LONG).await.is_empty());
    }
}

/// Polls two futures on two threads at the same time, with one waker.
struct Parallel<'f>([Option<Pin<Box<dyn Future<Output = ()> + Send + 'f>>>; 2]);

impl Future for Parallel<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (waker, runtime) = (cx.waker(), Handle::current());
        thread::scope(|threads| {
            for slot in &mut self.0 {
                let runtime = &runtime;
                threads.spawn(move || {
                    let _entered = runtime.enter();
                    let polled = slot.as_mut().map(|future| future.as_mut().poll(&mut Context::from_waker(waker)));
                    if polled.is_some_and(|polled| polled.is_ready()) {
                        *slot = None;
                    }
                });
            }
        });
        if self.0.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[tokio::test]
async fn parallel_polls_with_one_waker_keep_the_stop_out() {
    for _ in 0..20 {
        let count = AtomicUsize::new(0);
        let late = with!(timeout(5 * MS) => {
            let busy = async || with!(counted(&count) as local => {
                local.push('b');
                loop {
                    sleep(MS / 4).await;
                    yield_now().await;
                }
            });
            Parallel([Some(Box::pin(busy())), Some(Box::pin(busy()))]).await;
        });
        assert!(late.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 0); // They were dropped.
    }
}

/// Keeps clones of its wakers, compares them, wakes them on threads, and polls with a clone every second time.
struct Odd<F> {
    future: Pin<Box<F>>,
    kept: Vec<Waker>,
}

impl<F: Future> Future for Odd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut clone = cx.waker().clone();
        clone.clone_from(cx.waker());
        for kept in &self.kept {
            assert!(kept.will_wake(&clone));
        }
        if self.kept.len() < 5 {
            let clone = clone.clone();
            thread::spawn(move || clone.wake()).join().expect("it does not panic");
        }
        self.kept.push(clone.clone());
        let polls_with_clone = self.kept.len().is_multiple_of(2);
        let waker = if polls_with_clone { &clone } else { cx.waker() };
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }
}

#[tokio::test]
async fn clones_of_the_waker_are_those_of_the_task() {
    let mut kept = Vec::new();
    for _ in 0..30 {
        let count = AtomicUsize::new(0);
        let late = with!(timeout(5 * MS) => {
            let mut odd = Odd { future: Box::pin(held(&count)), kept: Vec::new() };
            poll_both(&mut odd, &mut kept).await;
        });
        assert!(late.is_err());
        assert!(count.load(Ordering::Relaxed) <= 1);
    }
    kept.iter().for_each(Waker::wake_by_ref);
}

/// Polls `odd`, and keeps wakers beyond the scope.
async fn poll_both<F: Future<Output = ()>>(odd: &mut Odd<F>, kept: &mut Vec<Waker>) {
    std::future::poll_fn(|cx| {
        kept.push(cx.waker().clone());
        Pin::new(&mut *odd).poll(cx)
    })
    .await;
}

mod executor {
    use super::*;

    #[tokio::test]
    async fn in_a_block_has_scopes_of_its_own() {
        let late = with!(timeout(5 * MS) => {
            std::future::poll_fn(|_| {
                let value = block_on(async { with!(stop_when(ready(())) => pending::<()>().await) });
                assert_eq!(value, None);
                Poll::<()>::Pending
            })
            .await;
        });
        assert!(late.is_err());
    }

    #[tokio::test]
    async fn in_the_polls_of_a_stop_is_not_stopped() {
        let count = AtomicUsize::new(0);
        let late = with!(timeout(5 * MS) => {
            tokio::join!(held(&count), std::future::poll_fn(|_| {
                assert_eq!(block_on(async { with!(nullcontext(5) as n => n) }), 5);
                Poll::<()>::Pending
            }))
        });
        assert!(late.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn in_an_exit_phase_of_a_stop_is_not_stopped() {
        #[async_context_manager]
        async fn blocks() {
            r#yield!();
            assert_eq!(block_on(async { with!(nullcontext(5) as n => n) }), 5);
        }
        assert!(with!(timeout(5 * MS) => with!(blocks() => sleep(LONG).await)).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn future_of_another_task_is_stopped_by_the_scope_that_polls_it() {
    let count = Arc::new(AtomicUsize::new(0));
    let inner = Arc::clone(&count);
    let future: Mutex<Pin<Box<dyn Future<Output = ()> + Send>>> =
        Mutex::new(Box::pin(async move { held(&inner).await }));
    let late = with!(timeout(5 * MS) => {
        std::future::poll_fn(|cx| future.lock().expect("nobody panics").as_mut().poll(cx)).await;
    });
    assert!(late.is_err());
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let polled = tokio::spawn(future.into_inner().expect("nobody panics")).await;
    assert!(polled.expect_err("its `with!` has been stopped").is_panic());
}

mod threads {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("it starts")
    }

    #[test]
    fn that_take_turns_in_a_stop_leave_all() {
        let count = Arc::new(AtomicUsize::new(0));
        runtime().block_on(async {
            let tasks: Vec<_> = (0..200).map(|_| tokio::spawn(stops_in_a_loop(Arc::clone(&count)))).collect();
            for task in tasks {
                task.await.expect("it does not panic");
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 400);
    }

    async fn stops_in_a_loop(count: Arc<AtomicUsize>) {
        let late = with!(timeout(2 * MS) => {
            with!(counted(&count) as local => {
                local.push('b');
                with!(counted(&count) as local => {
                    local.push('b');
                    loop {
                        yield_now().await;
                    }
                });
            });
        });
        assert!(late.is_err());
    }

    #[test]
    fn that_abort_a_graceful_task_at_any_time_leave_all() {
        let (entered, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        runtime().block_on(async {
            for i in 0..200 {
                let (entered, left) = (Arc::clone(&entered), Arc::clone(&left));
                let task = tokio::spawn(graceful(async move {
                    let _in_time = with!(timeout(3 * MS) => {
                        with!(counted(&left) as local => {
                            entered.fetch_add(1, Ordering::Relaxed);
                            local.push('b');
                            sleep(2 * MS).await;
                        });
                    });
                }));
                sleep(MS * (i % 20) / 4).await;
                task.abort();
                drop(task.await);
            }
            rescue::drain().await;
        });
        assert_eq!(entered.load(Ordering::Relaxed), left.load(Ordering::Relaxed));
    }
}

/// A block that is polled on another thread must not poll the future that stops the scope around it.
#[tokio::test]
async fn future_that_stops_a_block_is_polled_on_its_own_thread_only() {
    let home = thread::current().id();
    let elsewhere = AtomicUsize::new(0);
    let stop = std::future::poll_fn(|_cx| {
        if thread::current().id() != home {
            elsewhere.fetch_add(1, Ordering::Relaxed);
        }
        Poll::<()>::Pending
    });
    let enters = || async { with!(async_context_manager::cancel_scope(), nullcontext(1) as _one => {}) };
    let value = with!(stop_when(stop) => Parallel([Some(Box::pin(enters_in(enters()))), Some(Box::pin(enters_in(enters())))]).await);
    assert_eq!(value, Some(()));
    assert_eq!(elsewhere.into_inner(), 0);
}

async fn enters_in<T>(future: impl Future<Output = T>) {
    let _value = future.await;
}
