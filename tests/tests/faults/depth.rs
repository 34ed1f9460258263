//! A nest of `with!`s that can be polled on a stack can be dropped on it.

use std::cell::Cell;
use std::thread;

use super::super::*;

#[async_context_manager]
async fn plain() {
    r#yield!();
}

#[async_context_manager]
async fn lends() -> &mut u32 {
    let mut value = 5;
    r#yield!(&mut value);
}

#[async_context_manager]
async fn fails() -> Result<(), String> {
    r#yield!();
    Ok(())
}

#[async_context_manager]
async fn in_async() {
    async { r#yield!() }.await;
}

#[async_context_manager(shielded)]
async fn shielded() {
    r#yield!();
    yields(1).await;
}

thread_local! {
    /// Where the stack was at the deepest place that was looked at.
    static DEEPEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Looks at where the stack is.
#[inline(never)]
fn look() {
    let here = 0_u8;
    DEEPEST.set(DEEPEST.get().min(std::ptr::from_ref(&here).addr()));
}

struct Looks;

impl Drop for Looks {
    fn drop(&mut self) {
        look();
    }
}

type Nest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The deepest block of a nest.
async fn deepest() {
    let _looks = Looks;
    look();
    pending::<()>().await;
}

macro_rules! nest {
    ($name:ident, $manager:ident) => {
        fn $name(depth: usize) -> Nest {
            Box::pin(async move {
                if depth == 0 {
                    deepest().await;
                } else {
                    let _ = with!($manager() as _value => $name(depth - 1).await);
                }
            })
        }
    };
}

nest!(of_plain, plain);
nest!(of_lending, lends);
nest!(of_failing, fails);
nest!(of_racing, in_async);
nest!(of_shielded, shielded);

/// How much of the stack `run` takes.
fn stack_of(run: impl FnOnce()) -> usize {
    let here = 0_u8;
    let before = std::ptr::from_ref(&here).addr();
    DEEPEST.set(before);
    run();
    before - DEEPEST.get()
}

const DEPTH: usize = 200;

/// How much of the stack a level takes, polled and dropped.
fn a_level(nest: fn(usize) -> Nest) -> [usize; 2] {
    let of = move |depth| {
        let mut nest = nest(depth);
        let polled = stack_of(|| assert!(nest.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()));
        let dropped = stack_of(|| drop(nest));
        [polled, dropped]
    };
    let in_thread = move || thread::Builder::new().stack_size(64 << 20).spawn(move || [of(DEPTH), of(2 * DEPTH)]);
    let [few, many] = in_thread().expect("it starts").join().expect("it does not panic");
    [(many[0] - few[0]) / DEPTH, (many[1] - few[1]) / DEPTH]
}

const NESTS: [(&str, fn(usize) -> Nest); 4] =
    [("plain", of_plain), ("lends", of_lending), ("fails", of_failing), ("shielded", of_shielded)];

#[test]
fn dropping_nested_withs_takes_no_more_stack_than_polling() {
    for (name, nest) in NESTS {
        let [polled, dropped] = a_level(nest);
        assert!(dropped <= polled, "{name}: {dropped} bytes of the stack for a level, and {polled} to poll it");
    }
    futures::executor::block_on(rescue::drain());
}

/// One whose marker is in an `async` block is polled in its drop, in a place that catches its panics and has a budget
/// of its own.
#[test]
fn dropping_withs_with_detached_markers_takes_little_more_stack_than_polling() {
    let [polled, dropped] = a_level(of_racing);
    assert!(4 * dropped <= 5 * polled, "{dropped} bytes of the stack for a level, and {polled} to poll it");
}

/// Runs `run` on a stack of that size.
fn on_a_stack_of(bytes: usize, run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(bytes).spawn(run).expect("it starts");
    thread.join().expect("it does not panic");
}

fn poll_and_drop(mut nest: Nest) {
    assert!(nest.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(nest);
}

/// In a process of its own, as a stack that overflows ends that.
#[test]
fn a_stack_that_suffices_for_polling_suffices_for_dropping() {
    let child = in_child("faults::depth::a_stack_that_suffices_for_polling_suffices_for_dropping", || {
        for (_name, nest) in NESTS {
            let [polled, _dropped] = a_level(nest);
            on_a_stack_of(1000 * polled + (128 << 10), move || poll_and_drop(nest(1000)));
            futures::executor::block_on(rescue::drain());
        }
    });
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn two_thousand_nested_shielded_managers_are_rescued() {
    let child = in_child("faults::depth::two_thousand_nested_shielded_managers_are_rescued", || {
        on_a_stack_of(64 << 20, || poll_and_drop(of_shielded(2000)));
        let drained = rescue::drain_timeout(std::time::Duration::from_secs(50));
        futures::executor::block_on(drained).expect("they end");
    });
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// Is left when it is told to.
#[async_context_manager(shielded)]
async fn held(leave: Shared<futures::channel::oneshot::Receiver<()>>) {
    r#yield!();
    leave.await.expect("the test says so");
}

/// Those that are left at once, and the one that is left when the test says so.
struct Gates {
    open: Shared<futures::channel::oneshot::Receiver<()>>,
    last: Shared<futures::channel::oneshot::Receiver<()>>,
}

/// Each block has left something when it is dropped, and the deepest one ends last.
fn of_two_each(depth: usize, gates: Arc<Gates>) -> Nest {
    Box::pin(async move {
        let gate = if depth == 0 { &gates.last } else { &gates.open };
        let mut beside = Box::pin(async { with!(held(gate.clone()) => pending::<()>().await) });
        assert!((&mut beside).now_or_never().is_none());
        if depth == 0 {
            pending::<()>().await;
        }
        with!(plain() => {
            let _beside = beside;
            of_two_each(depth - 1, Arc::clone(&gates)).await;
        });
    })
}

/// What is told of the deepest one is told by all, one after the other, and not one in another.
#[test]
fn the_end_of_the_deepest_of_two_thousand_blocks_does_not_overflow_the_stack() {
    let child =
        in_child("faults::depth::the_end_of_the_deepest_of_two_thousand_blocks_does_not_overflow_the_stack", || {
            let ((open, opens), (last, is_last)) =
                (futures::channel::oneshot::channel(), futures::channel::oneshot::channel());
            let gates = Arc::new(Gates { open: opens.shared(), last: is_last.shared() });
            on_a_stack_of(64 << 20, || poll_and_drop(of_two_each(2000, gates)));
            open.send(()).expect("they wait");
            while rescue::pending().len() > 1 {
                thread::yield_now();
            }
            last.send(()).expect("it waits");
            futures::executor::block_on(rescue::drain());
        });
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

type Gate = Shared<futures::channel::oneshot::Receiver<()>>;

/// Groups in tasks of groups.
fn of_groups(depth: usize, gate: Gate) -> Nest {
    Box::pin(async move {
        if depth == 0 {
            with!(held(gate) => pending::<()>().await);
        } else {
            let _ended = with!(async_context_manager::task_group::<()>() as group => {
                group.spawn(of_groups(depth - 1, gate).map(Ok));
                pending::<()>().await;
            });
        }
    })
}

#[test]
fn the_end_of_the_innermost_of_two_thousand_groups_does_not_overflow_the_stack() {
    let child =
        in_child("faults::depth::the_end_of_the_innermost_of_two_thousand_groups_does_not_overflow_the_stack", || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            let (open, opens) = futures::channel::oneshot::channel();
            runtime.block_on(async {
                let mut groups = of_groups(2000, opens.shared());
                assert!((&mut groups).now_or_never().is_none());
                yields(3000).await;
                drop(groups);
                while rescue::pending().len() != 1 {
                    yields(1).await;
                }
                open.send(()).expect("it waits");
                rescue::drain().await;
            });
        });
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}
