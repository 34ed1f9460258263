//! What is left when a block is dropped does not depend on how busy that was: tokio gives a task a budget, and makes
//! what is ready look pending when it is used up.

use tokio::sync::mpsc::unbounded_channel;

use super::super::*;

/// A lock that is free.
type Free = Arc<tokio::sync::Mutex<u32>>;

/// Uses up the budget of the task, and is pending.
async fn busy() {
    let (sender, mut receiver) = unbounded_channel();
    (0..10_000).for_each(|n| sender.send(n).expect("it is open"));
    while receiver.recv().await.is_some() {}
    unreachable!("it is dropped before");
}

async fn work(is_busy: bool) {
    if is_busy { busy().await } else { pending().await }
}

/// What `task` does when it is dropped in the poll that has used the budget up, or in one that has not: the same.
#[track_caller]
fn the_same<F: Future>(task: impl Fn(Log, bool) -> F, expected: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    for is_busy in [false, true] {
        let log = Log::new();
        runtime.block_on(async {
            let mut task = Box::pin(task(log.clone(), is_busy));
            assert!(task.as_mut().now_or_never().is_none(), "it waits");
            drop(task);
        });
        runtime.block_on(rescue::drain());
        assert_eq!(log.take(), expected, "busy: {is_busy}");
    }
}

/// Takes a free lock in its exit phase, and waits then.
async fn leave(log: &Log, free: &Free) {
    *free.lock().await += 1;
    log.add("rolled back");
    tokio::task::yield_now().await;
    log.add("given back");
}

/// A manager with its marker in something.
macro_rules! manager {
    ($name:ident $(($($option:tt)*))?, $outcome:expr) => {
        #[async_context_manager$(($($option)*))?]
        async fn $name(log: Log, free: Free) {
            let outcome = $outcome;
            log.add(format!("exit {outcome:?}"));
            leave(&log, &free).await;
        }
    };
    ($name:ident $(($($option:tt)*))?, &$value:ident, $outcome:expr) => {
        #[async_context_manager$(($($option)*))?]
        async fn $name(log: Log, free: Free) -> &u32 {
            let $value = 1;
            let outcome = $outcome;
            log.add(format!("exit {outcome:?}"));
            leave(&log, &free).await;
        }
    };
}

