//! Wakers, hooks and spawners that panic, are kept, or lose something themselves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use futures::stream::{FuturesUnordered, StreamExt};

use super::*;

/// Its executor is gone.
struct Stale;

impl Wake for Stale {
    fn wake(self: Arc<Self>) {
        panic!("the queue of the executor is gone");
    }
}

/// Panics when the last one is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a bomb");
    }
}

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {}
}

/// Is left when it is told to.
#[async_context_manager(shielded)]
async fn held(leave: futures::channel::oneshot::Receiver<()>) {
    r#yield!();
    leave.await.expect("the test says so");
}

fn under_way() -> futures::channel::oneshot::Sender<()> {
    let (leave, is_left) = futures::channel::oneshot::channel();
    drop_after(1, async { with!(held(is_left) => pending::<()>().await) });
    leave
}

/// A drain that waits, and is polled with that waker.
fn drain_with(waker: &Waker) -> Pin<Box<dyn Future<Output = ()>>> {
    let mut drain: Pin<Box<dyn Future<Output = ()>>> = Box::pin(rescue::drain());
    assert!(drain.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    drain
}

#[test]
fn a_waker_that_panics_does_not_keep_others_from_being_woken() {
    let said = alone(|| {
        let leave = under_way();
        let stale = [drain_with(&Arc::new(Stale).into()), drain_with(&Arc::new(Bomb).into())];
        let waits = thread::spawn(drain);
        leave.send(()).expect("it waits");
        waits.join().expect("it does not panic");
        // The threads live, and so do later rescues.
        for _ in 0..3 {
            under_way().send(()).expect("it waits");
        }
        block_on_with_threads(rescue::drain_timeout(LONG)).expect("they end");
        drop(stale);
    });
    assert!(said.contains("the queue of the executor is gone"), "{said}");
}

#[test]
fn nothing_is_kept_of_a_drain_that_is_given_up() {
    struct Count;

    impl Wake for Count {
        fn wake(self: Arc<Self>) {}
    }
    alone(|| {
        let leave = under_way();
        let count = Arc::new(Count);
        let waker = Waker::from(Arc::clone(&count));
        for _ in 0..100 {
            drop(drain_with(&waker));
            let mut limited = Box::pin(rescue::drain_timeout(LONG));
            assert!(limited.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&count), 2);
        leave.send(()).expect("it waits");
        drain();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_limits_take_one_thread() {
    alone(|| {
        let leave = under_way();
        let mut all: Vec<_> = (0..1_000).map(|_| Box::pin(rescue::drain_timeout(LONG))).collect();
        for limited in &mut all {
            assert!(limited.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let threads = std::fs::read_dir("/proc/self/task").expect("it is there").count();
        assert!(threads < 50, "{threads}");
        leave.send(()).expect("it waits");
        drain();
    });
}

#[async_context_manager]
async fn fails() -> Result<(), &'static str> {
    r#yield!();
    Err("of the exit phase")
}

fn lose() {
    drop_after(1, async { with!(fails() => pending::<()>().await) });
}

#[test]
fn a_hook_that_loses_something_is_not_called_for_that() {
    let said = alone(|| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        rescue::set_hook(|_loss| {
            CALLS.fetch_add(1, Ordering::SeqCst);
            lose();
        });
        lose();
        lose();
        assert_eq!(CALLS.load(Ordering::SeqCst), 2);
    });
    assert_eq!(told(&said), [r#"`fails` failed after a cancellation; its error is lost: "of the exit phase""#; 2]);
}

#[test]
fn a_hook_that_is_replaced_while_it_runs_may_panic_when_it_is_dropped() {
    let said = alone(|| {
        let bomb = Bomb;
        rescue::set_hook(move |_loss| {
            let _bomb = &bomb;
            rescue::set_hook(|_loss| {});
        });
        lose();
        let bomb = Bomb;
        rescue::set_hook(move |_loss| drop(Box::new(&bomb)));
        rescue::set_hook(|_loss| {});
    });
    assert_eq!(said.matches("a bomb").count(), 2, "{said}");
}

/// The same, where a future of the manager is in a list until it is dropped.
#[test]
fn what_it_panics_in_is_dropped_nevertheless() {
    #[async_context_manager]
    async fn waits(notify: Arc<tokio::sync::Notify>) -> Result<(), &'static str> {
        let mut notified = std::pin::pin!(notify.notified());
        notified.as_mut().enable();
        let mut set = futures::stream::FuturesUnordered::from_iter([async { r#yield!() }]);
        futures::StreamExt::next(&mut set).await;
        Err("of the exit phase")
    }
    alone(|| {
        let bomb = Bomb;
        rescue::set_hook(move |_loss| {
            let _bomb = &bomb;
            rescue::set_hook(|_loss| {});
        });
        let notify = Arc::default();
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            drop_after(1, async { with!(waits(Arc::clone(&notify)) => pending::<()>().await) });
        }));
        assert!(dropped.is_ok());
        notify.notify_waiters();
        assert_eq!(Arc::strong_count(&notify), 1);
    });
}

/// Somebody else's manager, which waits for the same rescue.
#[test]
fn a_waker_that_panics_does_not_disturb_a_time_limit() {
    alone(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it starts");
        let ended = runtime.block_on(async {
            let (leave, is_left) = futures::channel::oneshot::channel();
            let mut stale = None;
            let drains = async {
                while rescue::pending().is_empty() {
                    tokio::task::yield_now().await;
                }
                stale = Some(drain_with(&Arc::new(Stale).into()));
                leave.send(()).expect("it waits");
            };
            let limited = async {
                with!(async_context_manager::timeout(Duration::from_millis(5)) => {
                    // The limit cannot stop what is in it, so that it is dropped and rescued.
                    let hidden = async { with!(held(is_left) => pending::<()>().await) };
                    FuturesUnordered::from_iter([hidden]).next().await;
                })
            };
            futures::join!(limited, drains).0
        });
        assert!(ended.is_err());
    });
}

#[test]
fn a_spawner_that_is_replaced_while_it_runs_may_panic_as_well() {
    let said = alone(|| {
        let bomb = Bomb;
        rescue::set_spawner(move |rescue| {
            let _bomb = &bomb;
            rescue::set_spawner(block_on_with_threads);
            drop(rescue);
            panic!("of the spawner");
        });
        let log = Log::new();
        drop_a_lease(&log);
        drain();
        assert_eq!(log.take().len(), 3);
    });
    assert!(said.contains("of the spawner") && said.contains("a bomb"), "{said}");
}

#[test]
fn a_panic_is_shown() {
    #[async_context_manager(shielded)]
    async fn panics(number: u8) {
        r#yield!();
        panic!("number {number}");
    }
    alone(|| {
        let losses = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&losses);
        rescue::set_hook(move |loss| told.lock().expect("nobody panics").push(loss.to_string()));
        drop_after(1, async { with!(panics(5) => pending::<()>().await) });
        drain();
        assert_eq!(*losses.lock().expect("nobody panics"), ["`panics` panicked after a cancellation: number 5"]);
    });
}
