//! A `with!` allocates nothing, and its future is not much larger than what it stands for.

#![allow(clippy::never_loop, reason = "blocks that always jump are what is tested")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Once;
use std::task::{Context, Poll, Waker};

use async_context_manager::{AsyncContextManager, Catch, Outcome, async_context_manager, rescue, with};

/// Counts the allocations of each thread, and those that it frees.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: all is done by the system's allocator, with the arguments as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract of this function, which is that of the other.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + 1);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `run` allocates. What it loses is not written, which would.
fn allocations<T>(run: impl FnOnce() -> T) -> usize {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| rescue::set_hook(|_loss| {}));
    let before = ALLOCATIONS.get();
    black_box(run());
    ALLOCATIONS.get() - before
}

/// Polls a future to its end.
fn spin<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Polls a future that often, and drops it.
fn drop_after<F: Future>(polls: usize, future: F) {
    let mut future = pin!(future);
    for _ in 0..polls {
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

/// Pends once.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[async_context_manager]
async fn plain(n: u32) -> &mut [u32; 4] {
    let mut local = [n; 4];
    pause().await;
    r#yield!(&mut local);
    pause().await;
    black_box(local);
}

#[async_context_manager]
async fn fallible(fails: u8) -> Result<&mut u32, &'static str> {
    let mut local = 5;
    if fails == 1 {
        return Err("entering");
    }
    pause().await;
    let outcome = r#yield!(&mut local);
    pause().await;
    black_box(outcome);
    if fails == 2 { Err("leaving") } else { Ok(()) }
}

#[async_context_manager]
async fn composed(fails: u8) -> Result<(&mut [u32; 4], &mut u32), &'static str> {
    with!(plain(1) as a, fallible(fails) as b, plain(2) => {
        r#yield!((a, b));
    })
}

