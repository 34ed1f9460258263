//! Executors that run in a block, in a destructor, or in an exit phase, and what they wait for.

use std::sync::Arc;

use async_context_manager::{AsyncExitStack, timeout};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::*;

const MS: Duration = Duration::from_millis(1);

#[async_context_manager(shielded)]
async fn connection(pool: Arc<Semaphore>) {
    pool.acquire().await.expect("it is open").forget();
    r#yield!();
    sleep(MS).await;
    pool.add_permits(1);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("it starts")
}

/// Times out a shielded manager, and waits for its connection.
async fn time_out() {
    let pool = Arc::new(Semaphore::new(1));
    let limited = tokio::time::timeout(5 * MS, async { with!(connection(pool.clone()) => pending::<()>().await) });
    limited.await.expect_err("it does not end");
    drop(pool.acquire().await.expect("it is open"));
    rescue::drain_timeout(LONG).await.expect("it ends");
}

/// Does that where it is dropped.
struct Client;

impl Drop for Client {
    fn drop(&mut self) {
        block_in_place(|| Handle::current().block_on(time_out()));
    }
}

#[async_context_manager]
async fn plain() {
    r#yield!();
    yields(1).await;
}

/// On a worker, which `block_in_place` needs.
fn on_a_worker(work: impl Future<Output = ()> + Send + 'static) {
    runtime().block_on(async {
        tokio::time::timeout(LONG, tokio::spawn(work)).await.expect("it ends").expect("it does not panic");
        rescue::drain().await;
    });
}

#[test]
fn in_the_block_of_a_shielded_manager() {
    alone(|| {
        on_a_worker(async {
            with!(lease(Log::new()) => block_in_place(|| Handle::current().block_on(time_out())));
        });
    });
}

#[test]
fn in_a_destructor_in_a_block_that_is_dropped() {
    alone(|| {
        on_a_worker(async {
            drop_after(1, async {
                with!(plain() => {
                    let _client = Client;
                    pending::<()>().await;
                });
            });
            let log = Log::new();
            drop_after(2, async {
                with!(lease(log.clone()) => {
                    let _client = Client;
                    pending::<()>().await;
                });
            });
            rescue::drain().await;
            assert_eq!(log.take().len(), 3);
        });
    });
}

#[test]
fn in_a_destructor_while_a_panic_unwinds() {
    alone(|| {
        let unwinds = std::panic::catch_unwind(|| {
            on_a_worker(async {
                with!(lease(Log::new()) => {
                    let _client = Client;
                    panic!("while it is there");
                });
            });
        });
        assert!(unwinds.is_err());
    });
}

/// A rescue on a stack, on a runtime that an exit phase which runs in place drives.
#[test]
fn in_an_exit_phase_that_runs_in_place_what_it_drives_is_not_cut() {
    #[async_context_manager]
    async fn worker(log: Log, name: &'static str) {
        r#yield!();
        yields(1).await;
        log.add(format!("{name} left"));
    }
    #[async_context_manager(shielded)]
    async fn workers(log: Log) {
        let stack = AsyncExitStack::<std::convert::Infallible>::new();
        let _never = with!(stack as stack => {
            stack.enter(worker(log.clone(), "first")).await;
            stack.enter(worker(log.clone(), "second")).await;
            r#yield!();
        });
    }
    #[async_context_manager]
    async fn client(runtime: Runtime) {
        r#yield!();
        runtime.block_on(async {
            while !rescue::pending().is_empty() {
                tokio::task::yield_now().await;
            }
        });
        std::mem::forget(runtime);
    }
    alone(|| {
        let log = Log::new();
        let runtime = Builder::new_current_thread().build().expect("it starts");
        {
            let _runtime = runtime.enter();
            drop_after(1, async { with!(workers(log.clone()) => pending::<()>().await) });
        }
        drop_after(1, async { with!(client(runtime) => pending::<()>().await) });
        assert_eq!(log.take(), ["second left", "first left"]);
    });
}

#[test]
fn in_a_cleanup_on_the_own_threads_it_may_block() {
    #[async_context_manager(shielded)]
    async fn blocks(log: Log) {
        r#yield!();
        block_in_place(|| runtime().block_on(sleep(MS)));
        sleep(MS).await;
        log.add("left");
    }
    alone(|| {
        let log = Log::new();
        drop_after(1, async { with!(blocks(log.clone()) => pending::<()>().await) });
        drain();
        assert_eq!(log.take(), ["left"]);
    });
}

