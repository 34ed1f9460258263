//! Wakers that panic, and executors that hold a lock.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::*;

/// Its executor goes.
#[derive(Default)]
struct Stale(AtomicBool);

impl Wake for Stale {
    fn wake(self: Arc<Self>) {
        assert!(!self.0.load(Ordering::SeqCst), "the queue of the executor is gone");
    }
}

/// Panics when the last one of it is dropped, unless something panics.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the last waker is dropped");
    }
}

impl Wake for PanicsInDrop {
    fn wake(self: Arc<Self>) {}
}

type Task<'l> = Pin<Box<dyn Future<Output = ()> + Send + 'l>>;

/// Is in the list of `notify` from its first poll on, until it is dropped.
async fn waits_for(notify: &Notify) {
    let mut notified = pin!(notify.notified());
    notified.as_mut().enable();
    notified.await;
}

/// What a manager and its block have: they tell that they are dropped.
#[derive(Clone, Default)]
struct Seen {
    log: Log,
    notify: Arc<Notify>,
}

/// Awaits its marker in something that polls only what was woken.
macro_rules! manager {
    ($name:ident, $(#[$shielded:ident],)? $marker:ident => $awaits:expr) => {
        #[async_context_manager$(($shielded))?]
        async fn $name(seen: Seen) {
            let _gone = seen.log.on_drop("manager gone");
            let mut notified = pin!(waits_for(&seen.notify));
            assert!(notified.as_mut().now_or_never().is_none());
            let $marker = async { r#yield!() };
            let outcome = $awaits;
            seen.log.add(format!("exit {outcome:?}"));
        }
    };
}

async fn first<F: Future>(mut set: FuturesUnordered<F>) -> F::Output {
    set.next().await.expect("there is one")
}

async fn shared<F: Future<Output: Clone>>(one: Shared<F>) -> F::Output {
    let (output, _) = futures::join!(one.clone(), one);
    output
}

manager!(unordered, marker => first(FuturesUnordered::from_iter([marker])).await);
manager!(nested_sets, marker => {
    let inner = first(FuturesUnordered::from_iter([marker]));
    first(FuturesUnordered::from_iter([inner])).await
});
manager!(in_shared, marker => shared(marker.shared()).await);
manager!(buffered, marker => {
    let mut buffered = pin!(stream::iter([marker]).buffer_unordered(2));
    buffered.next().await.expect("there is one")
});
manager!(in_place, marker => marker.await);
manager!(unordered_shielded, #[shielded], marker => first(FuturesUnordered::from_iter([marker])).await);
manager!(in_shared_shielded, #[shielded], marker => shared(marker.shared()).await);

/// Managers in a manager function, around its marker.
macro_rules! composed {
    ($($name:ident $(($shielded:ident))? = $inner:ident),*) => {
        $(#[async_context_manager$(($shielded))?]
        async fn $name(seen: Seen) {
            let _gone = seen.log.on_drop("manager gone");
            let other = Seen::default();
            let outcome = with!($inner(other.clone()) => r#yield!());
            assert_eq!(other.log.take(), ["exit Cancelled", "manager gone"]);
            seen.log.add(format!("exit {outcome:?}"));
        })*
    };
}

composed!(
    over_unordered = unordered,
    over_shared = in_shared,
    over_shielded(shielded) = unordered_shielded,
    shielded_over_unordered(shielded) = unordered,
    shielded_over_shared(shielded) = in_shared
);

/// A task with a `with!` of each of the managers, whose block waits in the list of a `Notify`.
fn tasks(seen: &Seen) -> Vec<(&'static str, Task<'static>)> {
    macro_rules! with {
        ($($manager:ident),*) => {
            vec![$({
                let seen = seen.clone();
                (stringify!($manager), Box::pin(async move {
                    async_context_manager::with!($manager(seen.clone()) => {
                        let _gone = seen.log.on_drop("block gone");
                        waits_for(&seen.notify).await;
                    });
                }) as Task<'static>)
            }),*]
        };
    }
    with!(
        unordered,
        nested_sets,
        in_shared,
        buffered,
        in_place,
        unordered_shielded,
        in_shared_shielded,
        over_unordered,
        over_shared,
        shielded_over_unordered,
        shielded_over_shared,
        over_shielded
    )
}

/// Has each task polled with `waker`, and dropped: all is left, and nothing panics.
fn are_left_with<W: Wake + Send + Sync + 'static>(waker: impl Fn() -> Arc<W>, fail: impl Fn(Arc<W>), exits: bool) {
    for polls in 1..3 {
        let seen = Seen::default();
        for (name, mut task) in tasks(&seen) {
            let wake = waker();
            let waker = Waker::from(Arc::clone(&wake));
            for _ in 0..polls {
                assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            drop(waker);
            fail(wake);
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(task)));
            assert!(dropped.is_ok(), "{name}: a panic out of drop");
            futures::executor::block_on(rescue::drain());
            let mut told = seen.log.take();
            told.retain(|event| exits || event.ends_with("gone"));
            let all = ["block gone", "exit Cancelled", "manager gone"];
            assert_eq!(told, if exits { &all[..] } else { &["block gone", "manager gone"] }, "{name}");
            seen.notify.notify_waiters();
        }
    }
}

#[test]
fn wakers_that_panic_when_they_are_woken_do_no_harm() {
    are_left_with(Arc::<Stale>::default, |stale| stale.0.store(true, Ordering::SeqCst), true);
}

/// What stands around the marker may drop it when it is polled, and then that panics, and sees nothing more.
#[test]
fn wakers_that_panic_when_they_are_dropped_do_no_harm() {
    are_left_with(
        || Arc::new(PanicsInDrop),
        |last| {
            let _panic = catch_unwind(AssertUnwindSafe(|| drop(last)));
        },
        false,
    );
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counts(std::sync::atomic::AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn wakers_are_not_woken_by_the_drop_of_their_own_task() {
    let seen = Seen::default();
    for (name, mut task) in tasks(&seen) {
        let counts = Arc::<Counts>::default();
        let waker = Waker::from(Arc::clone(&counts));
        for _ in 0..2 {
            assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let before = counts.0.load(Ordering::SeqCst);
        drop(task);
        futures::executor::block_on(rescue::drain());
        assert_eq!(counts.0.load(Ordering::SeqCst), before, "{name}");
    }
}

/// Wakers of which the clones do `clone`, and all else does nothing.
mod cloned {
    use std::cell::Cell;
    use std::ptr::null;
    use std::task::{RawWaker, RawWakerVTable, Waker};

    thread_local! {
        static CLONES: Cell<usize> = const { Cell::new(0) };
    }

    fn raw() -> RawWaker {
        RawWaker::new(null(), &RawWakerVTable::new(clone, |_| {}, |_| {}, |_| {}))
    }

    unsafe fn clone(_nothing: *const ()) -> RawWaker {
        CLONES.set(CLONES.get().checked_sub(1).expect("no more clones"));
        raw()
    }

    /// One that can be cloned that often. Then that is a panic.
    pub(super) fn so_often(clones: usize) -> Waker {
        CLONES.set(clones);
        // SAFETY: it has no data, and the functions of it need none.
        unsafe { Waker::from_raw(raw()) }
    }
}

#[test]
fn wakers_that_panic_when_they_are_cloned_do_no_harm() {
    for clones in 0..8 {
        let seen = Seen::default();
        for (name, mut task) in tasks(&seen) {
            let waker = cloned::so_often(clones);
            let polled =
                catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()));
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(task)));
            assert!(dropped.is_ok(), "{name}: a panic out of drop");
            futures::executor::block_on(rescue::drain());
            let told = seen.log.take();
            if polled.is_ok() {
                assert_eq!(told, ["block gone", "exit Cancelled", "manager gone"], "{name} {clones}");
            } else {
                assert!(told.contains(&"manager gone".to_string()), "{name} {clones}: {told:?}");
            }
            seen.notify.notify_waiters();
        }
    }
}

/// An executor of a few lines, as many have it: the queue of its tasks is gone before them.
mod of_an_executor {
    use std::sync::mpsc;

    use super::*;

    struct Spawned {
        task: Mutex<Option<Task<'static>>>,
        queue: mpsc::Sender<Arc<Spawned>>,
    }

    impl Wake for Spawned {
        fn wake(self: Arc<Self>) {
            let queue = self.queue.clone();
            queue.send(self).expect("the queue is there");
        }
    }

    #[test]
    fn waker_of_an_executor_whose_queue_is_gone_does_no_harm() {
        let seen = Seen::default();
        for (name, task) in tasks(&seen) {
            let (queue, tasks) = mpsc::channel();
            let spawned = Arc::new(Spawned { task: Mutex::new(Some(task)), queue });
            let waker = Waker::from(Arc::clone(&spawned));
            for _ in 0..2 {
                let mut task = lock(&spawned.task);
                let task = task.as_mut().expect("it is there").as_mut();
                assert!(task.poll(&mut Context::from_waker(&waker)).is_pending());
            }
            drop(tasks);
            let task = lock(&spawned.task).take();
            assert!(catch_unwind(AssertUnwindSafe(|| drop(task))).is_ok(), "{name}: a panic out of drop");
            futures::executor::block_on(rescue::drain());
            assert_eq!(seen.log.take(), ["block gone", "exit Cancelled", "manager gone"], "{name}");
            seen.notify.notify_waiters();
        }
    }

    /// Its wakers take the lock under which it drops.
    struct Locked {
        task: Mutex<Option<Task<'static>>>,
        log: Log,
    }

    impl Wake for Locked {
        fn wake(self: Arc<Self>) {
            match self.task.try_lock() {
                Ok(_task) => {}
                Err(_) => self.log.add("woken under its own lock"),
            }
        }
    }

    #[test]
    fn executor_that_drops_its_tasks_under_a_lock_does_not_deadlock() {
        let seen = Seen::default();
        for (name, task) in tasks(&seen) {
            let locked = Arc::new(Locked { task: Mutex::new(Some(task)), log: seen.log.clone() });
            let waker = Waker::from(Arc::clone(&locked));
            for _ in 0..2 {
                let task = lock(&locked.task).take();
                let mut task = task.expect("it is there");
                assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                *lock(&locked.task) = Some(task);
            }
            *lock(&locked.task) = None;
            futures::executor::block_on(rescue::drain());
            assert_eq!(seen.log.take(), ["block gone", "exit Cancelled", "manager gone"], "{name}");
            seen.notify.notify_waiters();
        }
    }
}

/// The entries of a stack.
mod of_a_stack {
    use std::convert::Infallible;

    use super::*;

    #[async_context_manager]
    async fn in_a_set(log: Log) {
        let outcome = first(FuturesUnordered::from_iter([async { r#yield!() }])).await;
        log.add(format!("exit {outcome:?}"));
    }

    #[test]
    fn waker_that_panics_while_a_stack_is_closed_does_no_harm() {
        let stale = Arc::<Stale>::default();
        for waker in [Waker::from(Arc::clone(&stale)), Arc::new(PanicsInDrop).into(), cloned::so_often(9)] {
            let log = Log::new();
            let mut stack = AsyncExitStack::<Infallible>::new();
            {
                let mut entering = pin!(stack.enter(in_a_set(log.clone())));
                assert!(entering.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
            }
            let _panic = catch_unwind(AssertUnwindSafe(|| drop(waker)));
            stale.0.store(true, Ordering::SeqCst);
            assert_eq!(block_on(stack.close()), Ok(()));
            assert_eq!(log.take(), ["exit Completed"]);
        }
    }
}
