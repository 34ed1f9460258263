//! Combinators and executors between a scope and what is open in it: whether a stop passes through them.
//!
//! Those that poll their children by wakers of their own keep a stop out. What is in them is dropped with the block,
//! unless it is `graceful`.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use async_context_manager::{graceful, move_on_after};
use futures::future::{BoxFuture, join_all, select_all};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use tokio::task::{JoinSet, LocalSet};

use super::*;

/// How many of the resources in the future were left to the end by the time the scope ended.
async fn left<F: Future>(work: impl FnOnce(Trace) -> F) -> usize {
    let trace = Trace::new();
    assert!(with!(move_on_after(10 * MS) => work(trace.clone()).await).is_none());
    let events = trace.take();
    let (told, left): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.starts_with("10 "));
    assert!(told.iter().all(|event| event == "10 a Cancelled"), "{told:?}");
    assert!(left.iter().all(|event| event == "15 -a"), "{left:?}");
    left.len()
}

/// So many futures that wait in a resource.
fn many(trace: Trace, count: usize) -> impl Iterator<Item = impl Future<Output = ()> + Send> {
    (0..count).map(move |_| owns(trace.clone(), "a"))
}

/// The same, and each is left though it is dropped.
fn many_graceful(trace: Trace, count: usize) -> impl Iterator<Item = impl Future<Output = ()> + Send + Unpin> {
    many(trace, count).map(graceful)
}

