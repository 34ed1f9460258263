//! Many managers at once: how the cost of one more grows with their number.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::task::Poll;

use async_context_manager::{AsyncExitStack, async_context_manager, cancel_scope, rescue, with};

use super::{Series, per};
use crate::contestants::{keep_rescues, managed, run_rescues};
use crate::measure::heap;
use crate::measure::instructions::Work;
use crate::resource::{Books, Resource};
use crate::scenario::{Ended, drop_in_block, spin};

/// How many there are.
const MANY: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];

/// The name of many of them, the name of one, and a function that runs the given number of them.
const WAYS: [(&str, &str, fn(u32)); 4] = [
    ("managers on an exit stack", "manager", stacked),
    ("rescues under way", "rescue", rescued),
    ("managers in a scope that stops", "manager", stopped),
    ("managers on a stack in a scope that stops", "manager", stopped_on_a_stack),
];

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

#[async_context_manager]
async fn slow_to_release() -> &mut Resource {
    let mut resource = Resource::acquire(false).await;
    r#yield!(&mut resource);
    resource.release(true).await;
}

/// Drops so many scopes in their blocks, and runs their rescues when all of them are under way.
fn rescued(scopes: u32) {
    keep_rescues();
    let scope = async || {
        with!(slow_to_release().shielded() as resource => {
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

/// Enters so many in the block of one scope, next to each other, and stops the scope when all of them are in their blocks.
fn stopped(managers: u32) {
    let manager = async || {
        with!(slow_to_release() as resource => {
            resource.add(1);
            pending::<()>().await;
        });
    };
    stop_all(managers, async || {
        with!(cancel_scope() as scope => {
            let mut all: Vec<_> = (0..managers).map(|_| Box::pin(manager())).collect();
            let poll_all = poll_fn(|cx| {
                for one in &mut all {
                    assert!(one.as_mut().poll(cx).is_pending(), "it has no value");
                }
                scope.cancel();
                Poll::<()>::Pending
            });
            poll_all.await;
        })
    });
}

/// Enters so many on one exit stack, in the block of a scope that is then stopped.
fn stopped_on_a_stack(managers: u32) {
    stop_all(managers, async || {
        with!(cancel_scope() as scope => {
            let left = with!(AsyncExitStack::<Infallible>::new() as stack => {
                for _ in 0..managers {
                    stack.enter(slow_to_release()).await.add(1);
                }
                scope.cancel();
                pending::<()>().await;
            });
            let Ok(()) = left;
        })
    });
}

/// Runs a scope that is stopped; so many must then have been released.
fn stop_all(managers: u32, scope: impl AsyncFn() -> Option<()>) {
    let before = Books::look();
    let is_stopped = async || if scope().await.is_none() { Ended::Dropped } else { Ended::Value(0) };
    assert_eq!(spin(1, is_stopped), Ended::Dropped);
    assert_eq!(Books::look().since(before).released, u64::from(managers));
}

/// Returns the functions whose instructions are counted, in the order in which [`series`] takes the counts.
pub(super) fn works() -> Vec<Work<'static>> {
    // From few to many, because the allocator has to tidy up after many.
    let works = MANY.into_iter().flat_map(|number| WAYS.map(|(_, _, run)| (number, run)));
    works.map(|(number, run)| Box::new(move || run(number)) as Work<'_>).collect()
}

pub(super) fn series(counts: &[u64]) -> Vec<Series> {
    let of = |at: usize| {
        let (more_of, name, run) = WAYS[at];
        let counts = counts.iter().skip(at).step_by(WAYS.len());
        let instructions = MANY.into_iter().zip(counts).map(|(number, &count)| (number, per(count, number)));
        let bytes = MANY.map(|number| (number, per(heap::used(|| run(number)).peak_bytes as u64, number)));
        let series = |unit, points| Series { name, unit, more_of, points };
        [series("instructions", instructions.collect()), series("bytes on the heap at most", bytes.into())]
    };
    (0..WAYS.len()).flat_map(of).collect()
}