#[async_context_manager]
async fn composed_twice(fails: u8) -> Result<&mut u32, &'static str> {
    with!(composed(fails) as (_, number) => with!(plain(3) => { r#yield!(number); }))
}

/// The block, unless it takes too many polls; without a box.
#[async_context_manager]
async fn races(polls: u32) -> Result<&mut u32, &'static str> {
    let mut local = 0;
    let mut left = polls;
    let outcome = {
        let mut block = pin!(async { r#yield!(&mut local) });
        poll_fn(|cx| match block.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await
    };
    black_box(local);
    outcome.map(drop).ok_or("lost")
}

#[async_context_manager]
async fn selects() -> Result<&mut u32, &'static str> {
    let mut local = 0;
    tokio::select! {
        biased;
        _ = async { r#yield!(&mut local) } => Ok(()),
        () = async { pause().await; pause().await } => Err("lost"),
    }
}

#[test]
fn are_counted() {
    assert_eq!(allocations(|| Box::new(5)), 1);
    assert_eq!(allocations(|| 5), 0);
    assert_eq!(allocations(|| spin(async { with!(plain(5) => Box::new(5)) })), 1);
}

mod nothing {
    use super::*;

    async fn ways(way: u8) -> Result<u32, &'static str> {
        loop {
            let sum = with!(plain(1) as local => {
                pause().await;
                match way {
                    0 => Err("error")?,
                    1 => return Ok(1),
                    2 => return Err("returned"),
                    3 => break Ok(3),
                    _ => local.iter().sum(),
                }
            });
            break Ok(sum);
        }
    }

    #[test]
    fn nothing_is_allocated_on_each_way_out() {
        for way in 0..5 {
            assert_eq!(allocations(|| spin(ways(way))), 0, "way {way}");
        }
        assert_eq!(spin(ways(4)), Ok(4));
    }

    async fn fails(fails: u8) -> Result<u32, &'static str> {
        with!(fallible(fails) as number => {
            pause().await;
            *number
        })
    }

    #[test]
    fn nothing_is_allocated_when_a_manager_fails() {
        for (when, result) in [(0, Ok(5)), (1, Err("entering")), (2, Err("leaving"))] {
            assert_eq!(allocations(|| assert_eq!(spin(fails(when)), result)), 0);
        }
    }

    #[test]
    fn nothing_is_allocated_when_it_is_dropped() {
        for polls in 0..4 {
            assert_eq!(allocations(|| drop_after(polls, ways(4))), 0, "after {polls} polls");
        }
    }

    #[test]
    fn nothing_is_allocated_in_a_header_of_several() {
        async fn several(fails: u8) -> Result<u32, &'static str> {
            with!(plain(1) as a, fallible(fails) as b, plain(*b) as c => {
                pause().await;
                a[0] + c[0]
            })
        }
        for fails in 0..3 {
            assert_eq!(allocations(|| spin(several(fails))), 0);
        }
        assert_eq!(allocations(|| drop_after(4, several(0))), 0);
    }

    #[test]
    fn a_boxed_manager_is_one_allocation() {
        async fn boxed(way: u8) -> usize {
            with!(plain(5).boxed() as numbers => {
                if way == 1 {
                    pause().await;
                }
                numbers.len()
            })
        }
        assert_eq!(allocations(|| spin(boxed(0))), 1);
        assert_eq!(allocations(|| spin(boxed(1))), 1);
        assert_eq!(allocations(|| drop_after(2, boxed(1))), 1);
        assert_eq!(allocations(|| drop(plain(5).boxed())), 1);
    }

    async fn compose(fails: u8, error: bool) -> Result<u32, &'static str> {
        with!(composed_twice(fails) as number => {
            pause().await;
            if error { Err("error")?; }
            *number
        })
    }

    #[test]
    fn nothing_is_allocated_in_managers_that_are_made_of_others() {
        for fails in 0..3 {
            // An error that another one replaces is told, which takes room.
            for error in [true, false].into_iter().filter(|error| !error || fails == 0) {
                assert_eq!(allocations(|| spin(compose(fails, error))), 0);
            }
        }
        for polls in 0..9 {
            assert_eq!(allocations(|| drop_after(polls, compose(0, false))), 0, "after {polls} polls");
        }
    }

    async fn race(polls: u32) -> Result<u32, &'static str> {
        with!(races(polls) as number => {
            pause().await;
            *number += 1;
            pause().await;
            *number
        })
    }

    #[test]
    fn nothing_is_allocated_in_managers_that_race() {
        assert_eq!(allocations(|| assert_eq!(spin(race(2)), Ok(1))), 0);
        assert_eq!(allocations(|| assert_eq!(spin(race(1)), Err("lost"))), 0);
        assert_eq!(allocations(|| drop_after(1, race(2))), 0);
    }

    #[test]
    fn nothing_is_allocated_in_managers_that_select() {
        async fn run(pauses: u32) -> Result<u32, &'static str> {
            with!(selects() as number => {
                for _ in 0..pauses {
                    pause().await;
                    *number += 1;
                }
                *number
            })
        }
        assert_eq!(allocations(|| assert_eq!(spin(run(1)), Ok(1))), 0);
        assert_eq!(allocations(|| assert_eq!(spin(run(3)), Err("lost"))), 0);
        assert_eq!(allocations(|| drop_after(1, run(3))), 0);
    }

    #[async_context_manager(catch, suppress)]
    async fn catching(suppresses: bool) -> Result<&mut u32, &'static str> {
        let mut local = 5;
        let outcome = r#yield!(&mut local);
        pause().await;
        black_box(local);
        if suppresses { Ok(()) } else { outcome.into_result() }
    }

    #[test]
    fn nothing_is_allocated_in_managers_that_catch_and_suppress() {
        async fn run(suppresses: bool, way: u8) -> Result<Option<u32>, &'static str> {
            with!(catching(suppresses) as number => {
                pause().await;
                match way {
                    0 => *number,
                    1 => Err("error")?,
                    _ => return Err("returned"),
                }
            })
        }
        for (suppresses, way, result) in [
            (false, 0, Ok(Some(5))),
            (false, 1, Err("error")),
            (false, 2, Err("returned")),
            (true, 1, Ok(None)),
            (true, 2, Ok(None)),
        ] {
            assert_eq!(allocations(|| assert_eq!(spin(run(suppresses, way)), result)), 0, "{suppresses} {way}");
        }
        for polls in 0..3 {
            assert_eq!(allocations(|| drop_after(polls, run(false, 1))), 0, "after {polls} polls");
        }
    }

    struct Member(u32);

    impl AsyncContextManager for Member {
        type Value<'v> = &'v mut u32;
        type Exit = Catch<&'static str>;

        async fn enter(&mut self) -> Result<&mut u32, &'static str> {
            pause().await;
            if self.0 == 0 { Err("entering") } else { Ok(&mut self.0) }
        }

        async fn exit(&mut self, outcome: Outcome<&'static str>) -> Result<(), &'static str> {
            pause().await;
            outcome.into_result()
        }
    }

    #[test]
    fn nothing_is_allocated_with_types() {
        async fn run(member: u32, fail: bool) -> Result<u32, &'static str> {
            with!(Member(member) as number, &mut Member(7) as other => {
                pause().await;
                if fail { Err("error")?; }
                *number + *other
            })
        }
        for (member, fail, result) in [(1, false, Ok(8)), (1, true, Err("error")), (0, true, Err("entering"))] {
            assert_eq!(allocations(|| assert_eq!(spin(run(member, fail)), result)), 0);
        }
        for polls in 0..5 {
            assert_eq!(allocations(|| drop_after(polls, run(1, true))), 0, "after {polls} polls");
        }
    }

    #[test]
    fn nothing_is_allocated_in_a_scope() {
        async fn run(fail: bool) -> Result<Option<Result<u32, &'static str>>, &'static str> {
            let more = 1;
            catching(false)
                .scope(async |number| {
                    pause().await;
                    if fail { Err("error") } else { Ok(*number + more) }
                })
                .await
        }
        assert_eq!(allocations(|| assert_eq!(spin(run(false)), Ok(Some(Ok(6))))), 0);
        assert_eq!(allocations(|| assert_eq!(spin(run(true)), Err("error"))), 0);
        for polls in 0..3 {
            assert_eq!(allocations(|| drop_after(polls, run(false))), 0, "after {polls} polls");
        }
    }

    #[test]
    fn nothing_is_allocated_but_one_for_what_is_shielded() {
        #[async_context_manager(shielded)]
        async fn shielded() -> &mut u32 {
            let mut local = 5;
            pause().await;
            r#yield!(&mut local);
            pause().await;
        }
        async fn run() -> u32 {
            with!(shielded() as number => {
                pause().await;
                *number
            })
        }
        assert_eq!(allocations(|| assert_eq!(spin(run()), 5)), 1);
        assert_eq!(allocations(|| spin(async { with!(plain(5).shielded() as local => local[0]) })), 1);
    }

    #[test]
    fn nothing_is_allocated_in_a_loop() {
        async fn many() -> u32 {
            let mut sum = 0;
            for n in 0..100 {
                with!(plain(n) as local => sum += local[0]);
            }
            sum
        }
        assert_eq!(allocations(|| spin(many())), 0);
    }
}