mod stop_reaches {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn join_of_tokio() {
        assert_eq!(left(async |trace| tokio::join!(holds(&trace, "a"), holds(&trace, "a"))).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn join_of_futures() {
        assert_eq!(left(async |trace| futures::join!(holds(&trace, "a"), holds(&trace, "a"))).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn try_join_of_tokio() {
        let waits = async |trace: &Trace| {
            holds(trace, "a").await;
            Ok::<_, ()>(())
        };
        assert_eq!(left(async |trace| tokio::try_join!(waits(&trace), waits(&trace))).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn try_join_of_futures() {
        let waits = async |trace: &Trace| {
            holds(trace, "a").await;
            Ok::<_, ()>(())
        };
        assert_eq!(left(async |trace| futures::try_join!(waits(&trace), waits(&trace))).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn select_of_tokio() {
        let selects = async |trace: Trace| {
            tokio::select! {
                () = holds(&trace, "a") => {}
                () = holds(&trace, "a") => {}
            }
        };
        assert_eq!(left(selects).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn select_of_futures() {
        let selects = async |trace: Trace| {
            futures::select_biased! {
                () = pin!(holds(&trace, "a").fuse()) => {}
                () = pin!(holds(&trace, "a").fuse()) => {}
            }
        };
        assert_eq!(left(selects).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn select_all_of_futures() {
        assert_eq!(left(async |trace| select_all(many(trace, 3).map(Box::pin)).await.0).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn join_all_of_few() {
        assert_eq!(left(async |trace| join_all(many(trace, 30)).await).await, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn time_limit_of_tokio() {
        assert_eq!(left(async |trace| tokio::time::timeout(LONG, holds(&trace, "a")).await).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn unconstrained() {
        assert_eq!(left(async |trace| tokio::task::unconstrained(holds(&trace, "a")).await).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn boxed_future() {
        let boxed = async |trace| {
            let boxed: BoxFuture<'_, ()> = Box::pin(owns(trace, "a"));
            boxed.await;
        };
        assert_eq!(left(boxed).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn abortable() {
        assert_eq!(left(async |trace| futures::future::abortable(holds(&trace, "a")).0.await).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn remote_handle() {
        let remote = async |trace| {
            let (remote, handle) = owns(trace, "a").remote_handle();
            tokio::join!(remote, handle)
        };
        assert_eq!(left(remote).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn catch_unwind() {
        assert_eq!(left(async |trace| AssertUnwindSafe(holds(&trace, "a")).catch_unwind().await.ok()).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_item_of_a_stream() {
        let items = async |trace| stream::iter(many(trace, 3)).then(|child| child).collect::<Vec<_>>().await;
        assert_eq!(left(items).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn generated_stream() {
        let items = async |trace: Trace| {
            let items = async_stream::stream! {
                holds(&trace, "a").await;
                yield 1;
            };
            pin!(items).next().await
        };
        assert_eq!(left(items).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn generated_stream_that_is_between_two_items() {
        let items = async |trace: Trace| {
            let items = async_stream::stream! {
                with!(resource(&trace, "a") => {
                    sleep(LONG).await;
                });
                yield 1;
            };
            let mut items = pin!(items);
            tokio::join!(items.next(), sleep(LONG))
        };
        assert_eq!(left(items).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn future_of_a_local_set() {
        assert_eq!(left(async |trace| LocalSet::new().run_until(holds(&trace, "a")).await).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn graceful_child() {
        assert_eq!(left(async |trace| graceful(owns(trace, "a")).await).await, 1);
    }
}

/// What is in these is dropped with the block: it is told, and its exit phase ends at the first `.await`.
mod stop_does_not_reach {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn join_all_of_many() {
        assert_eq!(left(async |trace| join_all(many(trace, 40)).await).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn futures_unordered() {
        let all = async |trace| many(trace, 3).collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await;
        assert_eq!(left(all).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn buffer_unordered() {
        let all = async |trace| stream::iter(many(trace, 3)).buffer_unordered(8).collect::<Vec<_>>().await;
        assert_eq!(left(all).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn for_each_concurrent() {
        let all = async |trace| stream::iter(many(trace, 3)).for_each_concurrent(8, |child| child).await;
        assert_eq!(left(all).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn shared() {
        assert_eq!(left(async |trace| owns(trace, "a").shared().await).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn spawned_task() {
        // It belongs to the runtime, and goes on.
        assert_eq!(left(async |trace| tokio::spawn(owns(trace, "a")).await.is_ok()).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn join_set() {
        let all = async |trace| {
            let mut set = many(trace, 3).collect::<JoinSet<_>>();
            set.join_next().await.is_some_and(|joined| joined.is_ok())
        };
        assert_eq!(left(all).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn task_of_a_local_set() {
        let local = async |trace| {
            let set = LocalSet::new();
            set.spawn_local(owns(trace, "a"));
            set.await;
        };
        assert_eq!(left(local).await, 0);
    }
}

mod graceful_is_left_in {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn join_all_of_many() {
        assert_eq!(left(async |trace| join_all(many_graceful(trace, 40)).await).await, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn futures_unordered() {
        let all = async |trace| many_graceful(trace, 3).collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await;
        assert_eq!(left(all).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn buffer_unordered() {
        let all = async |trace| stream::iter(many_graceful(trace, 3)).buffer_unordered(8).collect::<Vec<_>>().await;
        assert_eq!(left(all).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn for_each_concurrent() {
        let all = async |trace| stream::iter(many_graceful(trace, 3)).for_each_concurrent(8, |child| child).await;
        assert_eq!(left(all).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn shared() {
        assert_eq!(left(async |trace| graceful(owns(trace, "a")).shared().await).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn task_of_a_local_set() {
        let local = async |trace| {
            let set = LocalSet::new();
            set.spawn_local(graceful(owns(trace, "a")));
            set.await;
        };
        assert_eq!(left(local).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn join_set_though_nobody_waits() {
        let trace = Trace::new();
        let value = with!(move_on_after(10 * MS) => {
            let mut set = many_graceful(trace.clone(), 2).collect::<JoinSet<_>>();
            set.join_next().await.is_some_and(|joined| joined.is_ok())
        });
        trace.add(format!("{value:?}"));
        sleep(LONG).await;
        assert_eq!(trace.take(), ["10 None", "10 a Cancelled", "10 a Cancelled", "15 -a", "15 -a"]);
    }
}
