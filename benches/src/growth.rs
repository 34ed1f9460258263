//! How the cost of one more grows with how many there are already: levels of scopes, managers
//! on an exit stack, rescues under way.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::hint::black_box;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, resume_unwind};

use async_context_manager::{AsyncExitStack, async_context_manager, rescue, with};
use futures_util::FutureExt;

use crate::contestants::{keep_rescues, managed, run_rescues};
use crate::measure::instructions::{self, Work};
use crate::resource::{Resource, pend};
use crate::scenario::{Ended, drop_in_block, spin};

/// Costs of one more, by how many there are.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What there are so many of.
    pub(crate) more_of: &'static str,
    pub(crate) points: Vec<(u32, f64)>,
}

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

/// What waits so often in the innermost.
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

/// So many managers on an exit stack, and so many rescues.
const MANY: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];

/// Enters so many on one exit stack, and leaves them.
fn stacked(managers: u32) {
    let all = async || {
        let sum = with!(AsyncExitStack::<Infallible>::new() as stack => {
            let mut sum = 0;
            for _ in 0..managers {
                sum += stack.enter(managed(false)).await.add(1);
            }
            sum
        });
        let Ok(sum) = sum;
        Ended::Value(sum)
    };
    assert_eq!(spin(1, all), Ended::Value(managers.into()));
}

#[async_context_manager(shielded)]
async fn slow_to_release() -> &mut Resource {
    let mut resource = Resource::acquire(false).await;
    r#yield!(&mut resource);
    resource.release(true).await;
}

/// Drops so many scopes in their blocks, and runs their rescues when all of them are under way.
fn rescued(scopes: u32) {
    keep_rescues();
    let scope = async || {
        with!(slow_to_release() as resource => {
            resource.add(1);
            pending::<()>().await;
        });
    };
    for _ in 0..scopes {
        drop_in_block(scope());
    }
    assert_eq!(rescue::pending().len(), scopes as usize);
    run_rescues();
    assert!(rescue::pending().is_empty());
}

/// What is done under callgrind, in the order in which [`measure`] takes the counts.
pub(crate) fn perform() {
    let mut works: Vec<Work<'_>> = Vec::new();
    for Depth { through, polled, .. } in depths::<With>().into_iter().chain(depths::<ByHand>()) {
        works.push(Box::new(through));
        works.push(Box::new(polled));
    }
    // From few to many, because the allocator has to tidy up after many.
    for number in MANY {
        works.push(Box::new(move || stacked(number)));
        works.push(Box::new(move || rescued(number)));
    }
    instructions::perform(&works);
}

/// All series there are.
pub(crate) fn measure() -> io::Result<Vec<Series>> {
    let counts = instructions::count(&["counted", "growth"])?;
    let (with, rest) = counts.split_at(2 * depths::<With>().len());
    let (by_hand, many) = rest.split_at(with.len());
    let mut series =
        Vec::from(of_levels(["`with!`", "poll through `with!`", "`with!` in a future"], &depths::<With>(), with));
    series.extend(of_levels(["by hand", "poll through by hand", "by hand in a future"], &depths::<ByHand>(), by_hand));
    series.push(of_many("manager", "managers on an exit stack", many.iter().copied().step_by(2)));
    series.push(of_many("rescue", "rescues under way", many.iter().copied().skip(1).step_by(2)));
    Ok(series)
}

fn of_many(name: &'static str, more_of: &'static str, counts: impl Iterator<Item = u64>) -> Series {
    let points = MANY.into_iter().zip(counts).map(|(number, count)| (number, per(count, number))).collect();
    Series { name, unit: "instructions", more_of, points }
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

#[expect(clippy::cast_precision_loss, reason = "they are small")]
fn per(count: u64, number: u32) -> f64 {
    count as f64 / f64::from(number)
}
