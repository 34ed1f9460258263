//! The limit of rescues, what is pending, and the metrics.

use async_context_manager::rescue::{LossKind, Metrics, PendingRescue};
use async_context_manager::{Outcome, TaskGroupError, graceful, task_group};
use tests::told;

use super::*;

/// Pends in its exit phase until the test ends.
#[async_context_manager(shielded)]
async fn stuck(log: Log, name: &'static str) {
    r#yield!();
    log.add(format!("{name} leaves"));
    pending::<()>().await;
}

/// Leaves in one poll.
#[async_context_manager(shielded)]
async fn quick(log: Log) {
    r#yield!();
    log.add("quick leaves");
}

/// Fails in its exit phase.
#[async_context_manager(shielded)]
async fn failing() -> Result<(), String> {
    r#yield!();
    yields(1).await;
    Err("it failed".to_string())
}

/// Panics in its exit phase.
#[async_context_manager(shielded)]
async fn panicking() {
    r#yield!();
    yields(1).await;
    std::panic::panic_any("it panicked");
}

/// Passes each loss to standard error.
fn report_losses() {
    rescue::set_hook(|loss| eprintln!("async-context-manager: {loss} ({:?})", loss.kind()));
}

/// Begun, ended, failed and cut.
fn metrics() -> [u64; 4] {
    let Metrics { begun, ended, failed, cut, .. } = rescue::metrics();
    [begun, ended, failed, cut]
}

fn names(pending: &[PendingRescue]) -> Vec<&str> {
    pending.iter().map(PendingRescue::manager).collect()
}

mod limit {
    use super::*;

    #[test]
    fn drops_a_rescue_that_does_not_end() {
        let said = alone(|| {
            report_losses();
            rescue::set_limit(Duration::from_millis(1));
            let log = Log::new();
            let guard = log.on_drop("its local is dropped");
            drop_after(1, async {
                with!(stuck(log.clone(), "it") => {
                    let _guard = guard;
                    pending::<()>().await;
                });
            });
            drain();
            assert_eq!(log.take(), ["its local is dropped", "it leaves"]);
            assert_eq!(metrics(), [1, 1, 0, 1]);
        });
        let cut = "`stuck` did not end within the limit of rescues; the rest of it is dropped (Unfinished)";
        assert_eq!(told(&said), [cut]);
    }

    #[test]
    fn drops_what_the_rescue_has_dropped_within_it_before_others_continue() {
        /// Has another manager in its exit phase.
        #[async_context_manager(shielded)]
        async fn outer(log: Log) {
            r#yield!();
            with!(inner(log.clone()) => pending::<()>().await);
        }
        #[async_context_manager(shielded)]
        async fn inner(log: Log) {
            let outcome = r#yield!();
            log.add(format!("inner sees {outcome:?}"));
        }
        alone(|| {
            report_losses();
            rescue::set_limit(Duration::from_millis(1));
            let log = Log::new();
            drop_after(1, async { with!(quick(log.clone()) => with!(outer(log.clone()) => pending::<()>().await)) });
            drain();
            assert_eq!(log.take(), ["inner sees Cancelled", "quick leaves"]);
            assert_eq!(metrics(), [3, 3, 0, 1]);
        });
    }

    /// The time of a rescue begins when those in its block have ended.
    #[test]
    fn of_the_outer_rescue_does_not_pass_while_it_waits_for_the_inner_one() {
        let said = alone(|| {
            report_losses();
            rescue::set_limit(Duration::from_millis(1));
            let log = Log::new();
            let block = async { with!(stuck(log.clone(), "it") => pending::<()>().await) };
            drop_after(1, async { with!(quick(log.clone()) => block.await) });
            drain();
            assert_eq!(log.take(), ["it leaves", "quick leaves"]);
            assert_eq!(metrics(), [2, 2, 0, 1]);
        });
        assert_eq!(told(&said).len(), 1, "{said}");
    }

    #[test]
    fn drops_a_graceful_future_that_is_not_left() {
        let said = alone(|| {
            report_losses();
            rescue::set_limit(Duration::from_millis(1));
            let log = Log::new();
            drop_after(1, graceful(async { with!(stuck(Log::new(), "it") => pending::<()>().await) }));
            drop_after(1, graceful(async { with!(endless() => pending::<()>().await) }));
            drain();
            assert_eq!(metrics()[1..], [3, 0, 3]);
            drop(log);
        });
        let mut lines = told(&said);
        lines.sort_unstable();
        let of =
            |name| format!("`{name}` did not end within the limit of rescues; the rest of it is dropped (Unfinished)");
        let endless = "`endless` was cut off in its exit phase";
        assert!(lines[0].starts_with(endless), "{said}");
        assert_eq!(lines[1..], [of("graceful"), of("graceful"), of("stuck")]);

        /// Is not shielded.
        #[async_context_manager]
        async fn endless() {
            r#yield!();
            pending::<()>().await;
        }
    }

    #[test]
    fn is_that_at_the_beginning_of_the_rescue() {
        alone(|| {
            report_losses();
            let leave = drop_held();
            rescue::set_limit(Duration::ZERO);
            drop_after(1, async { with!(stuck(Log::new(), "it") => pending::<()>().await) });
            while metrics()[3] == 0 {
                thread::yield_now();
            }
            rescue::set_limit(Duration::MAX);
            assert_eq!(names(&rescue::pending()), ["held"]);
            leave.send(()).expect("it waits");
            drain();
            assert_eq!(metrics(), [2, 2, 0, 1]);
        });
    }

