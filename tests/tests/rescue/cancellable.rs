//! Enter phases that wait for something, and what is given up of them.

use std::sync::Arc;

use async_context_manager::rescue::cancellable;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Barrier, Semaphore};
use tokio::time::{sleep, timeout};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A pool of connections, as they are: one waits for a connection as long as it takes.
type Pool = Arc<Semaphore>;

fn pool(connections: usize) -> Pool {
    Arc::new(Semaphore::new(connections))
}

/// Gets a connection, wherever it is called.
async fn get(pool: &Pool) {
    cancellable(pool.acquire()).await.expect("it is open").forget();
}

/// Gives it back at last.
#[async_context_manager(shielded)]
async fn transaction(pool: Pool) {
    get(&pool).await;
    sleep(MS).await; // begins
    r#yield!();
    sleep(MS).await; // ends
    pool.add_permits(1);
}

/// The same, but that the waiting has to be finished.
#[async_context_manager(shielded)]
async fn patient(pool: Pool) {
    pool.acquire().await.expect("it is open").forget();
    r#yield!();
    sleep(MS).await;
    pool.add_permits(1);
}

/// Books, and writes the audit log in a transaction of its own, which may be left out when the database is busy. It is, as
/// both book at once.
async fn book(pool: Pool, both: Arc<Barrier>) -> bool {
    with!(transaction(pool.clone()) => {
        both.wait().await;
        timeout(20 * MS, async { with!(transaction(pool.clone()) => ()) }).await.is_ok()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_want_a_second_connection_of_two_both_end() {
    let (pool, barrier) = (pool(2), Arc::new(Barrier::new(2)));
    let both: Vec<_> = (0..2).map(|_| tokio::spawn(book(pool.clone(), barrier.clone()))).collect();
    for booked in both {
        timeout(LONG, booked).await.expect("it ends").expect("it does not panic");
    }
    rescue::drain().await;
    assert_eq!(pool.available_permits(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_exit_phase_does_not_wait_for_one_that_has_not_entered() {
    let pool = pool(1);
    let inner = pool.clone();
    let work = async move {
        with!(patient(inner.clone()) => {
            let second = async { with!(patient(inner.clone()) => ()) };
            assert!(timeout(5 * MS, second).await.is_err());
        });
    };
    timeout(LONG, work).await.expect("it ends");
    rescue::drain().await;
    assert_eq!(pool.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn time_limit_and_group_do_not_wait_for_one_that_has_not_entered() {
    let pool = pool(0);
    let inner = pool.clone();
    let work = async move {
        let limited = with!(async_context_manager::timeout(5 * MS) => with!(patient(inner.clone()) => ()));
        assert!(limited.is_err());
        let group = with!(async_context_manager::task_group() as group => {
            group.spawn(async move {
                with!(patient(inner) => ());
                Ok(())
            });
            group.spawn(async {
                sleep(5 * MS).await;
                Err::<(), _>(5)
            });
        });
        assert!(group.is_err());
    };
    timeout(LONG, work).await.expect("it ends");
    pool.add_permits(1);
    rescue::drain().await;
}

/// Is dropped while it waits: whether nothing is left of it, or it gets a permit that nobody wants.
fn is_given_up<F: Future<Output = ()> + Send + 'static>(pool: &Pool, with: F) -> bool {
    let mut with = Box::pin(with);
    for _ in 0..3 {
        assert!((&mut with).now_or_never().is_none());
    }
    drop(with);
    pool.add_permits(1);
    let is_given_up = rescue::pending().is_empty();
    drain();
    assert_eq!(pool.available_permits(), 1, "a permit is lost");
    is_given_up
}

#[test]
fn cancellable_is_given_up_wherever_the_enter_phase_has_it() {
    #[async_context_manager(shielded)]
    async fn made(pool: Pool) {
        with!(transaction(pool) => r#yield!());
    }
    #[async_context_manager]
    async fn plain(pool: Pool) {
        get(&pool).await;
        r#yield!();
        pool.add_permits(1);
    }
    #[async_context_manager(shielded)]
    async fn made_of_plain(pool: Pool) {
        with!(plain(pool) => r#yield!());
    }
    #[async_context_manager(shielded)]
    async fn in_a_block(pool: Pool, log: Log) {
        with!(lease(log) => {
            get(&pool).await;
            r#yield!();
        });
        pool.add_permits(1);
    }
    #[async_context_manager(shielded)]
    async fn in_a_limit(pool: Pool) {
        let limited = futures::future::select(Box::pin(get(&pool)), pending::<()>());
        limited.await;
        r#yield!();
        pool.add_permits(1);
    }
    alone(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it starts");
        let _runtime = runtime.enter();
        let p = pool(0);
        let q = p.clone();
        assert!(is_given_up(&p, async move { with!(transaction(q) => ()) }));
        let (p, log) = (pool(0), Log::new());
        for _ in 0..3 {
            let q = p.clone();
            assert!(is_given_up(&p, async move { with!(made(q) => ()) }));
            p.forget_permits(1);
            let q = p.clone();
            assert!(is_given_up(&p, async move { with!(made_of_plain(q) => ()) }));
            p.forget_permits(1);
            let q = p.clone();
            assert!(is_given_up(&p, async move { with!(transaction(q).shielded() => ()) }));
            p.forget_permits(1);
            let q = p.clone();
            assert!(is_given_up(&p, async move { with!(in_a_limit(q) => ()) }));
            p.forget_permits(1);
        }
        let (q, inner) = (p.clone(), log.clone());
        drop_after(3, async { with!(in_a_block(q, inner) => ()) });
        runtime.block_on(rescue::drain());
        assert_eq!(log.take().last().map(String::as_str), Some(&*format!("left on {}", here())));
        assert_eq!(p.available_permits(), 0);
    });
}

#[test]
fn enter_phase_that_is_dropped_before_a_cancellable_ends_at_it() {
    #[async_context_manager(shielded)]
    async fn late(log: Log) {
        let _local = log.on_drop("given up");
        yields(3).await;
        log.add("waits");
        cancellable(pending::<()>()).await;
        r#yield!();
    }
    alone(|| {
        let log = Log::new();
        drop_after(1, async { with!(late(log.clone()) => ()) });
        drain();
        assert_eq!(log.take(), ["waits", "given up"]);
    });
}

#[test]
fn cancellable_that_is_ready_at_once_is_not_given_up() {
    #[async_context_manager(shielded)]
    async fn ready(log: Log) {
        yields(2).await;
        cancellable(async {}).await;
        log.add("entered");
        yields(1).await;
        log.add(format!("{:?}", r#yield!()));
    }
    let log = Log::new();
    drop_after(1, async { with!(ready(log.clone()) => ()) });
    drain();
    assert_eq!(log.take(), ["entered", "Cancelled"]);
}

#[test]
fn enter_phase_is_finished_once_its_cancellable_has_been_passed() {
    #[async_context_manager(shielded)]
    async fn passes(log: Log) {
        cancellable(yields(1)).await;
        yields(3).await;
        log.add("entered");
        r#yield!();
        log.add("left");
    }
    let log = Log::new();
    drop_after(2, async { with!(passes(log.clone()) => ()) });
    drain();
    assert_eq!(log.take(), ["entered", "left"]);
}

#[test]
fn cancellable_in_the_block_and_the_exit_phase_only_awaits() {
    #[async_context_manager(shielded)]
    async fn leaves(log: Log) {
        r#yield!();
        cancellable(yields(3)).await;
        log.add("left");
    }
    let log = Log::new();
    drop_after(1, async { with!(leaves(log.clone()) => cancellable(pending::<()>()).await) });
    drop_after(2, async { with!(leaves(log.clone()) => yields(1).await) });
    drain();
    assert_eq!(log.take(), ["left", "left"]);
    assert_eq!(tests::block_on(cancellable(async { 5 })), 5);
}

#[test]
fn cancellable_that_an_executor_in_the_enter_phase_has_ended_is_not_counted() {
    #[async_context_manager(shielded)]
    async fn nested(log: Log) {
        tests::block_on(cancellable(yields(2)));
        yields(3).await;
        log.add("entered");
        r#yield!();
    }
    let log = Log::new();
    drop_after(1, async { with!(nested(log.clone()) => ()) });
    drain();
    assert_eq!(log.take(), ["entered"]);
}

#[test]
fn cancellable_that_is_not_polled_by_the_manager_is_not_given_up() {
    #[async_context_manager(shielded)]
    async fn unordered(log: Log, open: futures::channel::oneshot::Receiver<()>) {
        let mut all: FuturesUnordered<_> = [cancellable(open)].into_iter().collect();
        futures::join!(all.next(), yields(3)).0.expect("there is one").expect("it opens");
        log.add("entered");
        r#yield!();
    }
    let log = Log::new();
    let (open, opens) = futures::channel::oneshot::channel();
    drop_after(2, async { with!(unordered(log.clone(), opens) => ()) });
    open.send(()).expect("it waits");
    drain();
    assert_eq!(log.take(), ["entered"]);
}

/// Entered by others, and given up there.
#[async_context_manager(shielded)]
async fn waits(pool: Pool) {
    get(&pool).await;
    r#yield!();
}

/// Enters that for as long as nothing else is ready, and has something to finish then.
#[async_context_manager(shielded)]
async fn tries(log: Log) {
    tokio::select! {
        biased;
        () = async { with!(waits(pool(0)) => ()) } => unreachable!("there is none"),
        () = async {} => {}
    }
    log.add("begun");
    yields(1).await;
    r#yield!();
    log.add("ended");
}

#[test]
fn a_manager_that_was_tried_and_dropped_in_the_same_poll_is_not_counted() {
    let log = Log::new();
    drop_after(1, async { with!(tries(log.clone()) => ()) });
    drain();
    assert_eq!(log.take(), ["begun", "ended"]);
}

#[test]
fn a_manager_that_was_entered_and_dropped_in_the_enter_phase_is_not_counted() {
    #[async_context_manager(shielded)]
    async fn enters(log: Log) {
        tokio::select! {
            biased;
            () = async { with!(lease(log.clone()), waits(pool(0)) => ()) } => unreachable!("there is none"),
            () = yields(1) => {}
        }
        log.add("begun");
        yields(1).await;
        r#yield!();
        log.add("ended");
    }
    let log = Log::new();
    drop_after(2, async { with!(enters(log.clone()) => ()) });
    drain();
    let events = log.take();
    assert!(events.contains(&"begun".to_string()) && events.contains(&"ended".to_string()), "{events:?}");
}

/// A set polls what was woken at once, so the manager is polled twice in one poll.
#[test]
fn a_manager_that_waits_no_more_at_the_end_of_a_poll_is_not_counted() {
    #[async_context_manager(shielded)]
    async fn passes() {
        cancellable(yields(1)).await;
        r#yield!();
    }
    #[async_context_manager(shielded)]
    async fn polls_twice(log: Log) {
        let mut inner = std::pin::pin!(async { with!(passes() => ()) });
        poll_fn(|cx| {
            assert!(inner.as_mut().poll(cx).is_pending());
            inner.as_mut().poll(cx)
        })
        .await;
        log.add("begun");
        yields(1).await;
        r#yield!();
        log.add("ended");
    }
    let log = Log::new();
    drop_after(1, async { with!(polls_twice(log.clone()) => ()) });
    drain();
    assert_eq!(log.take(), ["begun", "ended"]);
}

#[test]
fn a_task_that_an_executor_in_the_enter_phase_polls_is_not_counted() {
    #[async_context_manager(shielded)]
    async fn drives(log: Log, others: tokio::runtime::Runtime) {
        others.block_on(yields(2));
        log.add("begun");
        yields(1).await;
        r#yield!();
        log.add("ended");
    }
    let others = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    others.spawn(cancellable(pending::<()>()));
    let log = Log::new();
    drop_after(1, async { with!(drives(log.clone(), others) => ()) });
    drain();
    assert_eq!(log.take(), ["begun", "ended"]);
}
