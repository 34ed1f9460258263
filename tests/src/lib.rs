//! Shared by the tests: a log of events, an executor that counts its polls, futures that pend, and managers.

#![forbid(unsafe_code)]

pub mod managers;

use std::any::{Any, type_name};
use std::env;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// How many random cases a test tries: so many, or what `PROPTEST_CASES` says.
///
/// # Panics
///
/// When that is no number.
#[must_use]
pub fn cases(count: u32) -> u32 {
    env::var("PROPTEST_CASES").map_or(count, |cases| cases.parse().expect("PROPTEST_CASES is a number"))
}

/// What has happened so far, in order. A clone shares the list.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// A log of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Something happens.
    pub fn add(&self, event: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.into());
    }

    /// An event at the end of a scope.
    #[must_use = "the event happens when this is dropped"]
    pub fn on_drop(&self, event: impl Into<String>) -> OnDrop {
        OnDrop { log: self.clone(), event: event.into() }
    }

    /// How much happened since the last `take`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing happened since then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that happened since the last call.
    #[must_use = "the events are gone then"]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Logs its event when it is dropped.
#[derive(Debug)]
pub struct OnDrop {
    log: Log,
    event: String,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.log.add(std::mem::take(&mut self.event));
    }
}

/// Panics with "in drop" when it is dropped.
#[derive(Debug)]
pub struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

/// Remembers whether it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs a future to its end, and counts the polls.
///
/// # Panics
///
/// When the future is pending and has woken nobody: it would never end.
pub fn block_on_counting<F: Future>(future: F) -> (F::Output, usize) {
    let mut future = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return (output, polls);
        }
        assert!(woken.0.swap(false, Ordering::SeqCst), "pending, and nobody was woken");
    }
}

/// Runs a future to its end.
///
/// # Panics
///
/// As [`block_on_counting`].
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_counting(future).0
}

/// Polls a future that often, and drops it then.
///
/// # Panics
///
/// When it ends before.
pub fn drop_after<F: Future<Output: Debug>>(polls: usize, future: F) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let output = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(output.is_pending(), "ended before it was dropped: {output:?}");
    }
}

/// Runs a future into its panic: what it carries.
///
/// # Panics
///
/// When it does not panic.
pub fn panic_of<F: Future<Output: Debug>>(future: F) -> Box<dyn Any + Send> {
    catch_unwind(AssertUnwindSafe(|| block_on(future))).expect_err("it should have panicked")
}

/// Runs a future into its panic: the message.
///
/// # Panics
///
/// When it does not panic, or with something that is no message.
pub fn panic_message<F: Future<Output: Debug>>(future: F) -> String {
    message(panic_of(future).as_ref())
}

/// The message of a panic.
///
/// # Panics
///
/// When it carries something else.
#[must_use]
pub fn message(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().map(ToString::to_string);
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).expect("it carries no message")
}

/// Runs `run` in a process of its own, which is this test once more, and gives what came of it. In the child, nothing
/// comes back.
///
/// # Panics
///
/// When there is no such test, or no process to be had.
pub fn in_child(test: &str, run: impl FnOnce()) -> Output {
    const CHILD: &str = "ASYNC_CONTEXT_MANAGER_TESTS_CHILD";
    if env::var_os(CHILD).is_some() {
        run();
        std::process::exit(0);
    }
    let program = env::current_exe().expect("a test is a program");
    let arguments = ["--exact", test, "--nocapture"];
    let child = Command::new(program).args(arguments).env(CHILD, "1").output().expect("it starts");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("running 1 test"), "{said}");
    child
}

/// Runs a closure that is all of a test in a process of its own: what that says on standard error.
///
/// # Panics
///
/// When that process fails, or the closure is no test.
pub fn alone<F: FnOnce()>(run: F) -> String {
    alone_as::<F>(run)
}

/// The same for a `run` that calls the closure, of type `C`, that is all of the test.
///
/// # Panics
///
/// As [`alone`].
pub fn alone_as<C>(run: impl FnOnce()) -> String {
    let (_crate, test) = type_name::<C>().split_once("::").expect("a path");
    let test = test.strip_suffix("::{{closure}}").expect("a closure of the test");
    let child = in_child(test, run);
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{said}");
    said
}

/// The lines of this crate in that.
#[must_use]
pub fn told(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("async-context-manager: ")).collect()
}

/// A future that is pending `n` times.
#[must_use = "futures do nothing unless awaited"]
pub fn yields(n: usize) -> Yields {
    Yields(n)
}

/// See [`yields`].
#[derive(Debug)]
pub struct Yields(usize);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
