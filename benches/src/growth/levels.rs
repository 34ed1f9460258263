//! Scopes in one another: how the cost of one more grows with their number.

use std::future::Future;
use std::hint::black_box;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, resume_unwind};

use async_context_manager::with;
use futures_util::FutureExt;

use super::{Series, per};
use crate::contestants::managed;
use crate::measure::instructions::Work;
use crate::resource::{Resource, pend};
use crate::scenario::{Ended, spin};

/// A scope with what is below in its block.
trait Way {
    async fn around<B: Future<Output = u64>>(block: impl FnOnce() -> B) -> u64;
}

struct With;

impl Way for With {
    async fn around<B: Future<Output = u64>>(block: impl FnOnce() -> B) -> u64 {
        with!(managed(false) as resource => {
            let below = block().await;
            resource.add(below + 1)
        })
    }
}

struct ByHand;

impl Way for ByHand {
    async fn around<B: Future<Output = u64>>(block: impl FnOnce() -> B) -> u64 {
        let mut resource = Resource::acquire(false).await;
        let block = async {
            let below = block().await;
            resource.add(below + 1)
        };
        let result = AssertUnwindSafe(block).catch_unwind().await;
        resource.release(false).await;
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Nested scopes. (A type, because futures that are handed to futures would be stored twice at each level.)
trait Levels {
    fn run() -> impl Future<Output = u64>;
}

/// The innermost level, which waits `PENDS` times.
struct Ground<const PENDS: u32>;

impl<const PENDS: u32> Levels for Ground<PENDS> {
    async fn run() -> u64 {
        for _ in 0..PENDS {
            pend().await;
        }
        0
    }
}

/// One more.
struct On<W, L>(PhantomData<(W, L)>);

impl<W: Way, L: Levels> Levels for On<W, L> {
    fn run() -> impl Future<Output = u64> {
        W::around(L::run)
    }
}

type Two<W, L> = On<W, On<W, L>>;
type Four<W, L> = Two<W, Two<W, L>>;
type Eight<W, L> = Four<W, Four<W, L>>;
type Sixteen<W, L> = Eight<W, Eight<W, L>>;
type ThirtyTwo<W, L> = Sixteen<W, Sixteen<W, L>>;
type SixtyFour<W, L> = ThirtyTwo<W, ThirtyTwo<W, L>>;

/// So many levels.
struct Depth {
    levels: u32,
    /// Goes through them; nothing waits.
    through: fn(),
    /// The same, and the innermost is polled [`POLLS`] times more.
    polled: fn(),
    bytes: usize,
}

const POLLS: u32 = 100;

fn depth<Through: Levels, Polled: Levels>(levels: u32) -> Depth {
    fn go<L: Levels>() {
        black_box(spin(1, || L::run().map(Ended::Value)));
    }
    Depth { levels, through: go::<Through>, polled: go::<Polled>, bytes: size_of_val(&Through::run()) }
}

fn depths<W: Way>() -> [Depth; 7] {
    [
        depth::<On<W, Ground<0>>, On<W, Ground<POLLS>>>(1),
        depth::<Two<W, Ground<0>>, Two<W, Ground<POLLS>>>(2),
        depth::<Four<W, Ground<0>>, Four<W, Ground<POLLS>>>(4),
        depth::<Eight<W, Ground<0>>, Eight<W, Ground<POLLS>>>(8),
        depth::<Sixteen<W, Ground<0>>, Sixteen<W, Ground<POLLS>>>(16),
        depth::<ThirtyTwo<W, Ground<0>>, ThirtyTwo<W, Ground<POLLS>>>(32),
        depth::<SixtyFour<W, Ground<0>>, SixtyFour<W, Ground<POLLS>>>(64),
    ]
}

/// Returns the functions whose instructions are counted, in the order in which [`series`] takes the counts.
pub(super) fn works() -> Vec<Work<'static>> {
    let depths = depths::<With>().into_iter().chain(depths::<ByHand>());
    depths.flat_map(|Depth { through, polled, .. }| [Box::new(through) as Work<'_>, Box::new(polled)]).collect()
}

pub(super) fn series(counts: &[u64]) -> Vec<Series> {
    let (with, by_hand) = counts.split_at(counts.len() / 2);
    let with = of_levels(["`with!`", "poll through `with!`", "`with!` in a future"], &depths::<With>(), with);
    let by_hand = of_levels(["by hand", "poll through by hand", "by hand in a future"], &depths::<ByHand>(), by_hand);
    with.into_iter().chain(by_hand).collect()
}

fn of_levels(names: [&'static str; 3], depths: &[Depth], counts: &[u64]) -> [Series; 3] {
    let counted = || depths.iter().zip(counts.chunks(2));
    let through = counted().map(|(depth, counts)| (depth.levels, per(counts[0], depth.levels)));
    let polled = counted().map(|(depth, counts)| (depth.levels, per(counts[1] - counts[0], depth.levels * POLLS)));
    let bytes = depths.iter().map(|depth| (depth.levels, per(depth.bytes as u64, depth.levels)));
    let [first, second, third] = names;
    let series = |name, unit, points| Series { name, unit, more_of: "levels", points };
    [
        series(first, "instructions", through.collect()),
        series(second, "instructions", polled.collect()),
        series(third, "bytes", bytes.collect()),
    ]
}
