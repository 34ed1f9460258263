//! Errors and panics that nobody receives are told of.

use super::super::*;

/// Races its block, and fails then.
#[async_context_manager]
async fn races_and_fails() -> Result<(), u8> {
    tokio::select! {
        biased;
        _ = async { r#yield!() } => {}
        () = yields(1) => {}
    }
    Err(5)
}

/// The same, with a panic.
#[async_context_manager]
async fn races_and_panics() {
    tokio::select! {
        biased;
        _ = async { r#yield!() } => {}
        () = yields(1) => {}
    }
    panic!("leaving");
}

/// The same, and all is well.
#[async_context_manager(suppress)]
async fn races() {
    tokio::select! {
        biased;
        _ = async { r#yield!() } => {}
        () = yields(1) => {}
    }
}

#[async_context_manager(shielded)]
async fn is_rescued() {
    r#yield!();
    yields(3).await;
}

fn of(test: &str, run: impl FnOnce()) -> Vec<(String, LossKind)> {
    losses(&format!("faults::losses::{test}"), run)
}

#[test]
fn of_a_manager_that_waits_for_what_it_raced_away() {
    let told = of("of_a_manager_that_waits_for_what_it_raced_away", || {
        // So that the rescues do not end before.
        let kept = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&kept);
        rescue::set(move |rescue| lock(&all).push(rescue));
        drop_after(2, async { with!(races_and_fails(), is_rescued() => pending::<()>().await) });
        drop_after(2, async { with!(races_and_panics(), is_rescued() => pending::<()>().await) });
        drop_after(2, async { with!(races(), is_rescued() => pending::<()>().await) });
        std::mem::take(&mut *lock(&kept)).into_iter().for_each(block_on);
    });
    let expected = [("races_and_fails".into(), LossKind::Failed), ("races_and_panics".into(), LossKind::Panicked)];
    assert_eq!(told, expected);
}

/// A stack of which an older manager has dropped its block before that was told what is under way.
mod on_a_stack {
    use std::convert::Infallible;

    use super::*;

    /// As `races`, but that it does not look at its block when it is left.
    #[async_context_manager]
    async fn deadline() -> Result<(), &'static str> {
        tokio::select! {
            biased;
            () = yields(1) => Err("late"),
            _ = async { r#yield!() } => Ok(()),
        }
    }

    #[async_context_manager(suppress)]
    async fn moves_on() {
        tokio::select! {
            biased;
            () = yields(1) => {}
            _ = async { r#yield!() } => {}
        }
    }

    /// May not end in success.
    #[async_context_manager]
    async fn succeeds() {
        tokio::select! {
            biased;
            () = yields(1) => {}
            _ = async { r#yield!() } => {}
        }
    }

    #[async_context_manager(suppress)]
    async fn then_panics() -> Result<(), &'static str> {
        tokio::select! {
            biased;
            () = yields(1) => panic!("late"),
            _ = async { r#yield!() } => Ok(()),
        }
    }

    type Stack = AsyncExitStack<'static, &'static str>;

    fn told(kind: LossKind, managers: &[&str]) -> Vec<(String, LossKind)> {
        managers.iter().map(|manager| ((*manager).to_string(), kind)).collect()
    }

    fn of(test: &str, run: impl FnOnce()) -> Vec<(String, LossKind)> {
        super::of(&format!("on_a_stack::{test}"), run)
    }

    /// A stack with `$manager` on it, and a callback above it.
    macro_rules! closed {
        ($manager:expr, $callback:expr) => {
            async {
                let mut stack = Stack::new();
                let _value = stack.enter($manager).await;
                stack.callback($callback);
                stack.close().await
            }
        };
    }

    /// The same in a `with!`.
    macro_rules! left {
        ($manager:expr, $callback:expr) => {
            async {
                with!(Stack::new() as stack => {
                    let _value = stack.enter($manager).await;
                    stack.callback($callback);
                    7
                })
            }
        };
    }

    #[allow(clippy::unused_async, reason = "a callback is")]
    async fn panics() {
        std::panic::panic_any("of the callback");
    }

    #[allow(clippy::unused_async, reason = "a callback is")]
    async fn fails() -> Result<(), &'static str> {
        Err("of the callback")
    }

    #[test]
    fn a_panic_goes_on() {
        let lost = of("a_panic_goes_on", || {
            assert_eq!(panic_message(closed!(deadline(), panics)), "of the callback");
            assert_eq!(panic_message(left!(deadline(), panics)), "of the callback");
            assert_eq!(panic_message(closed!(moves_on(), panics)), "of the callback");
            assert_eq!(panic_message(left!(moves_on(), panics)), "of the callback");
        });
        assert_eq!(lost, told(LossKind::Failed, &["deadline", "deadline"]));
    }

    #[test]
    fn a_panic_goes_before_a_later_one() {
        let lost = of("a_panic_goes_before_a_later_one", || {
            assert_eq!(panic_message(closed!(succeeds(), panics)), "of the callback");
            assert_eq!(panic_message(left!(then_panics(), panics)), "of the callback");
        });
        assert_eq!(lost, told(LossKind::Replaced, &["succeeds", "then_panics"]));
    }

    #[test]
    fn an_error_is_replaced() {
        let lost = of("an_error_is_replaced", || {
            assert_eq!(block_on(closed!(deadline(), fails)), Err("late"));
            assert_eq!(block_on(left!(deadline(), fails)), Err("late"));
            assert_eq!(panic_message(closed!(then_panics(), fails)), "late");
        });
        assert_eq!(lost, told(LossKind::Replaced, &["deadline", "deadline", "then_panics"]));
    }

    #[test]
    fn an_error_is_suppressed_and_told() {
        let lost = of("an_error_is_suppressed_and_told", || {
            assert_eq!(block_on(closed!(moves_on(), fails)), Ok(()));
            assert_eq!(block_on(left!(moves_on(), fails)), Ok(Some(7)));
        });
        assert_eq!(lost, told(LossKind::Replaced, &["moves_on", "moves_on"]));
    }

    #[test]
    fn nothing_is_lost_when_nothing_is_under_way() {
        let lost = of("nothing_is_lost_when_nothing_is_under_way", || {
            assert_eq!(block_on(closed!(deadline(), async || {})), Err("late"));
            assert_eq!(block_on(closed!(moves_on(), async || {})), Ok(()));
            assert_eq!(block_on(left!(moves_on(), async || {})), Ok(Some(7)));
            assert_eq!(panic_message(closed!(then_panics(), async || {})), "late");
        });
        assert_eq!(lost, []);
    }

    #[test]
    fn a_time_limit_that_is_over() {
        let paused = || {
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("it starts")
        };
        let limit = std::time::Duration::from_millis(1);
        let lost = of("a_time_limit_that_is_over", || {
            let message = panic_of_blocking(|| {
                paused().block_on(async {
                    with!(AsyncExitStack::<Infallible>::new() as stack => {
                        stack.enter(async_context_manager::move_on_after(limit)).await;
                        stack.callback(panics);
                        tokio::time::sleep(5 * limit).await;
                        7
                    })
                })
            });
            assert_eq!(message, "of the callback");
            let message = panic_of_blocking(|| {
                paused().block_on(async {
                    let mut stack = AsyncExitStack::<tokio::time::error::Elapsed>::new();
                    let _entered = stack.enter(async_context_manager::timeout(limit)).await;
                    stack.callback(panics);
                    tokio::time::sleep(5 * limit).await;
                    stack.close().await
                })
            });
            assert_eq!(message, "of the callback");
        });
        assert_eq!(lost, told(LossKind::Failed, &["timeout"]));
    }

    fn panic_of_blocking<T: std::fmt::Debug>(run: impl FnOnce() -> T) -> String {
        tests::message(&*catch_unwind(AssertUnwindSafe(run)).expect_err("it panics"))
    }

    #[test]
    fn all_but_the_one_that_is_returned() {
        let lost = of("all_but_the_one_that_is_returned", || {
            let closed = block_on(async {
                let mut stack = Stack::new();
                for error in ["A", "B", "C"] {
                    stack.callback(async move || Err(error));
                }
                stack.close().await
            });
            assert_eq!(closed, Err("A"));
        });
        assert_eq!(lost, told(LossKind::Replaced, &["called_back", "called_back"]));
    }

    #[test]
    fn errors_and_panics_that_a_later_panic_replaces() {
        let lost = of("errors_and_panics_that_a_later_panic_replaces", || {
            let message = panic_message(async {
                let mut stack = Stack::new();
                stack.callback(|| panics_with("older"));
                stack.callback(panics);
                stack.callback(fails);
                stack.close().await
            });
            assert_eq!(message, "older");
        });
        assert_eq!(lost, told(LossKind::Replaced, &["called_back", "called_back"]));
    }

    #[test]
    fn errors_of_those_that_are_dropped() {
        let lost = of("errors_of_those_that_are_dropped", || {
            let stack = Stack::new();
            stack.callback(fails);
            stack.callback(fails);
            drop(stack);
        });
        assert_eq!(lost, told(LossKind::Failed, &["called_back", "called_back"]));
    }
}

/// What a later error or panic of a manager replaces.
mod replaced {
    use super::*;

    #[async_context_manager]
    async fn fails() -> Result<(), &'static str> {
        r#yield!();
        Err("leaving")
    }

    #[async_context_manager]
    async fn panics() -> Result<(), &'static str> {
        r#yield!();
        panic!("leaving");
    }

    #[async_context_manager(catch)]
    async fn catches_and_panics() -> Result<(), &'static str> {
        let _outcome = r#yield!();
        panic!("leaving");
    }

    fn of(test: &str, run: impl FnOnce()) -> Vec<(String, LossKind)> {
        super::of(&format!("replaced::{test}"), run)
    }

    fn replaced(manager: &str) -> Vec<(String, LossKind)> {
        vec![(manager.to_string(), LossKind::Replaced)]
    }

    #[test]
    fn an_error_by_an_error() {
        let lost = of("an_error_by_an_error", || {
            assert_eq!(block_on(async { with!(fails() => Err::<(), _>("block")?) }), Err("leaving"));
        });
        assert_eq!(lost, replaced("fails"));
    }

    #[test]
    fn an_error_by_a_panic() {
        let lost = of("an_error_by_a_panic", || {
            let with = async { with!(panics() => Err::<(), _>("block")?) };
            assert_eq!(panic_message(with), "leaving");
        });
        assert_eq!(lost, replaced("panics"));
    }

    #[test]
    fn a_panic_by_a_panic() {
        let lost = of("a_panic_by_a_panic", || {
            let with = async { with!(panics() => { panic!("block") }).is_ok() };
            assert_eq!(panic_message(with), "leaving");
        });
        assert_eq!(lost, replaced("panics"));
    }

    #[test]
    fn not_a_value() {
        let lost = of("not_a_value", || {
            assert_eq!(block_on(async { with!(fails() => 5) }), Err("leaving"));
            assert_eq!(panic_message(async { with!(panics() => 5) }), "leaving");
            let caught = async { with!(catches_and_panics() => Err::<(), _>("block")?) };
            assert_eq!(panic_message(caught), "leaving");
        });
        assert_eq!(lost, []);
    }

    #[test]
    fn a_panic_is_not_replaced_by_an_error() {
        let lost = of("a_panic_is_not_replaced_by_an_error", || {
            assert_eq!(panic_message(async { with!(fails() => { panic!("block") }).is_ok() }), "block");
        });
        assert_eq!(lost, [("fails".to_string(), LossKind::Failed)]);
    }
}
