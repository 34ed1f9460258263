//! Who polls a program, and how it is dropped.

use std::cell::RefCell;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use async_context_manager::rescue::{self, Rescue};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinError;

use crate::env::{Env, Error, MILLISECOND, Pend, Record, label};
use crate::model::{Ended, Step};
use crate::program::{Boxed, Program};
use crate::run::{Dropping, Ran, listen, planned};
use crate::ways::Way;

mod stopped;

pub use stopped::{gracefully, in_scope, in_scope_given_up};

/// What a program comes to, if it is not dropped.
type Outcome = Result<Option<i64>, Error>;

/// A program that stays on its thread.
pub(crate) type Alone<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A program that is made here, for a task of its own.
fn program(env: Env, steps: Arc<[Step]>) -> Boxed<'static, Outcome> {
    Box::pin(async move { Program::new(&env, Way::DEFAULT).run(&steps).await })
}

// ---- By hand -----------------------------------------------------------------

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

std::thread_local! {
    /// What is to be rescued on this thread, if a program is polled on it by hand.
    static RESCUES: RefCell<Option<Vec<Rescue>>> = const { RefCell::new(None) };
}

/// Takes a rescue, if a program is polled by hand on this thread.
pub(crate) fn take_by_hand(rescue: Rescue) {
    let mut rescue = Some(rescue);
    RESCUES.with_borrow_mut(|rescues| rescues.as_mut().map(|rescues| rescues.extend(rescue.take())));
    // One that is dropped goes to the thread of the crate.
    let elsewhere = rescue.zip(Handle::try_current().ok());
    elsewhere.map(|(rescue, runtime)| runtime.spawn(rescue));
}

/// Polls by hand, the rescues too, when something was woken, and drops after so many polls. Its stops are the polls.
pub fn by_hand(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    by_hand_until(steps, way, usize::MAX)
}

/// The same, but the rescues are dropped after one poll.
pub fn given_up(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    by_hand_until(steps, way, 1)
}

/// The same, but the rescues are not for it.
pub fn but_for_rescues(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    let (env, record) = Env::new(way.injection, Pend::AtOnce);
    let mut hand = Hand::new(0);
    let (_ended, polls) = hand.poll_or_drop(program(env, steps.clone()), &record, way.drop_at)?;
    record.gone();
    Ran::new(&record, polls)
}

fn by_hand_until(steps: &Arc<[Step]>, way: Dropping, patience: usize) -> Result<Ran, String> {
    let (env, record) = Env::new(way.injection, Pend::AtOnce);
    let (_ended, polls) = poll_by_hand(program(env, steps.clone()), &record, way.drop_at, patience)?;
    Ran::new(&record, polls)
}

/// Polls a program by hand, and what is rescued of it: what it came to, and how often it was polled.
pub(crate) fn poll_by_hand(
    program: Alone<'_>,
    record: &Record,
    drop_at: Option<usize>,
    patience: usize,
) -> Result<(Ended, usize), String> {
    let mut hand = Hand::by_hand(patience);
    let ended = hand.poll_or_drop(program, record, drop_at)?;
    record.gone();
    hand.finish()?;
    Ok(ended)
}

/// Drops a program. The record is told, unless the program has ended, and how often it was polled.
fn drop_program(program: Alone<'_>, unended: Option<(&Record, usize)>) -> Result<(), String> {
    if let Some((record, polls)) = unended {
        record.drops(polls);
    }
    catch_unwind(AssertUnwindSafe(|| drop(program))).map_err(|_| "a panic came out of the drop")?;
    if let Some((record, _)) = unended {
        record.dropped();
    }
    Ok(())
}

/// Who polls by hand.
struct Hand {
    woken: Arc<Woken>,
    /// With how often each was polled.
    rescues: Vec<(Rescue, usize)>,
    patience: usize,
}

impl Hand {
    fn new(patience: usize) -> Self {
        Self { woken: Arc::default(), rescues: Vec::new(), patience }
    }

    /// The rescues of this thread are for it.
    fn by_hand(patience: usize) -> Self {
        listen();
        RESCUES.set(Some(Vec::new()));
        Self::new(patience)
    }

    /// Polls until it has ended or is dropped: what it came to, and how often.
    fn poll_or_drop(
        &mut self,
        mut program: Alone<'_>,
        record: &Record,
        drop_at: Option<usize>,
    ) -> Result<(Ended, usize), String> {
        let (ended, polls) = self.poll(&mut program, drop_at, &mut |_| {})?;
        drop_program(program, ended.is_none().then_some((record, polls)))?;
        Ok((ended.unwrap_or(Ended::Cancelled), polls))
    }

