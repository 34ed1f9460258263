//! Who polls a scenario, and how it is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinError;

use super::Step;
use super::env::{Env, Failure, MILLISECOND, Pend, What};
use super::program::program;
use super::run::{Ran, Way, planned};

// ---- By hand -----------------------------------------------------------------

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Polls by hand when it was woken, and drops after so many polls. Its stops are the polls.
pub(crate) fn by_hand(steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    let env = Env::new(way.injection, Pend::AtOnce);
    let mut future = program(env.clone(), steps.clone());
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut polls = 0;
    while way.drop_at != Some(polls) {
        if !woken.0.swap(false, SeqCst) {
            return Err("it is pending, and nobody was woken".to_string());
        }
        polls += 1;
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker)))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(_)) => break,
            Err(payload) => {
                planned(&*payload)?;
                break;
            }
        }
    }
    catch_unwind(AssertUnwindSafe(|| drop(future))).map_err(|_| "a panic came out of the drop")?;
    env.add('-', What::Gone);
    Ran::new(&env, polls)
}

// ---- With a time limit -------------------------------------------------------

/// Drops by `timeout`, on one thread, whose clock runs when nothing else does. Its stops are the awaits.
pub(crate) fn timed_out(steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    let env = Env::new(way.injection, Pend::Sleeping);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("there are resources");
    let limit = way.drop_at.map_or(MILLISECOND * 1000, |stop| MILLISECOND * u32::try_from(stop).expect("not many"));
    let limited = tokio::time::timeout;
    let future = program(env.clone(), steps.clone());
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { limited(limit + MILLISECOND / 2, future).await.map_or(Ok(()), |ended| ended) })
    }));
    ended.map_or_else(|payload| planned(&*payload), |_ended| Ok(()))?;
    env.add('-', What::Gone);
    Ran::new(&env, env.waits())
}

// ---- On two threads, woken by a third ----------------------------------------

/// Two workers.
fn workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().expect("there are resources")
}

static WORKERS: LazyLock<Runtime> = LazyLock::new(workers);

/// Drops by `abort`. Its stops are the awaits, as they are of the others on two threads.
pub(crate) fn aborted(steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    let (run, future) = Run::new(steps, way);
    let task = WORKERS.spawn(future);
    run.wait_or_drop(|| task.abort());
    run.end(WORKERS.block_on(task))
}

/// Drops by a `select!` in the task.
pub(crate) fn selected_away(steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    let (run, future) = Run::new(steps, way);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = WORKERS.spawn(async {
        tokio::select! {
            ended = future => ended,
            Ok(()) = stopped => Ok(()),
        }
    });
    // The task may have come to its end by a time limit of its own.
    run.wait_or_drop(|| {
        let _ = stop.send(());
    });
    run.end(WORKERS.block_on(task))
}

/// Drops with the runtime.
pub(crate) fn shut_down(steps: &Arc<[Step]>, way: Way) -> Result<Ran, String> {
    let runtime = workers();
    let (run, future) = Run::new(steps, way);
    let task = runtime.spawn(future);
    run.wait_or_drop(|| drop(runtime));
    run.end(tests::block_on(task))
}

type Ended = Result<Result<(), Failure>, JoinError>;

enum Arrived {
    AtStop,
    AtEnd,
}

/// A scenario on its way.
struct Run {
    env: Env,
    arrived: Receiver<Arrived>,
    /// What waits at the stop may go on.
    go_on: Sender<()>,
}

impl Run {
    fn new(steps: &Arc<[Step]>, way: Way) -> (Self, impl Future<Output = Result<(), Failure>> + Send + 'static) {
        let ((tell, arrived), (go_on, told)) = (channel(), channel());
        let at_end = AtEnd(tell.clone());
        let env = Env::new(way.injection, Pend::ByAnother(waker(way.drop_at, tell, told)));
        let future = program(env.clone(), steps.clone());
        let future = async move {
            let _at_end = at_end;
            future.await
        };
        (Self { env, arrived, go_on }, future)
    }

    /// Has it dropped when it is at the stop, if it gets there.
    fn wait_or_drop(&self, drop: impl FnOnce()) {
        if let Arrived::AtStop = self.arrives() {
            drop();
            let Arrived::AtEnd = self.arrives() else { panic!("there is one stop") };
        }
        self.env.add('-', What::Gone);
        // It may be past the stop.
        let _ = self.go_on.send(());
    }

    fn arrives(&self) -> Arrived {
        self.arrived.recv_timeout(Duration::from_secs(10)).expect("it hangs")
    }

    fn end(self, ended: Ended) -> Result<Ran, String> {
        if let Err(Ok(payload)) = ended.map_err(JoinError::try_into_panic) {
            planned(&*payload)?;
        }
        Ran::new(&self.env, self.env.waits())
    }
}

/// Tells of the end, or the drop, of what it is in.
struct AtEnd(Sender<Arrived>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        // Nobody listens who has been told that it hangs.
        let _ = self.0.send(Arrived::AtEnd);
    }
}

/// A thread that wakes all that wait, one after the other, but stops before one of them.
fn waker(stop: Option<usize>, tell: Sender<Arrived>, told: Receiver<()>) -> Sender<oneshot::Sender<()>> {
    let (waits, waiting) = channel::<oneshot::Sender<()>>();
    thread::spawn(move || {
        for (n, waiter) in waiting.into_iter().enumerate() {
            if stop == Some(n) {
                // A time limit of its own may have brought it to its end.
                let _ = tell.send(Arrived::AtStop).map(|()| told.recv());
            }
            // It may have been dropped.
            let _ = waiter.send(());
        }
    });
    waits
}
