//! The seven scenarios, and the macro that writes them for a contestant.

use std::any::Any;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_context_manager::{cancel_scope, with};
use futures_util::FutureExt;

use crate::resource::Books;

/// The ways in which the resource is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Nothing waits.
    Ready,
    /// The enter phase, the block and the exit phase wait once each.
    Pends,
    /// Three scopes, one in another.
    Nested,
    /// The block is left by `?`.
    Error,
    /// The block panics.
    Panic,
    /// The future is dropped while the block waits.
    Dropped,
    /// The block waits a thousand times.
    Polled,
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] =
        [Self::Ready, Self::Pends, Self::Nested, Self::Error, Self::Panic, Self::Dropped, Self::Polled];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Pends => "pends",
            Self::Nested => "nested",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Dropped => "dropped",
            Self::Polled => "polled",
        }
    }

    /// Whether this program can do it.
    pub(crate) fn can_run(self) -> bool {
        self != Self::Panic || cfg!(panic = "unwind")
    }

    /// How it is to end, and what is then in the books.
    fn expected(self) -> (Ended, Books) {
        let once = |sum| Books { acquired: 1, released: 1, sum };
        match self {
            Self::Ready | Self::Pends => (Ended::Value(1), once(1)),
            Self::Nested => (Ended::Value(3), Books { acquired: 3, released: 3, sum: 6 }),
            Self::Error => (Ended::Failed, once(1)),
            Self::Panic => (Ended::Panicked, once(1)),
            Self::Dropped => (Ended::Dropped, once(1)),
            Self::Polled => (Ended::Value(1000), once(1000)),
        }
    }
}

/// The error of a block.
#[derive(Debug)]
pub(crate) struct Failed;

/// The ways in which a scenario ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Value(u64),
    Failed,
    Panicked,
    Dropped,
}

impl From<Result<u64, Failed>> for Ended {
    fn from(result: Result<u64, Failed>) -> Self {
        result.map_or(Self::Failed, Self::Value)
    }
}

impl From<Result<Result<u64, Failed>, Box<dyn Any + Send>>> for Ended {
    fn from(caught: Result<Result<u64, Failed>, Box<dyn Any + Send>>) -> Self {
        caught.map_or(Self::Panicked, Self::from)
    }
}

/// One contestant in one scenario.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    /// Does it so many times.
    pub(crate) repeat: fn(u32) -> Ended,
    /// The size of its future.
    pub(crate) size: usize,
}

/// One way to do it.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) runs: [Run; 7],
    /// The scenarios in which its cleanup never runs.
    pub(crate) loses: &'static [Scenario],
    /// A note for the reader of the tables.
    pub(crate) note: &'static str,
    /// Whether all of it happens on one thread: nothing else can be counted.
    pub(crate) one_thread: bool,
}

impl Contestant {
    /// Sees to it that it does the same work as all others, except that it loses the cleanup where it says so.
    pub(crate) fn check(&self) {
        for Run { scenario, repeat, .. } in self.runs.into_iter().filter(|run| run.scenario.can_run()) {
            let before = Books::look();
            let ended = repeat(1);
            let books = Books::look().since(before);
            let (expected, mut expected_books) = scenario.expected();
            if self.loses.contains(&scenario) {
                expected_books = Books { released: 0, sum: 0, ..expected_books };
            }
            let name = self.name;
            assert_eq!((ended, books), (expected, expected_books), "`{name}` does something else in {scenario:?}");
        }
    }
}

/// Polls futures made by `make` to their ends, so many, one after another.
pub(crate) fn spin<F: Future<Output = Ended>>(times: u32, make: impl Fn() -> F) -> Ended {
    let mut cx = Context::from_waker(Waker::noop());
    let mut last = Ended::Dropped;
    for _ in 0..times {
        let mut future = pin!(make());
        last = loop {
            if let Poll::Ready(ended) = future.as_mut().poll(&mut cx) {
                break black_box(ended);
            }
        };
    }
    last
}

/// The same, with each future in the block of a `cancel_scope`, which polls what is in it by a waker of its own.
pub(crate) fn spin_in_scope<F: Future<Output = Ended>>(times: u32, make: impl Fn() -> F) -> Ended {
    spin(times, || async { with!(cancel_scope() => make().await).expect("no one cancels it") })
}

/// Polls `future` once, and drops it: as a runtime does, outside of any `async fn`.
pub(crate) fn drop_in_block<F: Future>(future: F) -> Ended {
    assert!(future.now_or_never().is_none());
    Ended::Dropped
}

/// Writes the scenarios for the contestant whose way `$scope!(pends, resource => { block })` is: an expression in an
/// `async fn` that returns `Result<u64, Failed>`. `$drive` runs the futures, as [`spin`] does.
macro_rules! contestant {
    ($name:literal, $scope:ident, $drive:path) => {{
        use crate::resource::pend;
        use crate::scenario::{Contestant, Ended, Failed, Run, Scenario, drop_in_block};
        use futures_util::FutureExt as _;

        async fn ready() -> Result<u64, Failed> {
            Ok($scope!(false, resource => { resource.add(1) }))
        }

        async fn pends() -> Result<u64, Failed> {
            Ok($scope!(true, resource => {
                pend().await;
                resource.add(1)
            }))
        }

        async fn nested() -> Result<u64, Failed> {
            Ok($scope!(false, outer => {
                let sum = $scope!(false, middle => {
                    let sum = $scope!(false, inner => { inner.add(1) });
                    middle.add(sum + 1)
                });
                outer.add(sum + 1)
            }))
        }

        async fn error() -> Result<u64, Failed> {
            Ok($scope!(false, resource => {
                resource.add(1);
                std::hint::black_box(Err(Failed))?
            }))
        }

        async fn panics() -> Result<u64, Failed> {
            Ok($scope!(false, resource => {
                assert!(resource.add(1) == 0, "planned");
                0
            }))
        }

        async fn dropped() -> Result<u64, Failed> {
            Ok($scope!(false, resource => {
                resource.add(1);
                std::future::pending::<u64>().await
            }))
        }

        async fn polled() -> Result<u64, Failed> {
            Ok($scope!(false, resource => {
                let mut sum = 0;
                for _ in 0..1000 {
                    pend().await;
                    sum = resource.add(1);
                }
                sum
            }))
        }

        let run = |scenario, repeat, size| Run { scenario, repeat, size };
        Contestant {
            name: $name,
            runs: [
                run(Scenario::Ready, |times| $drive(times, || ready().map(Ended::from)), size_of_val(&ready())),
                run(Scenario::Pends, |times| $drive(times, || pends().map(Ended::from)), size_of_val(&pends())),
                run(Scenario::Nested, |times| $drive(times, || nested().map(Ended::from)), size_of_val(&nested())),
                run(Scenario::Error, |times| $drive(times, || error().map(Ended::from)), size_of_val(&error())),
                run(
                    Scenario::Panic,
                    |times| {
                        let caught = || std::panic::AssertUnwindSafe(panics()).catch_unwind().map(Ended::from);
                        $drive(times, caught)
                    },
                    size_of_val(&panics()),
                ),
                run(Scenario::Dropped, |times| $drive(times, || std::future::ready(drop_in_block(dropped()))), size_of_val(&dropped())),
                run(Scenario::Polled, |times| $drive(times, || polled().map(Ended::from)), size_of_val(&polled())),
            ],
            loses: &[],
            note: "",
            one_thread: true,
        }
    }};
}

pub(crate) use contestant;