    /// Polls until it has ended, or so often: what it came to, and how often. `between` is called before each poll and
    /// before the drop, with how often it has been polled.
    fn poll(
        &mut self,
        program: &mut Alone<'_>,
        drop_at: Option<usize>,
        between: &mut dyn FnMut(usize),
    ) -> Result<(Option<Ended>, usize), String> {
        let waker = Waker::from(self.woken.clone());
        let mut polls = 0;
        loop {
            between(polls);
            if drop_at == Some(polls) {
                return Ok((None, polls));
            }
            polls += 1;
            match catch_unwind(AssertUnwindSafe(|| program.as_mut().poll(&mut Context::from_waker(&waker)))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(Ok(value))) => return Ok((Some(Ended::Ok(value)), polls)),
                Ok(Poll::Ready(Err(error))) => return Ok((Some(Ended::Err(error.label)), polls)),
                Err(payload) => return Ok((Some(Ended::Panic(label(&*payload))), polls)),
            }
            self.poll_rescues()?;
            self.is_woken()?;
        }
    }

    /// Polls the rescues until none is left.
    fn finish(mut self) -> Result<(), String> {
        while self.poll_rescues()? {
            self.is_woken()?;
        }
        RESCUES.set(None);
        Ok(())
    }

    /// Polls what is to be rescued: whether something is left.
    fn poll_rescues(&mut self) -> Result<bool, String> {
        let begun = RESCUES.with_borrow_mut(|rescues| rescues.as_mut().map(take));
        self.rescues.extend(begun.into_iter().flatten().map(|rescue| (rescue, 0)));
        let waker = Waker::from(self.woken.clone());
        let is_left = |(rescue, polls): &mut (Rescue, usize)| {
            *polls += 1;
            *polls <= self.patience && Pin::new(rescue).poll(&mut Context::from_waker(&waker)).is_pending()
        };
        let polled = catch_unwind(AssertUnwindSafe(|| self.rescues.retain_mut(is_left)));
        polled.map_err(|_| "a panic came out of a rescue")?;
        let more = RESCUES.with_borrow(|rescues| rescues.as_ref().is_some_and(|rescues| !rescues.is_empty()));
        self.woken.0.fetch_or(more, SeqCst);
        Ok(more || !self.rescues.is_empty())
    }

    /// Waits for a rescue on another thread, if there is one, to wake it.
    fn is_woken(&self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let may_come = !rescue::pending().is_empty() && begun.elapsed() < Duration::from_secs(10);
            if self.woken.0.swap(false, SeqCst) {
                return Ok(());
            }
            if !may_come {
                return Err("it is pending, and nobody was woken".to_string());
            }
            thread::yield_now();
        }
    }
}

// ---- With a time limit -------------------------------------------------------

/// Drops by `timeout`, on one thread, whose clock runs when nothing else does. Its stops are the awaits.
pub fn timed_out(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    let (env, record) = Env::new(way.injection, Pend::Sleeping);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("there are resources");
    let limit = way.drop_at.map_or(MILLISECOND * 1000, |stop| MILLISECOND * u32::try_from(stop).expect("not many"));
    let limited = tokio::time::timeout;
    let future = program(env, steps.clone());
    let ended = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { limited(limit + MILLISECOND / 2, future).await.map_or(Ok(None), |ended| ended) })
    }));
    ended.map_or_else(|payload| planned(&*payload), |_ended| Ok(()))?;
    record.gone();
    // The rescues of other tests are not on this runtime.
    runtime.block_on(rescue::drain_timeout(Duration::from_secs(10))).map_err(|error| error.to_string())?;
    Ran::new(&record, record.waits())
}

// ---- On two threads, woken by a third ----------------------------------------

/// Two workers.
fn workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().expect("there are resources")
}

static WORKERS: LazyLock<Runtime> = LazyLock::new(workers);

/// Drops by `abort`. Its stops are the awaits, as they are of the others on two threads.
pub fn aborted(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    let (run, future) = Run::new(steps, way);
    let task = WORKERS.spawn(future);
    run.wait_or_drop(|| task.abort());
    run.end(WORKERS.block_on(task))
}

/// Drops by a `select!` in the task.
pub fn selected_away(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    let (run, future) = Run::new(steps, way);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = WORKERS.spawn(async {
        tokio::select! {
            ended = future => ended,
            Ok(()) = stopped => Ok(None),
        }
    });
    // The task may have come to its end by a time limit of its own.
    run.wait_or_drop(|| {
        let _ = stop.send(());
    });
    run.end(WORKERS.block_on(task))
}

/// Drops with the runtime.
pub fn shut_down(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    let runtime = workers();
    let (run, future) = Run::new(steps, way);
    let task = runtime.spawn(future);
    run.wait_or_drop(|| drop(runtime));
    run.end(tests::block_on(task))
}

type Joined = Result<Outcome, JoinError>;

enum Arrived {
    AtStop,
    AtEnd,
}

/// A scenario on its way.
struct Run {
    record: Record,
    arrived: Receiver<Arrived>,
    /// What waits at the stop may go on.
    go_on: Sender<()>,
}

impl Run {
    fn new(steps: &Arc<[Step]>, way: Dropping) -> (Self, impl Future<Output = Outcome> + Send + 'static) {
        let ((tell, arrived), (go_on, told)) = (channel(), channel());
        let at_end = AtEnd(tell.clone());
        let (env, record) = Env::new(way.injection, Pend::ByAnother(waker(way.drop_at, tell, told)));
        let future = program(env, steps.clone());
        let future = async move {
            let _at_end = at_end;
            future.await
        };
        (Self { record, arrived, go_on }, future)
    }

    /// Has it dropped when it is at the stop, if it gets there.
    fn wait_or_drop(&self, drop: impl FnOnce()) {
        if let Arrived::AtStop = self.arrives() {
            drop();
            let Arrived::AtEnd = self.arrives() else { panic!("there is one stop") };
        }
        self.record.gone();
        // It may be past the stop.
        let _ = self.go_on.send(());
    }

    fn arrives(&self) -> Arrived {
        self.arrived.recv_timeout(Duration::from_secs(10)).expect("it hangs")
    }

    fn end(self, ended: Joined) -> Result<Ran, String> {
        if let Err(Ok(payload)) = ended.map_err(JoinError::try_into_panic) {
            planned(&*payload)?;
        }
        Ran::new(&self.record, self.record.waits())
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
