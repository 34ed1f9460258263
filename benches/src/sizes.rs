//! The sizes of futures with 4 KiB somewhere in them.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write;
use std::future::Future;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use async_context_manager::{AsyncExitStack, async_context_manager, with};
use futures_util::FutureExt;

use crate::measure::heap;
use crate::resource::pend;

type Buffer = [u8; 4096];

/// Bytes, by where the 4 KiB are.
struct Sizes {
    place: &'static str,
    by_hand: usize,
    with: usize,
    scope: usize,
    stack: usize,
    /// The bytes that the stack allocates for its only manager.
    heap: usize,
}

#[async_context_manager]
async fn small() {
    pend().await;
    r#yield!();
    pend().await;
}

#[async_context_manager]
async fn local() -> &mut Buffer {
    let mut buffer: Buffer = [0; 4096];
    pend().await;
    r#yield!(&mut buffer);
    pend().await;
    black_box(&buffer);
}

#[async_context_manager]
async fn argument(buffer: Buffer) {
    pend().await;
    r#yield!();
    pend().await;
    black_box(&buffer);
}

#[async_context_manager]
async fn value() -> Buffer {
    pend().await;
    r#yield!([0; 4096]);
    pend().await;
}

/// A block by hand, and the exit phase after it.
macro_rules! caught {
    ($block:block) => {{
        let result = AssertUnwindSafe(async { $block }).catch_unwind().await;
        pend().await;
        result.unwrap_or_else(|panic| resume_unwind(panic));
    }};
}

macro_rules! sizes {
    ($place:literal, $by_hand:expr, $manager:expr, $lent:pat => $block:block) => {{
        let stack = async {
            let left = with!(AsyncExitStack::<Infallible>::new() as stack => {
                let $lent = stack.enter($manager).await;
                $block
            });
            let Ok(()) = left;
        };
        Sizes {
            place: $place,
            by_hand: size_of_val(&$by_hand),
            with: size_of_val(&async { with!($manager as $lent => $block) }),
            scope: size_of_val(&async { $manager.scope(async |$lent| $block).await }),
            stack: size_of_val(&stack),
            heap: heap::used(|| finish(stack)).peak_bytes,
        }
    }};
}

fn all() -> [Sizes; 5] {
    let by_hand = async {
        pend().await;
        caught!({ pend().await });
    };
    let by_hand_manager = async {
        let buffer: Buffer = [0; 4096];
        black_box(&buffer);
        pend().await;
        caught!({ pend().await });
        black_box(&buffer);
    };
    let by_hand_value = async {
        pend().await;
        let value: Buffer = [0; 4096];
        caught!({
            pend().await;
            black_box(&value);
        });
    };
    let by_hand_block = async {
        pend().await;
        caught!({
            let buffer: Buffer = [0; 4096];
            pend().await;
            black_box(&buffer);
        });
    };
    [
        sizes!("nowhere", by_hand, small(), () => { pend().await }),
        sizes!("a local of the manager", by_hand_manager, local(), _ => { pend().await }),
        sizes!("an argument of the manager", by_hand_manager, argument([0; 4096]), () => { pend().await }),
        sizes!("the lent value", by_hand_value, value(), lent => {
            pend().await;
            black_box(&lent);
        }),
        sizes!("a local of the block", by_hand_block, small(), () => {
            let buffer: Buffer = [0; 4096];
            pend().await;
            black_box(&buffer);
        }),
    ]
}

fn finish(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
}

pub(crate) fn table() -> Result<String, Box<dyn Error>> {
    let mut text = String::from(
        "| where the 4 KiB are | by hand, `catch_unwind` | `with!` | `scope` | exit stack | on the heap for the stack |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for Sizes { place, by_hand, with, scope, stack, heap } in all() {
        writeln!(text, "| {place} | {by_hand} | {with} | {scope} | {stack} | {heap} |")?;
    }
    Ok(text)
}
