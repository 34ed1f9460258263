//! Random programs of managers within managers, dropped at random: all that was entered is left, the inner ones first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use proptest::prelude::RngCore;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use tokio::runtime::Builder;

use super::*;

/// A xorshift generator of a program's choices.
#[derive(Clone)]
struct Choices(u64);

impl Choices {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("it is small") % limit
    }

    /// Others, for a part of the program.
    fn part(&mut self) -> Self {
        Self::new(u64::try_from(self.below(usize::MAX >> 33)).expect("it is small"))
    }
}

/// A place in the program: how many managers in it have been entered and are not left, and what is around it.
#[derive(Default)]
struct Place {
    open: AtomicUsize,
    opened: AtomicUsize,
    /// The block of the manager at this place has begun. One that is only entered in its rescue is waited for by nobody.
    is_used: AtomicBool,
    around: Option<Arc<Place>>,
}

impl Place {
    fn within(around: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { around: Some(Arc::clone(around)), ..Self::default() })
    }

    fn around(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(self.around.as_deref(), |place| place.around.as_deref())
    }

    /// The block begins.
    fn begin(&self) {
        self.is_used.store(true, Ordering::SeqCst);
        for place in self.around() {
            place.open.fetch_add(1, Ordering::SeqCst);
            place.opened.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A manager that is not left.
struct Open(Arc<Place>);

impl Open {
    fn new(place: Arc<Place>) -> Self {
        Self(place)
    }

    /// The exit phase begins: nothing in its block is open.
    fn check(&self) {
        assert_eq!(self.0.open.load(Ordering::SeqCst), 0, "left before what is in it");
    }

    /// To the end, and not only dropped.
    fn leave(self) {
        if self.0.is_used.load(Ordering::SeqCst) {
            for place in self.0.around() {
                place.open.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

#[async_context_manager(shielded)]
async fn owning(place: Arc<Place>, mut choices: Choices) {
    yields(choices.below(3)).await;
    let open = Open::new(place);
    r#yield!();
    open.check();
    yields(choices.below(3)).await;
    open.leave();
}

/// The same for a stack, whose entries do not wait for what its block has dropped by itself.
#[async_context_manager(shielded)]
async fn stacked(place: Arc<Place>, mut choices: Choices) {
    yields(choices.below(3)).await;
    let open = Open::new(place);
    r#yield!();
    yields(choices.below(3)).await;
    open.leave();
}

#[async_context_manager(shielded)]
async fn borrowing(place: Arc<Place>, mut choices: Choices) -> &Open {
    yields(choices.below(3)).await;
    let open = Open::new(place);
    r#yield!(&open);
    open.check();
    yields(choices.below(3)).await;
    open.leave();
}

/// Has its marker where only what was woken is polled, and drops it sometimes.
#[async_context_manager(shielded, suppress)]
async fn racing(place: Arc<Place>, mut choices: Choices) {
    let open = Open::new(place);
    let mut block: FuturesUnordered<_> = [async { r#yield!() }].into_iter().collect();
    tokio::select! {
        biased;
        () = yields(1 + choices.below(12)) => {}
        _ = block.next() => {}
    }
    drop(block);
    yields(choices.below(3)).await;
    open.leave();
}

/// Is made of two.
#[async_context_manager(shielded)]
async fn made(place: Arc<Place>, mut choices: Choices) -> &Open {
    let open = Open::new(place);
    // Not of the place: while this one enters, nobody waits for them.
    let own = Arc::<Place>::default();
    let (outer, inner) = (Place::within(&own), Place::within(&own));
    with!(owning(Arc::clone(&outer), choices.part()), borrowing(Arc::clone(&inner), choices.part()) => {
        outer.begin();
        inner.begin();
        r#yield!(&open);
    });
    assert_eq!(own.open.load(Ordering::SeqCst), 0, "left before what is in it");
    open.check();
    open.leave();
}

struct Type(Option<Open>, Choices);

impl AsyncContextManager for Type {
    type Value<'v> = &'v mut Choices;
    type Exit = ();

    async fn enter(&mut self) -> &mut Choices {
        yields(self.1.below(3)).await;
        &mut self.1
    }

    async fn exit(&mut self, _outcome: Outcome) {
        let open = self.0.take().expect("it is left once");
        open.check();
        yields(self.1.below(3)).await;
        open.leave();
    }
}

/// Not shielded, and so left in part when it is dropped.
#[async_context_manager]
async fn plain(mut choices: Choices) {
    yields(choices.below(3)).await;
    r#yield!();
    yields(choices.below(3)).await;
}

/// Not shielded, and drops its block sometimes.
#[async_context_manager(suppress)]
async fn limited(mut choices: Choices) {
    tokio::select! {
        biased;
        () = yields(1 + choices.below(12)) => {}
        _ = async { r#yield!() } => {}
    }
    yields(choices.below(3)).await;
}

/// A program of this depth.
fn program(around: Arc<Place>, mut choices: Choices, depth: usize) -> BoxFuture<'static, ()> {
    let place = Place::within(&around);
    async move {
        if depth == 0 {
            return yields(choices.below(4)).await;
        }
        let (block, of) = (program(Arc::clone(&place), choices.part(), depth - 1), Arc::clone(&place));
        let inside = async move {
            of.begin();
            block.await;
        };
        let beside = program(Arc::clone(&around), choices.part(), depth - 1);
        let own = choices.part();
        match choices.below(11) {
            0 => with!(owning(place, own) => inside.await),
            1 => with!(borrowing(place, own) as _open => inside.await),
            2 => drop(with!(racing(place, own) => inside.await)),
            3 => with!(made(place, own) as _open => inside.await),
            4 => {
                let manager = async move { Type(Some(Open::new(place)), own).into_manager() };
                with!(manager.await.shielded() => inside.await);
            }
            9 => drop(with!(limited(own) => beside.await)),
            5 => with!(plain(own) => beside.await),
            6 => with!(owning(place, own).shielded() => { futures::join!(inside, beside); }),
            7 => {
                futures::future::select(beside, Box::pin(yields(choices.below(8)))).await;
            }
            8 => {
                let _stacked = with!(AsyncExitStack::<()>::new() as stack => {
                    stack.enter(stacked(Arc::clone(&place), own)).await;
                    inside.await;
                });
            }
            _ => {
                program(Arc::clone(&around), choices.part(), depth - 1).await;
                beside.await;
            }
        }
    }
    .boxed()
}

/// From that of proptest on, by which a failure is repeated.
fn seeds() -> impl Iterator<Item = u64> {
    let first = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => TestRunner::default().rng().next_u64(),
    };
    (0..u64::from(tests::cases(2_000))).map(move |n| first.wrapping_add(n))
}

#[test]
fn withs_that_are_dropped_after_any_number_of_polls_are_left_in_order() {
    let mut opened = 0;
    for seed in seeds() {
        let mut choices = Choices::new(seed);
        let root = Arc::<Place>::default();
        let mut running = program(Arc::clone(&root), choices.part(), 5);
        for _ in 0..choices.below(30) {
            if (&mut running).now_or_never().is_some() {
                break;
            }
        }
        drop(running);
        drain();
        assert_eq!(root.open.load(Ordering::SeqCst), 0, "with the seed {seed}");
        opened += root.opened.load(Ordering::SeqCst);
    }
    assert!(opened > seeds().count(), "{opened}");
}

#[test]
fn tasks_that_are_aborted_at_any_time_leave_their_managers_in_order() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("it starts");
    let roots: Vec<_> = seeds().map(|seed| (seed, Arc::<Place>::default())).collect();
    runtime.block_on(async {
        for (seed, root) in &roots {
            let mut choices = Choices::new(*seed);
            let task = tokio::spawn(program(Arc::clone(root), choices.part(), 5));
            yields(choices.below(10)).await;
            task.abort();
            let ended = task.await;
            assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()), "with the seed {seed}");
        }
        rescue::drain().await;
    });
    for (seed, root) in &roots {
        assert_eq!(root.open.load(Ordering::SeqCst), 0, "with the seed {seed}");
    }
}
