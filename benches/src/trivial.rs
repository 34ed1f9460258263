//! `with!` and the same by hand, with `catch_unwind`, for a resource that costs next to nothing: what remains is the cost of
//! the scopes.

use std::future::Future;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_context_manager::{async_context_manager, with};
use futures_util::FutureExt;

use crate::resource::pend;

/// The scenarios, each with its number of scopes.
pub(crate) const SCENARIOS: [(&str, u32); 4] =
    [("one, ready", 1), ("one, waits, with 4 KiB", 1), ("three nested, ready", 3), ("three nested, wait", 3)];

/// One of the two ways.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Do each scenario so many times.
    pub(crate) repeat: [fn(u32); 4],
    /// The sizes of the futures.
    pub(crate) sizes: [usize; 4],
}

pub(crate) const BY_HAND: &str = "by hand, trivial";
pub(crate) const WITH: &str = "`with!`, trivial";

#[derive(Debug)]
struct Failed;

struct Trivial(u64);

#[expect(clippy::unused_async, reason = "as those of a resource that waits")]
impl Trivial {
    async fn acquire() -> Self {
        open()
    }

    #[inline(never)]
    fn add(&mut self, number: u64) -> u64 {
        self.0 += number;
        self.0
    }

    async fn release(self) {
        close(self.0);
    }
}

#[inline(never)]
fn open() -> Trivial {
    black_box(Trivial(0))
}

#[inline(never)]
fn close(sum: u64) {
    black_box(sum);
}

#[async_context_manager]
async fn managed() -> &mut Trivial {
    let mut trivial = Trivial::acquire().await;
    r#yield!(&mut trivial);
    trivial.release().await;
}

macro_rules! with_scope {
    ($trivial:ident => $block:block) => {
        with!(managed() as $trivial => $block)
    };
}

macro_rules! by_hand_scope {
    ($trivial:ident => $block:block) => {{
        let mut trivial = Trivial::acquire().await;
        let block = async {
            let $trivial = &mut trivial;
            Ok::<u64, Failed>($block)
        };
        let result = AssertUnwindSafe(block).catch_unwind().await;
        trivial.release().await;
        match result {
            Ok(result) => result?,
            Err(panic) => resume_unwind(panic),
        }
    }};
}

macro_rules! way {
    ($name:expr, $scope:ident) => {{
        async fn ready() -> Result<u64, Failed> {
            Ok($scope!(trivial => { trivial.add(1) }))
        }

        async fn waits() -> Result<u64, Failed> {
            Ok($scope!(trivial => {
                // Not initialized: how many instructions that takes depends on the processor.
                let mut buffer = MaybeUninit::<[u8; 4096]>::uninit();
                black_box(&mut buffer);
                pend().await;
                black_box(&mut buffer);
                trivial.add(1)
            }))
        }

        async fn nested<const WAITS: bool>() -> Result<u64, Failed> {
            Ok($scope!(outer => {
                let sum = $scope!(middle => {
                    let sum = $scope!(inner => {
                        if WAITS {
                            pend().await;
                        }
                        inner.add(1)
                    });
                    middle.add(sum)
                });
                outer.add(sum)
            }))
        }

        Way {
            name: $name,
            repeat: [
                |times| repeat(times, ready),
                |times| repeat(times, waits),
                |times| repeat(times, nested::<false>),
                |times| repeat(times, nested::<true>),
            ],
            sizes: [
                size_of_val(&ready()),
                size_of_val(&waits()),
                size_of_val(&nested::<false>()),
                size_of_val(&nested::<true>()),
            ],
        }
    }};
}

pub(crate) fn ways() -> [Way; 2] {
    [way!(BY_HAND, by_hand_scope), way!(WITH, with_scope)]
}

/// Polls futures made by `make` to their ends, so many, one after another.
fn repeat<F: Future<Output = Result<u64, Failed>>>(times: u32, make: impl Fn() -> F) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..times {
        let mut future = pin!(make());
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
                assert_eq!(black_box(result).ok(), Some(1));
                break;
            }
        }
    }
}