    #[test]
    fn leaves_a_rescue_alone_that_ends_in_its_first_poll() {
        alone(|| {
            rescue::set_limit(Duration::ZERO);
            drop_after(1, async { with!(quick(Log::new()) => pending::<()>().await) });
            drain();
            assert_eq!(metrics(), [1, 1, 0, 0]);
        });
    }
}

/// Leaves when it is told to.
#[async_context_manager(shielded)]
async fn held(leave: tokio::sync::oneshot::Receiver<()>) {
    r#yield!();
    leave.await.expect("the test sends it");
}

fn drop_held() -> tokio::sync::oneshot::Sender<()> {
    let (leave, left) = tokio::sync::oneshot::channel();
    drop_after(1, async { with!(held(left) => pending::<()>().await) });
    leave
}

mod list {
    use super::*;

    #[test]
    fn has_names_and_ages_with_the_oldest_first() {
        alone(|| {
            let first = drop_held();
            assert_eq!(names(&rescue::pending()), ["held"]);
            let (leave, left) = tokio::sync::oneshot::channel();
            drop_after(1, async { with!(other(left) => pending::<()>().await) });
            let both = rescue::pending();
            assert_eq!(names(&both), ["held", "other"]);
            assert!(both[0].age() >= both[1].age());
            assert!(format!("{:?}", both[1]).starts_with("PendingRescue(`other` ("), "{both:?}");
            first.send(()).expect("it waits");
            while rescue::pending().len() != 1 {
                thread::yield_now();
            }
            assert_eq!(names(&rescue::pending()), ["other"]);
            leave.send(()).expect("it waits");
            drain();
            assert!(rescue::pending().is_empty());
        });

        #[async_context_manager(shielded)]
        async fn other(leave: tokio::sync::oneshot::Receiver<()>) {
            r#yield!();
            leave.await.expect("the test sends it");
        }
    }

    #[test]
    fn has_the_tasks_of_a_group_that_was_dropped() {
        alone(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            runtime.block_on(async {
                let with = async {
                    with!(task_group::<()>() as group => {
                        group.spawn(pending::<Result<(), ()>>());
                        group.spawn(async { std::future::ready(Err::<(), _>(())).await });
                        pending::<()>().await;
                    })
                };
                drop_after(1, async { with.await.map_err(TaskGroupError::into_first) });
                assert_eq!(names(&rescue::pending()), ["task_group", "task_group"]);
                rescue::drain().await;
                assert_eq!(metrics()[..2], [2, 2]);
            });
        });
    }
}

mod counted {
    use super::*;

    #[test]
    fn are_errors_and_panics_as_failed() {
        let said = alone(|| {
            report_losses();
            drop_after(1, async { with!(failing() => pending::<()>().await).expect("it is dropped") });
            drop_after(1, async { with!(panicking() => pending::<()>().await) });
            drop_a_lease(&Log::new());
            drain();
            assert_eq!(metrics(), [3, 3, 2, 0]);
        });
        assert_eq!(told(&said).len(), 2, "{said}");
    }

    /// Each rescue that was cut is a loss, whoever has dropped it.
    #[test]
    fn is_a_rescue_that_no_executor_has_left_as_cut() {
        use std::sync::Mutex;
        static LOSSES: Mutex<Vec<(String, LossKind)>> = Mutex::new(Vec::new());
        alone(|| {
            rescue::set_hook(|loss| LOSSES.lock().unwrap().push((loss.manager().to_string(), loss.kind())));
            // A rescue that its executor drops continues on the crate's own thread.
            rescue::set_spawner(drop);
            rescue::set_limit(Duration::from_millis(1));
            for _ in 0..3 {
                drop_after(1, async { with!(stuck(Log::new(), "it") => pending::<()>().await) });
            }
            drain();
            assert_eq!(metrics(), [3, 3, 0, 3]);
            let losses = LOSSES.lock().unwrap().clone();
            assert_eq!(losses, vec![("stuck".to_string(), LossKind::Unfinished); 3]);
        });
    }

    #[test]
    fn is_the_error_that_a_dropped_graceful_future_returns_as_failed() {
        /// Is not shielded, and fails in its exit phase.
        #[async_context_manager]
        async fn session() -> Result<(), String> {
            let outcome = r#yield!();
            assert_eq!(outcome, Outcome::Cancelled);
            yields(1).await;
            Err("no goodbye".to_string())
        }
        let said = alone(|| {
            report_losses();
            drop_after(1, graceful(async { with!(session() => pending::<()>().await) }));
            let handled = async {
                let left = with!(session() => pending::<()>().await);
                left.err().map_or(Ok(()), |_| Ok::<(), String>(()))
            };
            drop_after(1, graceful(handled));
            drop_after(1, graceful(async { with!(session() => pending::<()>().await).ok() }));
            drain();
            assert_eq!(metrics(), [3, 3, 1, 0]);
        });
        let lost = "`graceful` failed after a cancellation; its error is lost: \
                    core::result::Result<(), alloc::string::String> (Failed)";
        assert_eq!(told(&said), [lost]);
    }
}
