//! Odd places for a `with!` to be dropped in.

use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;

use futures::FutureExt;
use tokio::runtime::{Builder, Runtime};

use super::*;

/// A runtime with one thread of that name.
fn runtime(name: &str) -> Runtime {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_time().build();
    runtime.expect("it starts")
}

/// A with! that waits in its block, which was entered on that.
fn entered_on(runtime: &Runtime, log: &Log) -> With {
    let _runtime = runtime.enter();
    entered(log)
}

#[test]
fn entered_on_one_runtime_and_dropped_on_another_it_is_left_on_the_first() {
    let (first, second) = (runtime("first"), runtime("second"));
    let log = Log::new();
    let with = entered_on(&first, &log);
    second.block_on(async { tokio::spawn(async { drop(with) }).await.expect("it does not panic") });
    drain();
    assert_eq!(log.take(), ["entered", "sees Cancelled", "left on first"]);
}

#[test]
fn dropped_on_a_plain_thread_it_is_left_on_its_runtime() {
    let runtime = runtime("first");
    let log = Log::new();
    let with = entered_on(&runtime, &log);
    thread::spawn(|| drop(with)).join().expect("it does not panic");
    drain();
    assert_eq!(log.take(), ["entered", "sees Cancelled", "left on first"]);
}

#[test]
fn entered_on_a_plain_thread_and_dropped_on_a_runtime_it_is_left_on_the_own_thread() {
    let log = Log::new();
    let with = entered(&log);
    runtime("second").block_on(async { drop(with) });
    drain();
    assert_eq!(log.take(), ["entered", "sees Cancelled", "left on rescue"]);
}

#[test]
fn where_its_runtime_is_gone_it_is_left_on_the_own_thread() {
    let log = Log::new();
    let first = runtime("first");
    let with = entered_on(&first, &log);
    drop(first);
    runtime("second").block_on(async { drop(with) });
    drain();
    assert_eq!(log.take(), ["entered", "sees Cancelled", "left on rescue"]);
}

#[test]
fn rescue_may_begin_at_the_end_of_a_thread() {
    thread_local! {
        static LAST: RefCell<Vec<With>> = const { RefCell::new(Vec::new()) };
    }
    let log = Log::new();
    let runtime = runtime("first");
    let inner = log.clone();
    let run = move || {
        // Its destructor is registered first, and runs last or first: so there is one before and after the crate's own.
        LAST.with_borrow_mut(|last| last.push(entered(&inner)));
        drop_a_lease(&inner);
        LAST.with_borrow_mut(|last| last.push(entered_on(&runtime, &inner)));
        runtime
    };
    let runtime = thread::spawn(run).join().expect("it does not panic");
    drain();
    drop(runtime);
    let events = log.take();
    let left = |name: &str| events.iter().filter(|event| **event == format!("left on {name}")).count();
    assert_eq!((left("rescue"), left("first")), (2, 1));
}

#[test]
fn rescue_with_others_in_its_block_may_begin_at_the_end_of_a_thread() {
    thread_local! {
        static LAST: RefCell<Option<With>> = const { RefCell::new(None) };
    }
    let log = Log::new();
    let inner = log.clone();
    let run = move || {
        let mut with: With = Box::pin(async move {
            with!(lease(inner.clone()) => with!(lease(inner) => pending::<()>().await));
        });
        for _ in 0..3 {
            assert!((&mut with).now_or_never().is_none());
        }
        LAST.with_borrow_mut(|last| *last = Some(with));
    };
    thread::spawn(run).join().expect("it does not panic");
    drain();
    let leaves = ["sees Cancelled", "left on rescue"];
    assert_eq!(log.take(), [&["entered", "entered"], &leaves[..], &leaves[..]].concat());
}

#[test]
fn rescue_may_begin_while_a_panic_unwinds() {
    let log = Log::new();
    let panicked = catch_unwind(|| {
        let _with = entered(&log);
        panic!("while it is there");
    });
    assert_eq!(tests::message(&*panicked.expect_err("it panics")), "while it is there");
    drain();
    assert_eq!(log.take(), ["entered", "sees Cancelled", "left on rescue"]);
}

#[test]
fn rescue_that_begins_while_a_panic_unwinds_may_panic() {
    #[async_context_manager(shielded)]
    async fn panics(log: Log) {
        let outcome = r#yield!();
        log.add(format!("sees {outcome:?}"));
        panic!("of the exit phase");
    }
    let log = Log::new();
    alone(|| {
        let panicked = catch_unwind(|| {
            let mut with = Box::pin(async { with!(panics(log.clone()) => pending::<()>().await) });
            assert!((&mut with).now_or_never().is_none());
            panic!("while it is there");
        });
        assert_eq!(tests::message(&*panicked.expect_err("it panics")), "while it is there");
        drain();
        assert_eq!(log.take(), ["sees Cancelled"]);
    });
}