manager!(plain, r#yield!());
manager!(
    selects,
    tokio::select! {
        outcome = async { r#yield!() } => outcome,
        () = pending() => unreachable!(),
    }
);
manager!(
    selects_in_order,
    tokio::select! {
        biased;
        () = pending() => unreachable!(),
        outcome = async { r#yield!() } => outcome,
    }
);
manager!(selects_with_futures, {
    let mut block = std::pin::pin!(async { r#yield!() }.fuse());
    futures::select! {
        outcome = block => outcome,
        () = futures::future::pending() => unreachable!(),
    }
});
manager!(joins, tokio::join!(async { r#yield!() }, async {}).0);
manager!(limits, tokio::time::timeout(std::time::Duration::MAX, async { r#yield!() }).await.expect("it ends"));
manager!(in_a_set, {
    let mut set = FuturesUnordered::from_iter([async { r#yield!() }]);
    set.next().await.expect("there is one")
});
manager!(shielded(shielded), &value, r#yield!(&value));
manager!(
    shielded_selects(shielded),
    &value,
    tokio::select! {
        outcome = async { r#yield!(&value) } => outcome,
        () = pending() => unreachable!(),
    }
);
manager!(
    shielded_selects_in_order(shielded),
    &value,
    tokio::select! {
        biased;
        () = pending() => unreachable!(),
        outcome = async { r#yield!(&value) } => outcome,
    }
);
manager!(shielded_selects_with_futures(shielded), &value, {
    let mut block = std::pin::pin!(async { r#yield!(&value) }.fuse());
    futures::select! {
        outcome = block => outcome,
        () = futures::future::pending() => unreachable!(),
    }
});
manager!(
    shielded_selects_nothing(shielded),
    tokio::select! {
        outcome = async { r#yield!() } => outcome,
        () = pending() => unreachable!(),
    }
);
manager!(shielded_in_a_set(shielded), &value, {
    let mut set = FuturesUnordered::from_iter([async { r#yield!(&value) }]);
    set.next().await.expect("there is one")
});

/// Calls a macro with the managers that are not shielded, and with what each logs.
macro_rules! plain_ones {
    ($check:ident) => {
        $check!(plain, selects, selects_in_order, selects_with_futures, joins, in_a_set =>
            ["exit Cancelled", "rolled back"])
    };
}

/// Calls a macro with the shielded managers, and with what each logs.
macro_rules! shielded_ones {
    ($check:ident) => {
        $check!(
            shielded,
            shielded_selects,
            shielded_selects_in_order,
            shielded_selects_with_futures,
            shielded_selects_nothing,
            shielded_in_a_set => ["exit Cancelled", "rolled back", "given back"]
        )
    };
}

macro_rules! the_same {
    ($($manager:ident),* => $expected:expr) => {
        $({
            let task = |log, is_busy| async move {
                with!($manager(log, Free::default()) as _value => work(is_busy).await);
            };
            the_same(task, &$expected);
        })*
    };
}

#[test]
fn plain_manager_is_not_bound_by_the_budget_in_a_drop() {
    plain_ones!(the_same);
}

#[test]
fn manager_with_a_time_limit_is_not_bound_by_the_budget_in_a_drop() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it starts");
    let _time = runtime.enter();
    for is_busy in [false, true] {
        let log = Log::new();
        runtime.block_on(async {
            let mut task = Box::pin(async { with!(limits(log.clone(), Free::default()) => work(is_busy).await) });
            assert!(task.as_mut().now_or_never().is_none(), "it waits");
            drop(task);
        });
        assert_eq!(log.take(), ["exit Cancelled", "rolled back"], "busy: {is_busy}");
    }
}

#[test]
fn shielded_manager_is_not_bound_by_the_budget_in_a_drop() {
    shielded_ones!(the_same);
}

#[test]
fn nested_managers_are_not_bound_by_the_budget_in_a_drop() {
    let task = |log: Log, is_busy| async move {
        let free = Free::default();
        with!(selects(log.clone(), free.clone()), plain(log.clone(), free.clone()), selects_in_order(log, free) => {
            work(is_busy).await;
        });
    };
    let one = ["exit Cancelled", "rolled back"];
    the_same(task, &[one, one, one].concat());
}

#[test]
fn composed_managers_are_not_bound_by_the_budget_in_a_drop() {
    #[async_context_manager]
    async fn composed(log: Log, free: Free) {
        with!(selects(log.clone(), free.clone()) => { r#yield!(); });
        log.add("after");
        leave(&log, &free).await;
    }
    let task = |log: Log, is_busy| async move { with!(composed(log, Free::default()) => work(is_busy).await) };
    the_same(task, &["exit Cancelled", "rolled back"]);
}

/// Three callbacks that take a free lock.
async fn stack(log: Log, is_busy: bool) {
    let free = Free::default();
    let with = async {
        with!(AsyncExitStack::<std::convert::Infallible>::new() as stack => {
            for n in 0..3 {
                let (log, free) = (log.clone(), free.clone());
                stack.callback(async move || {
                    *free.lock().await += 1;
                    log.add(format!("callback {n}"));
                });
            }
            work(is_busy).await;
        })
    };
    let Ok(()) = with.await;
}

#[test]
fn managers_on_a_stack_are_not_bound_by_the_budget_in_a_drop() {
    the_same(stack, &["callback 2", "callback 1", "callback 0"]);
}

#[test]
fn managers_on_a_stack_that_is_kept_are_not_bound_by_the_budget_in_a_drop() {
    let task = |log: Log, is_busy| async move {
        let stack = AsyncExitStack::<std::convert::Infallible>::new();
        let free = Free::default();
        let _value = stack.enter(shielded_selects_nothing(log.clone(), free.clone())).await;
        stack.enter(plain(log, free)).await;
        work(is_busy).await;
    };
    the_same(task, &["exit Cancelled", "rolled back", "exit Cancelled", "rolled back", "given back"]);
}

/// Dropped while it leaves: what it waits for it is not given, but those around it are left.
#[test]
fn manager_around_an_exit_phase_is_not_bound_by_the_budget_in_a_drop() {
    #[async_context_manager]
    async fn busy_in_leaving(is_busy: bool) {
        r#yield!();
        work(is_busy).await;
    }
    let task = |log: Log, is_busy| async move {
        with!(plain(log, Free::default()), busy_in_leaving(is_busy) => ());
    };
    the_same(task, &["exit Cancelled", "rolled back"]);
}

/// The block receives many messages. The `select!` around it stops it in the poll in which it uses up the budget.
#[test]
fn manager_in_a_select_is_not_bound_by_the_budget_in_a_drop() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    for count in [10, 200] {
        let log = Log::new();
        runtime.block_on(async {
            let (sender, mut receiver) = unbounded_channel();
            (0..count).for_each(|n| sender.send(n).expect("it is open"));
            let stop = Notify::new();
            tokio::select! {
                biased;
                () = async {
                    with!(plain(log.clone(), Free::default()) => {
                        while let Some(n) = receiver.recv().await {
                            if n == 5 {
                                stop.notify_one();
                            }
                        }
                    });
                } => {}
                () = stop.notified() => {}
            }
        });
        assert_eq!(log.take(), ["exit Cancelled", "rolled back"], "{count}");
    }
}

/// A time limit of tokio's around the whole `with!` is looked at after the block, in the same poll.
mod of_one_in_a_time_limit {
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(5);

    /// When it is polled for the second time, the time is over in that poll, and it is busy then.
    async fn busy_until_late() {
        tokio::task::yield_now().await;
        assert!(tokio::time::advance(2 * LIMIT).now_or_never().is_none(), "it has put the clock on, and would yield");
        busy().await;
    }

    /// A runtime whose clock runs when it is told to.
    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("it starts")
    }

    /// Runs a `with!` with the time limit around it.
    fn limited<F: Future<Output = ()>>(with: impl Fn(Log) -> F) -> Vec<String> {
        let log = Log::new();
        paused().block_on(async {
            tokio::time::timeout(LIMIT, with(log.clone())).await.expect_err("it is over");
            rescue::drain().await;
        });
        log.take()
    }

    macro_rules! limited {
        ($($manager:ident),* => $expected:expr) => {
            $({
                let with = |log| async { with!($manager(log, Free::default()) as _value => busy_until_late().await) };
                assert_eq!(limited(with), $expected, stringify!($manager));
            })*
        };
    }

    #[test]
    fn plain_manager_in_a_time_limit_leaves_though_the_budget_is_used_up() {
        plain_ones!(limited);
    }

    #[test]
    fn shielded_manager_in_a_time_limit_is_left_though_the_budget_is_used_up() {
        shielded_ones!(limited);
    }

    #[test]
    fn busy_exit_stack_in_a_time_limit_runs_all_its_callbacks() {
        let with = |log: Log| async move {
            let free = Free::default();
            let stack = AsyncExitStack::<std::convert::Infallible>::new();
            for n in 0..3 {
                let (log, free) = (log.clone(), free.clone());
                stack.callback(async move || {
                    *free.lock().await += 1;
                    log.add(format!("callback {n}"));
                });
            }
            busy_until_late().await;
        };
        assert_eq!(limited(with), ["callback 2", "callback 1", "callback 0"]);
    }

    /// The crate's own time limit stops its block: the whole exit phase is awaited.
    #[test]
    fn time_limit_of_the_crate_awaits_the_exit_phase_of_a_busy_block() {
        let log = Log::new();
        let limited = paused().block_on(async {
            with!(async_context_manager::timeout(LIMIT), plain(log.clone(), Free::default()) => busy_until_late().await)
        });
        assert!(limited.is_err());
        assert_eq!(log.take(), ["exit Cancelled", "rolled back", "given back"]);
    }
}

/// The block receives many messages. The `select!` around it stops it in the same poll. The shielded manager is left
/// nevertheless.
#[test]
fn shielded_manager_in_a_select_is_left_though_the_budget_is_used_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    for count in [10, 200, 10_000] {
        let log = Log::new();
        runtime.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(count);
            (0..count).for_each(|n| sender.try_send(n).expect("there is room"));
            let stop = Notify::new();
            tokio::select! {
                biased;
                () = async {
                    with!(shielded_selects(log.clone(), Free::default()) as _value => {
                        while let Some(n) = receiver.recv().await {
                            if n == 5 {
                                stop.notify_one();
                            }
                        }
                    });
                } => {}
                () = stop.notified() => {}
            }
            rescue::drain().await;
        });
        assert_eq!(log.take(), ["exit Cancelled", "rolled back", "given back"], "{count}");
    }
}