#[test]
fn a_cleanup_that_blocks_does_not_hold_up_the_others() {
    #[async_context_manager(shielded)]
    async fn blocks(until: std::sync::mpsc::Receiver<()>) {
        r#yield!();
        wait_for(&until);
    }
    alone(|| {
        let log = Log::new();
        let (done, is_done) = std::sync::mpsc::channel();
        drop_after(1, async { with!(blocks(is_done) => pending::<()>().await) });
        for _ in 0..100 {
            drop_a_lease(&log);
        }
        while log.len() < 300 {
            thread::yield_now();
        }
        assert_eq!(rescue::drain_timeout(Duration::ZERO).now_or_never().map(|left| left.is_err()), Some(true));
        done.send(()).expect("it waits");
        drain();
    });
}

#[test]
fn a_time_limit_in_a_block_that_is_driven_by_hand() {
    alone(|| {
        on_a_worker(async {
            let limited = with!(timeout(5 * MS) => {
                block_in_place(|| Handle::current().block_on(time_out()));
                pending::<()>().await;
            });
            assert!(limited.is_err());
        });
    });
}

#[test]
fn a_rescue_is_not_polled_by_the_block_that_it_began_in() {
    #[async_context_manager(shielded)]
    async fn counts(polls: Arc<std::sync::atomic::AtomicUsize>, leave: futures::channel::oneshot::Receiver<()>) {
        r#yield!();
        let mut leave = std::pin::pin!(leave);
        poll_fn(|cx| {
            polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            leave.as_mut().poll(cx)
        })
        .await
        .expect("the test says so");
    }
    let polls = Arc::default();
    block_on_with_threads(async {
        with!(lease(Log::new()) => {
            let (leave, is_left) = futures::channel::oneshot::channel();
            drop_after(1, async { with!(counts(Arc::clone(&polls), is_left) => pending::<()>().await) });
            yields(1_000).await;
            leave.send(()).expect("it waits");
        });
    });
    assert!(polls.load(std::sync::atomic::Ordering::SeqCst) <= 2);
}

#[async_context_manager]
async fn ordinary(log: Log, name: &'static str) {
    r#yield!();
    yields(1).await;
    log.add(format!("{name} left"));
}

/// Sees the error of its block, and the stack sees that it has gone.
#[async_context_manager(catch, suppress)]
async fn catches(log: Log) -> Result<(), u8> {
    let stack = AsyncExitStack::<u8>::new();
    with!(stack as stack => {
        stack.enter(ordinary(log.clone(), "first")).await;
        stack.enter(ordinary(log.clone(), "second")).await;
        r#yield!();
    })
    .map(|_left| ())
}

/// Drives something that has nothing to do with it.
async fn drive(log: &Log) {
    let ended = async {
        with!(catches(log.clone()) => {
            yields(1).await;
            Err::<(), u8>(5)?;
        })
    };
    log.add(format!("{:?}", ended.await));
}

#[test]
fn in_an_exit_phase_that_runs_in_place_a_stack_is_left_to_its_end() {
    #[async_context_manager]
    async fn client(log: Log) {
        r#yield!();
        tests::block_on(drive(&log));
    }
    let log = Log::new();
    drop_after(1, async { with!(client(log.clone()) => pending::<()>().await) });
    assert_eq!(log.take(), ["second left", "first left", "Ok(None)"]);
}

/// Polls what is rescued, with the waker that it is polled with itself.
#[test]
fn in_an_exit_phase_that_polls_a_rescue_that_is_left_to_its_end() {
    #[async_context_manager(shielded)]
    async fn workers(log: Log) {
        let stack = AsyncExitStack::<std::convert::Infallible>::new();
        let _never = with!(stack as stack => {
            stack.enter(ordinary(log.clone(), "first")).await;
            stack.enter(ordinary(log.clone(), "second")).await;
            r#yield!();
        });
    }
    #[async_context_manager]
    async fn polls(queue: std::sync::mpsc::Receiver<rescue::Rescue>) {
        r#yield!();
        let mut rescue = queue.recv().expect("there is one");
        poll_fn(|cx| {
            while Pin::new(&mut rescue).poll(cx).is_pending() {}
            Poll::Ready(())
        })
        .await;
    }
    alone(|| {
        let (sender, queue) = std::sync::mpsc::channel();
        rescue::set_spawner(move |rescue| drop(sender.send(rescue)));
        let log = Log::new();
        drop_after(1, async { with!(workers(log.clone()) => pending::<()>().await) });
        drop_after(1, async { with!(polls(queue) => pending::<()>().await) });
        assert_eq!(log.take(), ["second left", "first left"]);
    });
}