#[test]
fn rescue_may_begin_in_the_block_of_a_manager_that_unwinds() {
    let log = Log::new();
    let panicked = catch_unwind(|| {
        block_on_with_threads(async {
            with!(lease(log.clone()) => {
                let _with = entered(&log);
                panic!("while it is there");
            });
        });
    });
    assert_eq!(tests::message(&*panicked.expect_err("it panics")), "while it is there");
    let left = format!("left on {}", here());
    assert_eq!(log.take(), ["entered", "entered", "sees Cancelled", "left on rescue", "sees Panicked", &left]);
}

#[test]
fn rescue_may_begin_in_another_rescue() {
    #[async_context_manager(shielded)]
    async fn outer(log: Log) {
        let outcome = r#yield!();
        log.add(format!("outer sees {outcome:?}"));
        drop(entered(&log));
        yields(1).await;
        log.add("outer left");
    }
    let log = Log::new();
    drop_after(1, async { with!(outer(log.clone()) => pending::<()>().await) });
    drain();
    let mut events = log.take();
    assert_eq!(events.remove(0), "outer sees Cancelled");
    events.sort();
    assert_eq!(events, ["entered", "left on rescue", "outer left", "sees Cancelled"]);
}

#[test]
fn rescue_may_begin_at_the_end_of_another_rescue() {
    #[async_context_manager(shielded)]
    async fn outer(log: Log) {
        let _inner = entered(&log);
        r#yield!();
        log.add("outer left");
    }
    let log = Log::new();
    drop_after(1, async { with!(outer(log.clone()) => pending::<()>().await) });
    drain();
    assert_eq!(log.take(), ["entered", "outer left", "sees Cancelled", "left on rescue"]);
}

#[test]
fn rescue_may_hold_a_local_that_is_not_sync() {
    #[async_context_manager(shielded)]
    async fn counts(log: Log, cell: Cell<u8>) -> Cell<u8> {
        r#yield!(Cell::new(cell.get()));
        cell.set(cell.get() + 1);
        yields(1).await;
        log.add(cell.get().to_string());
    }
    let log = Log::new();
    let mut with = Box::pin(async { with!(counts(log.clone(), Cell::new(5)) as _cell => pending::<()>().await) });
    assert!((&mut with).now_or_never().is_none());
    thread::scope(|threads| {
        threads.spawn(|| drop(with));
    });
    drain();
    assert_eq!(log.take(), ["6"]);
}

#[test]
fn manager_that_is_shielded_twice_is_rescued_once() {
    for polls in [1, 2] {
        let log = Log::new();
        drop_after(polls, async { with!(lease(log.clone()).shielded().shielded() => pending::<()>().await) });
        drain();
        assert_eq!(log.take(), ["entered", "sees Cancelled", "left on rescue"], "after {polls}");
    }
    let log = Log::new();
    assert_eq!(tests::block_on(async { with!(lease(log.clone()).shielded() => 5) }), 5);
    assert_eq!(log.take()[..2], ["entered", "sees Completed"]);
}

mod in_a_queue_that_polls_only_what_was_woken {
    use super::*;
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;

    #[async_context_manager(shielded)]
    async fn owning(log: Log) {
        let mut block: FuturesUnordered<_> = [async { r#yield!() }].into_iter().collect();
        let outcome = block.next().await.expect("there is one");
        log.add(format!("sees {outcome:?}"));
        yields(1).await;
        log.add("left");
    }

    #[async_context_manager(shielded)]
    async fn borrowing(log: Log) -> &String {
        let local = String::from("local");
        let mut block: FuturesUnordered<_> = [async { r#yield!(&local) }].into_iter().collect();
        let outcome = block.next().await.expect("there is one");
        log.add(format!("sees {outcome:?}"));
        yields(1).await;
        log.add("left");
    }

    #[test]
    fn marker_in_a_queue_is_woken_to_be_told() {
        let log = Log::new();
        drop_after(1, async { with!(owning(log.clone()) => pending::<()>().await) });
        block_on_with_threads(rescue::drain_timeout(LONG / 6)).expect("they end");
        assert_eq!(log.take(), ["sees Cancelled", "left"]);
    }

    #[test]
    fn marker_in_a_queue_that_lends_what_it_has_borrowed_is_woken_to_be_told() {
        let log = Log::new();
        drop_after(1, async { with!(borrowing(log.clone()) as _local => pending::<()>().await) });
        block_on_with_threads(rescue::drain_timeout(LONG / 6)).expect("they end");
        assert_eq!(log.take(), ["sees Cancelled", "left"]);
    }
}