/// What a `with!` adds to the same written by hand, with the panic caught, in bytes. The aim is 64; this keeps it from
/// growing.
mod size {
    use super::*;
    use futures::FutureExt;
    use std::panic::{AssertUnwindSafe, resume_unwind};

    const MOST: usize = 104;

    async fn acquire() -> [u64; 4] {
        pause().await;
        [5; 4]
    }

    async fn release(local: [u64; 4]) {
        pause().await;
        black_box(local);
    }

    #[async_context_manager]
    async fn manager() -> &mut [u64; 4] {
        let mut local = acquire().await;
        r#yield!(&mut local);
        release(local).await;
    }

    async fn work(local: &mut [u64; 4]) -> u64 {
        pause().await;
        local[0]
    }

    async fn with_value() -> u64 {
        with!(manager() as local => work(local).await)
    }

    async fn by_hand_with_value() -> u64 {
        let mut local = acquire().await;
        let result = AssertUnwindSafe(async { work(&mut local).await }).catch_unwind().await;
        release(local).await;
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    #[test]
    fn size_of_a_with_that_has_a_value_is_limited() {
        let (with, by_hand) = (size_of_val(&with_value()), size_of_val(&by_hand_with_value()));
        assert!(with <= by_hand + MOST, "{with} bytes, by hand {by_hand}");
    }

    #[async_context_manager]
    async fn lends_by_value() -> [u64; 1000] {
        r#yield!([5; 1000]);
    }

    #[test]
    fn value_that_is_lent_by_value_is_stored_three_times_at_most() {
        let with = async { with!(lends_by_value() as value => { pause().await; value[0] }) };
        let bytes = size_of_val(&with);
        assert!(bytes <= 3 * size_of::<[u64; 1000]>() + 2 * MOST, "{bytes} bytes");
    }

    async fn with_error() -> Result<u64, String> {
        let number = with!(manager() as local => {
            let number = work(local).await;
            if number == 0 { Err("zero")?; }
            number
        });
        Ok(number)
    }

    async fn by_hand_with_error() -> Result<u64, String> {
        let mut local = acquire().await;
        let block = async {
            let number = work(&mut local).await;
            if number == 0 {
                Err("zero")?;
            }
            Ok(number)
        };
        let result = AssertUnwindSafe(block).catch_unwind().await;
        release(local).await;
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    #[test]
    fn size_of_a_with_that_has_a_question_mark_is_limited() {
        let (with, by_hand) = (size_of_val(&with_error()), size_of_val(&by_hand_with_error()));
        assert!(with <= by_hand + MOST, "{with} bytes, by hand {by_hand}");
    }

    #[test]
    fn large_local_is_stored_once() {
        #[async_context_manager]
        async fn large() -> &mut [u8; 4096] {
            let mut local = [5; 4096];
            r#yield!(&mut local);
            pause().await;
            black_box(&local);
        }
        async fn run() -> u8 {
            with!(large() as local => {
                pause().await;
                local[0]
            })
        }
        let size = size_of_val(&run());
        assert!(size < 2 * 4096, "{size}");
    }

    #[test]
    fn large_block_is_stored_once() {
        async fn run() -> u8 {
            with!(plain(5) => {
                let large = [5; 4096];
                pause().await;
                black_box(&large)[0]
            })
        }
        let size = size_of_val(&run());
        assert!(size < 2 * 4096, "{size}");
    }

    #[test]
    fn manager_of_a_large_type_is_stored_once() {
        struct Large([u8; 4096]);

        impl AsyncContextManager for Large {
            type Value<'v> = &'v mut [u8; 4096];
            type Exit = ();

            async fn enter(&mut self) -> &mut [u8; 4096] {
                &mut self.0
            }

            async fn exit(&mut self, _outcome: Outcome) {
                pause().await;
            }
        }

        async fn run(large: Large) -> u8 {
            with!(large as local => {
                pause().await;
                local[0]
            })
        }
        let size = size_of_val(&run(Large([5; 4096])));
        // It is an argument, too.
        assert!(size < 3 * 4096, "{size}");
    }

    #[test]
    fn size_of_a_time_limit_is_limited() {
        use std::time::Duration;

        async fn with_limit() -> Result<(), tokio::time::error::Elapsed> {
            with!(async_context_manager::timeout(Duration::from_secs(1)) => { pause().await })
        }
        async fn by_tokio() -> Result<(), tokio::time::error::Elapsed> {
            tokio::time::timeout(Duration::from_secs(1), pause()).await
        }
        let (with, by_tokio) = (size_of_val(&with_limit()), size_of_val(&by_tokio()));
        assert!(with < by_tokio + 3 * size_of::<tokio::time::Sleep>(), "{with} bytes, tokio's {by_tokio}");
    }
}

/// How many allocations `run` makes and does not free.
fn leaked<T>(run: impl FnOnce() -> T) -> usize {
    let freed = FREED.get();
    let allocated = allocations(|| drop(run()));
    allocated - (FREED.get() - freed)
}

#[test]
fn manager_in_a_box_frees_the_box() {
    #[async_context_manager]
    async fn manager() -> Result<&mut u32, u32> {
        poll_fn(|_| Poll::Ready(())).await;
        r#yield!(&mut 1);
        Err(2)
    }
    assert_eq!(leaked(|| spin(async { with!(manager().boxed() as one => { *one }) })), 0);
    assert_eq!(leaked(|| spin(async { with!(manager().boxed_local() as one => { *one }) })), 0);
    assert_eq!(leaked(|| spin(manager().boxed().scope(async |one| *one))), 0);
    assert_eq!(leaked(|| spin(async { with!(manager().shielded() as one => { *one }) })), 0);
    assert_eq!(leaked(|| drop_after(1, async { with!(manager().boxed() as _one => pending::<u32>().await) })), 0);
}
