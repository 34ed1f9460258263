//! Faults of the code around a `with!`, and of the code in it: wakers that panic, budgets that are used up, errors that
//! panic when they are dropped, errors that nobody receives.

#![allow(clippy::manual_assert, clippy::similar_names, reason = "panics are what is tested")]

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use async_context_manager::rescue::{self, LossKind};
use async_context_manager::{AsyncExitStack, Catch, Suppress, async_context_manager, with};
use futures::future::{FutureExt, Shared};
use futures::stream::{self, FuturesUnordered, StreamExt};
use tests::{Log, block_on, drop_after, in_child, panic_message, yields};
use tokio::sync::Notify;

mod faults {
    mod budget;
    mod depth;
    mod losses;
    mod wakers;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the hook is told of while `run` is run in a process of its own, which is this test once more.
fn losses(test: &str, run: impl FnOnce()) -> Vec<(String, LossKind)> {
    let mut told = Vec::new();
    let child = in_child(test, || {
        let all = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&all);
        rescue::set_hook(move |loss| lock(&list).push((loss.manager().to_string(), loss.kind())));
        run();
        futures::executor::block_on(rescue::drain());
        for (manager, kind) in lock(&all).iter() {
            println!("loss: {manager} {kind:?}");
        }
    });
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    for line in said.lines() {
        // The harness writes the name of the test on the line of the first one.
        let Some((_, loss)) = line.split_once("loss: ") else { continue };
        let (manager, kind) = loss.rsplit_once(' ').expect("a name and a kind");
        told.push((manager.to_string(), kind_of(kind)));
    }
    told
}

/// Runs `run` in a child process without a hook. Returns the lines that this crate writes to standard error.
fn said(test: &str, run: impl FnOnce()) -> Vec<String> {
    let child = in_child(test, || {
        run();
        futures::executor::block_on(rescue::drain());
    });
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{said}");
    said.lines().filter_map(|line| line.strip_prefix("async-context-manager: ")).map(String::from).collect()
}

fn kind_of(kind: &str) -> LossKind {
    let all = [LossKind::Failed, LossKind::Panicked, LossKind::Unfinished, LossKind::Replaced];
    all.into_iter().find(|known| format!("{known:?}") == kind).expect("a kind")
}

/// A callback that panics.
#[allow(clippy::unused_async, reason = "a callback is async")]
async fn panics_with(message: &'static str) {
    std::panic::panic_any(message);
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the drop of an error");
    }
}

/// Errors that panic when they are dropped.
mod errors_that_panic_when_they_are_dropped {
    use super::*;

    #[async_context_manager]
    async fn fails() -> Result<(), Bomb> {
        r#yield!();
        Err(Bomb)
    }

    /// Its own type.
    struct Fails;

    impl async_context_manager::AsyncContextManager for Fails {
        type Value<'v> = ();
        type Exit = Result<(), Bomb>;

        async fn enter(&mut self) -> Result<(), Bomb> {
            Ok(())
        }

        async fn exit(&mut self, _outcome: async_context_manager::Outcome) -> Result<(), Bomb> {
            Err(Bomb)
        }
    }

    #[async_context_manager(catch, suppress)]
    async fn takes() -> Result<(), Bomb> {
        let outcome = r#yield!();
        std::mem::forget(outcome);
        Err(Bomb)
    }

    /// Runs it in a process of its own, as it may end that.
    fn is_unharmed(test: &str, run: impl FnOnce()) {
        losses(&format!("errors_that_panic_when_they_are_dropped::{test}"), run);
    }

    #[test]
    fn panic_of_the_block_goes_on_when_an_error_panics_in_its_drop() {
        is_unharmed("panic_of_the_block_goes_on_when_an_error_panics_in_its_drop", || {
            assert_eq!(panic_message(async { with!(fails() => panic!("block")).map_err(drop) }), "block");
            assert_eq!(panic_message(async { with!(Fails => panic!("block")).map_err(drop) }), "block");
            assert_eq!(panic_message(async { with!(takes() => { panic!("block") }).is_err() }), "block");
        });
    }

    #[test]
    fn panic_of_the_block_goes_on_through_nested_managers_whose_errors_panic() {
        is_unharmed("panic_of_the_block_goes_on_through_nested_managers_whose_errors_panic", || {
            let nested = async { with!(fails(), fails(), fails() => panic!("block")).map_err(drop) };
            assert_eq!(panic_message(nested), "block");
            let shielded = async { with!(fails().shielded(), fails() => panic!("block")).map_err(drop) };
            assert_eq!(panic_message(shielded), "block");
        });
    }

    #[test]
    fn drop_is_a_cancellation_when_an_error_panics_in_its_drop() {
        let told = losses(
            "errors_that_panic_when_they_are_dropped::drop_is_a_cancellation_when_an_error_panics_in_its_drop",
            || {
                for _ in 0..2 {
                    drop_after(1, async { with!(fails() => pending::<()>().await).map_err(std::mem::forget) });
                    drop_after(1, async { with!(Fails => pending::<()>().await).map_err(std::mem::forget) });
                    let nested =
                        async { with!(fails(), fails().shielded() => pending::<()>().await).map_err(std::mem::forget) };
                    drop_after(1, nested);
                }
            },
        );
        assert_eq!(told.len(), 8);
        assert!(told.iter().all(|(_, kind)| *kind == LossKind::Failed), "{told:?}");
    }

    #[test]
    fn error_that_panics_in_its_drop_on_a_stack_leaves_all_managers() {
        is_unharmed("error_that_panics_in_its_drop_on_a_stack_leaves_all_managers", || {
            let both = panic_message(async {
                let mut stack = AsyncExitStack::<Bomb>::new();
                stack.callback(|| panics_with("older"));
                stack.callback(async || Err(Bomb));
                stack.close().await.map_err(std::mem::forget)
            });
            assert_eq!(both, "older");
            let both = panic_message(async {
                let mut stack = AsyncExitStack::<Bomb>::new();
                stack.callback(async || Err(Bomb));
                stack.callback(|| panics_with("younger"));
                stack.close().await.map_err(std::mem::forget)
            });
            assert_eq!(both, "younger");
            let mut stack = AsyncExitStack::<Bomb>::new();
            stack.callback(async || Err(Bomb));
            stack.callback(async || Err(Bomb));
            block_on(stack.close()).map_err(std::mem::forget).unwrap_err();
        });
    }
}
