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
fn error_of_a_manager_that_waits_for_what_it_raced_away_is_reported() {
    let told = of("error_of_a_manager_that_waits_for_what_it_raced_away_is_reported", || {
        // So that the rescues do not end before.
        let kept = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&kept);
        rescue::set_spawner(move |rescue| lock(&all).push(rescue));
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

    type Stack = AsyncExitStack<'static, &'static str, Suppress<Catch<&'static str>>>;

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
                let mut stack = Stack::suppressing();
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
                with!(Stack::suppressing() as stack => {
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
    fn panic_on_a_stack_goes_on() {
        let lost = of("panic_on_a_stack_goes_on", || {
            assert_eq!(panic_message(closed!(deadline(), panics)), "of the callback");
            assert_eq!(panic_message(left!(deadline(), panics)), "of the callback");
            assert_eq!(panic_message(closed!(moves_on(), panics)), "of the callback");
            assert_eq!(panic_message(left!(moves_on(), panics)), "of the callback");
        });
        assert_eq!(lost, told(LossKind::Failed, &["deadline", "deadline"]));
    }

    #[test]
    fn panic_on_a_stack_goes_before_a_later_one() {
        let lost = of("panic_on_a_stack_goes_before_a_later_one", || {
            assert_eq!(panic_message(closed!(succeeds(), panics)), "of the callback");
            assert_eq!(panic_message(left!(then_panics(), panics)), "of the callback");
        });
        assert_eq!(lost, told(LossKind::Replaced, &["succeeds", "then_panics"]));
    }

    #[test]
    fn error_on_a_stack_that_is_replaced_is_reported() {
        let lost = of("error_on_a_stack_that_is_replaced_is_reported", || {
            assert_eq!(block_on(closed!(deadline(), fails)), Err("late"));
            assert_eq!(block_on(left!(deadline(), fails)), Err("late"));
            assert_eq!(panic_message(closed!(then_panics(), fails)), "late");
        });
        assert_eq!(lost, told(LossKind::Replaced, &["deadline", "deadline", "then_panics"]));
    }

    #[test]
    fn error_on_a_stack_that_is_suppressed_is_reported() {
        let lost = of("error_on_a_stack_that_is_suppressed_is_reported", || {
            assert_eq!(block_on(closed!(moves_on(), fails)), Ok(()));
            assert_eq!(block_on(left!(moves_on(), fails)), Ok(Some(7)));
        });
        assert_eq!(lost, told(LossKind::Replaced, &["moves_on", "moves_on"]));
    }

    #[test]
    fn nothing_is_reported_of_a_stack_when_nothing_is_under_way() {
        let lost = of("nothing_is_reported_of_a_stack_when_nothing_is_under_way", || {
            assert_eq!(block_on(closed!(deadline(), async || {})), Err("late"));
            assert_eq!(block_on(closed!(moves_on(), async || {})), Ok(()));
            assert_eq!(block_on(left!(moves_on(), async || {})), Ok(Some(7)));
            assert_eq!(panic_message(closed!(then_panics(), async || {})), "late");
        });
        assert_eq!(lost, []);
    }

    #[test]
    fn time_limit_on_a_stack_that_is_over_is_reported() {
        let paused = || {
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("it starts")
        };
        let limit = std::time::Duration::from_millis(1);
        let lost = of("time_limit_on_a_stack_that_is_over_is_reported", || {
            let message = panic_of_blocking(|| {
                paused().block_on(async {
                    with!(AsyncExitStack::<Infallible, _>::suppressing() as stack => {
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
    fn errors_on_a_stack_are_reported_except_the_one_that_is_returned() {
        let lost = of("errors_on_a_stack_are_reported_except_the_one_that_is_returned", || {
            let closed = block_on(async {
                let mut stack = Stack::suppressing();
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
    fn errors_and_panics_on_a_stack_that_a_later_panic_replaces_are_reported() {
        let lost = of("errors_and_panics_on_a_stack_that_a_later_panic_replaces_are_reported", || {
            let message = panic_message(async {
                let mut stack = Stack::suppressing();
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
    fn errors_of_managers_on_a_stack_that_is_dropped_are_reported() {
        let lost = of("errors_of_managers_on_a_stack_that_is_dropped_are_reported", || {
            let stack = Stack::suppressing();
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
    fn error_that_an_error_replaces_is_reported() {
        let lost = of("error_that_an_error_replaces_is_reported", || {
            assert_eq!(block_on(async { with!(fails() => Err::<(), _>("block")?) }), Err("leaving"));
        });
        assert_eq!(lost, replaced("fails"));
    }

    #[test]
    fn error_that_a_panic_replaces_is_reported() {
        let lost = of("error_that_a_panic_replaces_is_reported", || {
            let with = async { with!(panics() => Err::<(), _>("block")?) };
            assert_eq!(panic_message(with), "leaving");
        });
        assert_eq!(lost, replaced("panics"));
    }

    #[test]
    fn panic_that_a_panic_replaces_is_reported() {
        let lost = of("panic_that_a_panic_replaces_is_reported", || {
            let with = async { with!(panics() => { panic!("block") }).is_ok() };
            assert_eq!(panic_message(with), "leaving");
        });
        assert_eq!(lost, replaced("panics"));
    }

    /// It is reported once, by the manager around them, whose `with!` has the error.
    #[test]
    fn error_that_bypasses_managers_is_not_replaced_by_their_panics() {
        #[async_context_manager]
        async fn nested() -> Result<(), &'static str> {
            with!(panics() => r#yield!()).map(drop)
        }

        #[async_context_manager]
        async fn stacked() -> Result<(), &'static str> {
            with!(AsyncExitStack::new() as stack => {
                stack.enter(panics()).await?;
                r#yield!();
            })
        }

        let lost = of("error_that_bypasses_managers_is_not_replaced_by_their_panics", || {
            assert_eq!(panic_message(async { with!(nested() => Err::<(), _>("block")?) }), "leaving");
            assert_eq!(panic_message(async { with!(stacked() => Err::<(), _>("block")?) }), "leaving");
        });
        assert_eq!(lost, [replaced("nested"), replaced("stacked")].concat());
    }

    #[test]
    fn value_that_is_replaced_is_not_reported() {
        let lost = of("value_that_is_replaced_is_not_reported", || {
            assert_eq!(block_on(async { with!(fails() => 5) }), Err("leaving"));
            assert_eq!(panic_message(async { with!(panics() => 5) }), "leaving");
            let caught = async { with!(catches_and_panics() => Err::<(), _>("block")?) };
            assert_eq!(panic_message(caught), "leaving");
        });
        assert_eq!(lost, []);
    }

    #[test]
    fn error_after_a_panic_is_reported() {
        let lost = of("error_after_a_panic_is_reported", || {
            assert_eq!(panic_message(async { with!(fails() => { panic!("block") }).is_ok() }), "block");
        });
        assert_eq!(lost, [("fails".to_string(), LossKind::Failed)]);
    }
}

/// What is shown of an error: all that its type can tell.
mod shown {
    use std::convert::Infallible;
    use std::error::Error;
    use std::fmt;

    use async_context_manager::{AsyncContextManager, Outcome, task_group};

    use super::*;

    /// An `Error` with a source.
    #[derive(Debug)]
    struct DbError(std::num::ParseIntError);

    impl fmt::Display for DbError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the database is gone")
        }
    }

    impl Error for DbError {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn db_error() -> DbError {
        DbError("x".parse::<u32>().expect_err("it is no number"))
    }

    const DB_ERROR: &str = "the database is gone: invalid digit found in string";

    /// Has `Display` and `Debug`, and is no `Error`: as those of `anyhow` and `eyre`.
    #[derive(Debug)]
    struct Report(#[allow(dead_code, reason = "it is shown")] u8);

    impl fmt::Display for Report {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("it is not shown so");
        }
    }

    /// Can't be shown.
    struct Opaque;

    const OPAQUE: &str = "faults::faults::losses::shown::Opaque";
    const OPAQUE_RESULT: &str = "core::result::Result<(), faults::faults::losses::shown::Opaque>";

    const REPLACED: &str = "`fails` failed and replaced the error of its block";

    #[async_context_manager]
    async fn fails() -> Result<(), DbError> {
        r#yield!();
        Err(db_error())
    }

    #[async_context_manager(shielded)]
    async fn shielded() -> Result<(), DbError> {
        r#yield!();
        yields(1).await;
        Err(db_error())
    }

    #[async_context_manager(catch, suppress)]
    async fn catches() -> Result<(), DbError> {
        let _outcome = r#yield!();
        Err(db_error())
    }

    #[async_context_manager]
    async fn boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
        r#yield!();
        Err(db_error())?;
        Ok(())
    }

    #[async_context_manager]
    async fn reports() -> Result<(), Report> {
        r#yield!();
        Err(Report(7))
    }

    #[async_context_manager]
    async fn opaque() -> Result<(), Opaque> {
        r#yield!();
        Err(Opaque)
    }

    type DbResult = Result<u8, DbError>;

    #[async_context_manager]
    async fn of_an_alias() -> DbResult {
        r#yield!(5);
        Err(db_error())
    }

    #[async_context_manager]
    async fn generic<E>(error: E) -> Result<(), E> {
        r#yield!();
        Err(error)
    }

    #[async_context_manager]
    async fn generic_debug<E: fmt::Debug>(error: E) -> Result<(), E> {
        r#yield!();
        Err(error)
    }

    #[async_context_manager]
    async fn generic_error<E: Error>(error: E) -> Result<(), E> {
        r#yield!();
        Err(error)
    }

    async_context_manager::context_managers! {
        #[async_context_manager]
        async fn of_many() -> Result<(), DbError> {
            yield!();
            Err(db_error())
        }
    }

    fn of(test: &str, run: impl FnOnce()) -> Vec<String> {
        said(&format!("faults::losses::shown::{test}"), run)
    }

    fn lost(managers: &[(&str, &str)]) -> Vec<String> {
        let line = |(manager, error): &(&str, &str)| {
            format!("`{manager}` failed after a cancellation; its error is lost: {error}")
        };
        managers.iter().map(line).collect()
    }

    /// Is dropped in its block.
    macro_rules! drop_in_block {
        ($($manager:expr),*) => {{
            $(drop_after(1, async { with!($manager => pending::<()>().await).is_ok() });)*
        }};
    }

    #[test]
    fn a_lost_error_is_shown_with_its_sources() {
        let said = of("a_lost_error_is_shown_with_its_sources", || {
            drop_in_block!(fails(), catches(), boxed(), of_an_alias(), of_many());
        });
        let managers = ["fails", "catches", "boxed", "of_an_alias", "of_many"];
        assert_eq!(said, lost(&managers.map(|manager| (manager, DB_ERROR))));
    }

    #[test]
    fn lost_error_of_a_rescue_is_shown_with_its_sources() {
        let said = of("lost_error_of_a_rescue_is_shown_with_its_sources", || {
            drop_in_block!(shielded());
            futures::executor::block_on(rescue::drain());
            drop_in_block!(fails().shielded());
        });
        assert_eq!(said, lost(&[("shielded", DB_ERROR), ("fails", DB_ERROR)]));
    }

    #[test]
    fn lost_error_that_is_not_an_error_type_is_shown_by_its_debug() {
        let said = of("lost_error_that_is_not_an_error_type_is_shown_by_its_debug", || {
            drop_in_block!(reports(), generic_debug("text"), generic_debug(()));
        });
        assert_eq!(said, lost(&[("reports", "Report(7)"), ("generic_debug", "\"text\""), ("generic_debug", "()")]));
    }

    #[test]
    fn lost_error_without_debug_is_shown_by_its_type() {
        let said = of("lost_error_without_debug_is_shown_by_its_type", || {
            drop_in_block!(opaque(), generic(7_u8), generic_error(db_error()));
        });
        assert_eq!(said, lost(&[("opaque", OPAQUE), ("generic", "7"), ("generic_error", DB_ERROR)]));
    }

    /// A type of one's own, which fails with this.
    struct Own<E>(Option<E>);

    impl<E> AsyncContextManager for Own<E> {
        type Value<'v>
            = ()
        where
            E: 'v;
        type Exit = Result<(), E>;

        async fn enter(&mut self) -> Result<(), E> {
            Ok(())
        }

        async fn exit(&mut self, _outcome: Outcome) -> Result<(), E> {
            self.0.take().map_or(Ok(()), Err)
        }
    }

    fn own<E>(error: E) -> Own<E> {
        Own(Some(error))
    }

    /// What is said of errors of `Own`, whose name has the type of the error in it.
    fn errors(said: &[String], what: &str) -> Vec<String> {
        let error = |said: &String| said.split_once(&format!("` {what}: ")).map(|(_own, error)| error.to_owned());
        said.iter().map(|said| error(said).unwrap_or_else(|| said.clone())).collect()
    }

    const CANCELLED: &str = "failed after a cancellation; its error is lost";

    #[test]
    fn lost_error_of_a_type_as_manager_is_shown() {
        let said = of("lost_error_of_a_type_as_manager_is_shown", || {
            let boxed: Box<dyn Error> = db_error().into();
            drop_in_block!(own(db_error()), own(boxed), own(Report(7)), own(5), own(Opaque));
            drop_in_block!(&mut own(db_error()), own(db_error()).into_manager());
        });
        let expected = [DB_ERROR, DB_ERROR, "Report(7)", "5", OPAQUE, DB_ERROR, DB_ERROR];
        assert_eq!(errors(&said, CANCELLED), expected);
    }

    #[test]
    fn lost_error_of_a_rescued_type_is_shown() {
        let said = of("lost_error_of_a_rescued_type_is_shown", || {
            drop_in_block!(own(db_error()).into_manager().shielded(), own(Report(7)).into_manager().shielded());
        });
        let mut errors = errors(&said, CANCELLED);
        errors.sort(); // two threads may finish the two rescues
        assert_eq!(errors, ["Report(7)", DB_ERROR]);
    }

    /// The bounds of the function around the `with!` count.
    #[test]
    fn lost_error_of_a_type_is_shown_by_the_bounds_of_the_function_around() {
        async fn bare<E>(error: E) {
            let _unfinished = with!(own(error) => pending::<()>().await);
        }
        async fn bounded<E: fmt::Debug>(error: E) {
            let _unfinished = with!(own(error) => pending::<()>().await);
        }
        async fn any<E, M: AsyncContextManager<Exit = Result<(), E>>>(manager: M) {
            let _unfinished = with!(manager => pending::<()>().await);
        }
        let said = of("lost_error_of_a_type_is_shown_by_the_bounds_of_the_function_around", || {
            drop_after(1, bare(5_u8));
            drop_after(1, bounded(5_u8));
            drop_after(1, any(own(5_u8)));
            drop_after(1, own(5_u8).scope(async |()| pending::<()>().await));
        });
        assert_eq!(errors(&said, CANCELLED), ["u8", "5", "u8", "u8"]);
    }

    #[test]
    fn lost_error_that_gives_way_to_a_panic_is_shown() {
        let said = of("lost_error_that_gives_way_to_a_panic_is_shown", || {
            let with = async { with!(fails() => { panic!("block") }).is_ok() };
            assert_eq!(panic_message(with), "block");
        });
        assert_eq!(said, [format!("`fails` failed during a panic; its error is lost: {DB_ERROR}")]);
    }

    #[test]
    fn lost_error_of_a_manager_that_waited_for_what_it_raced_away_is_shown() {
        #[async_context_manager]
        async fn races_and_fails() -> Result<(), DbError> {
            tokio::select! {
                biased;
                _ = async { r#yield!() } => {}
                () = yields(1) => {}
            }
            Err(db_error())
        }
        let said = of("lost_error_of_a_manager_that_waited_for_what_it_raced_away_is_shown", || {
            static RESCUES: Mutex<Vec<rescue::Rescue>> = Mutex::new(Vec::new());
            rescue::set_spawner(|rescue| RESCUES.lock().unwrap().push(rescue));
            drop_after(2, async { with!(races_and_fails(), is_rescued() => pending::<()>().await) });
            std::process::exit(0);
        });
        let what = "failed, and was dropped while waiting for the managers in its block";
        assert_eq!(said, [format!("`races_and_fails` {what}: {DB_ERROR}")]);
    }

    /// The error of a block as well, where the code of the block knows it.
    #[test]
    fn lost_error_of_a_block_that_is_replaced_is_shown() {
        let said = of("lost_error_of_a_block_that_is_replaced_is_shown", || {
            drop(block_on(async { with!(fails() => Err::<(), _>(db_error())) }));
            drop(block_on(async { with!(fails() => Err::<(), _>(Report(7))) }));
            drop(block_on(async { with!(fails() => Err::<(), _>(Opaque)) }));
            drop(block_on(fails().scope(async |()| Err::<(), _>(Report(7)))));
        });
        let expected =
            [DB_ERROR, "Report(7)", OPAQUE_RESULT, "core::result::Result<(), faults::faults::losses::shown::Report>"];
        assert_eq!(said, expected.map(|error| format!("{REPLACED}: {error}")));
    }

    #[test]
    fn lost_error_that_a_block_returns_is_shown() {
        async fn returns<E>(error: E) -> Result<(), E> {
            let _never = with!(fails() => { return Err(error) });
            #[allow(unreachable_code, reason = "the manager fails, and so it is reached")]
            Ok(())
        }
        let said = of("lost_error_that_a_block_returns_is_shown", || {
            let returned: Result<(), DbError> = block_on(async {
                let _never = with!(fails() => { Err(db_error())? });
                Ok(())
            });
            assert!(returned.is_ok());
            assert!(block_on(returns(Opaque)).is_ok());
        });
        assert_eq!(said, [format!("{REPLACED}: {DB_ERROR}"), format!("{REPLACED}: {OPAQUE}")]);
    }

    #[test]
    fn lost_error_of_a_later_manager_is_shown() {
        let said = of("lost_error_of_a_later_manager_is_shown", || {
            drop(block_on(async { with!(fails(), fails() => {}) }));
            drop(block_on(async { with!(own(Report(7)), own(Report(8)) => {}) }));
            drop(block_on(async { with!(fails(), catches() => 5) }));
        });
        assert_eq!(said[0], format!("{REPLACED}: {DB_ERROR}"));
        assert_eq!(errors(&said[1..2], "failed and replaced the error of its block"), ["Report(8)"]);
        assert_eq!(said[2], format!("{REPLACED}: {DB_ERROR}"));
    }

    /// As the managers of a stack know it. A callback does not: only the type is shown.
    #[test]
    fn lost_errors_of_a_stack_are_shown() {
        let said = of("lost_errors_of_a_stack_are_shown", || {
            let stack = async || {
                let mut stack = AsyncExitStack::<DbError>::new();
                stack.enter(fails()).await.expect("it can be entered");
                stack.callback(async || Err(db_error()));
                stack.close().await
            };
            assert!(block_on(stack()).is_err());
            let stack = AsyncExitStack::<DbError>::new();
            block_on(stack.enter(fails())).expect("it can be entered");
            drop(stack);
            let stack = AsyncExitStack::<Opaque>::new();
            stack.callback(async || Err(Opaque));
            drop(stack);
        });
        assert_eq!(
            said,
            [
                format!("`fails` failed and replaced the error of its block: {DB_ERROR}"),
                format!("`fails` failed after a cancellation; its error is lost: {DB_ERROR}"),
                format!("`called_back` failed after a cancellation; its error is lost: {OPAQUE}"),
            ]
        );
    }

    /// Where a group or a rescue has it, some types are known that are used most.
    #[test]
    fn lost_errors_of_a_group_are_shown() {
        let said = of("lost_errors_of_a_group_are_shown", || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            runtime.block_on(async {
                let mut with = Box::pin(async {
                    with!(task_group() as group => {
                        let error: Box<dyn Error + Send + Sync> = db_error().into();
                        group.spawn(async { Err::<Infallible, _>(error) });
                        pending::<()>().await;
                    })
                });
                assert!(futures::FutureExt::now_or_never(&mut with).is_none());
                tokio::task::yield_now().await;
                drop(with);
            });
        });
        assert_eq!(said, lost(&[("task_group", &format!("a task of the group failed: {DB_ERROR}"))]));
    }

    /// The rest is told.
    #[test]
    fn lost_error_that_panics_when_it_is_shown_does_no_harm() {
        #[derive(Debug)]
        struct Bad;

        impl fmt::Display for Bad {
            fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("shown");
            }
        }

        impl Error for Bad {}

        #[async_context_manager]
        async fn bad() -> Result<(), Bad> {
            r#yield!();
            Err(Bad)
        }

        let said = of("lost_error_that_panics_when_it_is_shown_does_no_harm", || drop_in_block!(bad()));
        assert_eq!(said, ["`bad` failed after a cancellation; its error is lost"]);
    }
}

/// A plain manager whose exit phase is cut off at an `.await`.
mod cut {
    use std::convert::Infallible;
    use std::task::Poll;

    use async_context_manager::{AsyncContextManager, Outcome, task_group, timeout};

    use super::*;

    /// Takes two polls to leave.
    #[async_context_manager]
    async fn plain() {
        r#yield!();
        yields(2).await;
    }

    fn of(test: &str, run: impl FnOnce()) -> Vec<(String, LossKind)> {
        super::of(&format!("cut::{test}"), run)
    }

    fn unfinished(managers: &[&str]) -> Vec<(String, LossKind)> {
        managers.iter().map(|manager| ((*manager).to_string(), LossKind::Unfinished)).collect()
    }

    #[test]
    fn exit_phase_that_is_cut_off_by_a_drop_in_the_block_is_reported() {
        #[async_context_manager]
        async fn detached() {
            async { r#yield!() }.await;
            yields(2).await;
        }
        let told = of("exit_phase_that_is_cut_off_by_a_drop_in_the_block_is_reported", || {
            drop_after(1, async { with!(plain() => pending::<()>().await) });
            drop_after(1, async { with!(detached() => pending::<()>().await) });
            drop_after(1, plain().scope(async |()| pending::<()>().await));
        });
        assert_eq!(told, unfinished(&["plain", "detached", "plain"]));
    }

    #[test]
    fn exit_phase_that_is_cut_off_by_a_drop_while_leaving_is_reported() {
        #[async_context_manager(suppress)]
        async fn moves_on() {
            tokio::select! {
                biased;
                () = yields(1) => {}
                _ = async { r#yield!() } => {}
            }
            yields(2).await;
        }
        let told = of("exit_phase_that_is_cut_off_by_a_drop_while_leaving_is_reported", || {
            drop_after(1, async { with!(plain() => {}) });
            drop_after(2, async { with!(plain() => {}) });
            drop_after(2, async { with!(moves_on() => pending::<()>().await) });
        });
        assert_eq!(told, unfinished(&["plain", "plain", "moves_on"]));
    }

    #[test]
    fn report_of_a_cut_off_exit_phase_tells_what_to_write_instead() {
        let said = said("faults::losses::cut::report_of_a_cut_off_exit_phase_tells_what_to_write_instead", || {
            drop_after(1, async { with!(plain() => pending::<()>().await) });
        });
        let what = "was cut off in its exit phase, because its `with!` was dropped; add the option `shielded`, or put \
                    `graceful` around it, to complete it";
        assert_eq!(said, [format!("`plain` {what}")]);
    }

    #[test]
    fn exit_phase_of_a_type_that_is_cut_off_is_reported() {
        struct Own;

        impl AsyncContextManager for Own {
            type Value<'v> = ();
            type Exit = ();

            async fn enter(&mut self) {}

            async fn exit(&mut self, _outcome: Outcome) {
                yields(1).await;
            }
        }
        let told = of("exit_phase_of_a_type_that_is_cut_off_is_reported", || {
            drop_after(1, async { with!(Own => pending::<()>().await) });
        });
        assert_eq!(told.len(), 1);
        assert!(told[0].0.ends_with("Own") && told[0].1 == LossKind::Unfinished, "{told:?}");
    }

    #[test]
    fn exit_phases_of_nested_managers_that_are_cut_off_are_reported() {
        #[async_context_manager]
        async fn made() {
            with!(plain() => { r#yield!(); });
        }
        #[async_context_manager]
        async fn limited() -> Result<(), tokio::time::error::Elapsed> {
            with!(timeout(std::time::Duration::MAX) => { r#yield!(); })?;
            yields(1).await;
            Ok(())
        }
        let told = of("exit_phases_of_nested_managers_that_are_cut_off_are_reported", || {
            drop_after(1, async { with!(plain(), plain() => pending::<()>().await) });
            drop_after(1, async { with!(made() => pending::<()>().await) });
            drop_after(1, async { with!(limited() => with!(plain() => pending::<()>().await)) });
        });
        assert_eq!(told, unfinished(&["plain", "plain", "plain", "made", "plain", "limited"]));
    }

    #[test]
    fn exit_phases_on_a_stack_that_are_cut_off_are_reported_one_by_one() {
        type Stack = AsyncExitStack<'static, Infallible>;
        let filled = || {
            let stack = Stack::new();
            block_on(stack.enter(plain()));
            stack.callback(async || yields(1).await);
            stack
        };
        let told = of("exit_phases_on_a_stack_that_are_cut_off_are_reported_one_by_one", || {
            drop(filled());
            let mut stack = filled();
            drop_after(1, async { stack.close().await });
            drop(stack);
            drop_after(1, async { with!(Stack::new() as stack => { stack.enter(plain()).await; }) });
            drop_after(1, async {
                with!(Stack::new() as stack => {
                    stack.enter(plain()).await;
                    pending::<()>().await;
                })
            });
        });
        assert_eq!(told, unfinished(&["called_back", "plain", "called_back", "plain", "plain", "plain"]));
    }

    #[test]
    fn manager_that_is_cut_off_without_waiting_for_its_marker_is_reported() {
        #[async_context_manager]
        async fn puts_aside() {
            let mut marker = Box::pin(async { r#yield!() });
            assert!(futures::poll!(&mut marker).is_pending());
            pending::<()>().await;
        }
        let told = of("manager_that_is_cut_off_without_waiting_for_its_marker_is_reported", || {
            drop_after(1, async { with!(puts_aside() => pending::<()>().await) });
        });
        assert_eq!(told, unfinished(&["puts_aside"]));
    }

    #[test]
    fn nothing_is_reported_of_an_exit_phase_that_is_not_cut_off() {
        #[async_context_manager]
        async fn enters() {
            yields(2).await;
            r#yield!();
        }
        #[async_context_manager]
        async fn panics() {
            r#yield!();
            yields(1).await;
            panic!("leaving");
        }
        let told = of("nothing_is_reported_of_an_exit_phase_that_is_not_cut_off", || {
            drop_after(0, async { with!(plain() => {}) });
            drop_after(1, async { with!(enters() => {}) });
            drop_after(3, async { with!(enters() => pending::<()>().await) });
            drop_after(1, async { with!(is_rescued() => pending::<()>().await) });
            drop_after(1, async { with!(is_rescued() => {}) });
            drop_after(1, async { with!(plain().shielded() => pending::<()>().await) });
            block_on(async { with!(plain() => {}) });
            assert_eq!(panic_message(async { with!(panics() => {}) }), "leaving");
        });
        assert_eq!(told, []);
    }

    #[test]
    fn nothing_is_reported_of_a_group_whose_tasks_are_aborted() {
        let told = of("nothing_is_reported_of_a_group_whose_tasks_are_aborted", || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            runtime.block_on(async {
                for ends in [false, true] {
                    let mut with = Box::pin(async {
                        with!(task_group::<Infallible>() as group => {
                            group.spawn(pending::<Result<(), _>>());
                            futures::future::poll_fn(|_cx| if ends { Poll::Ready(()) } else { Poll::Pending }).await;
                        })
                    });
                    assert!(futures::FutureExt::now_or_never(&mut with).is_none());
                }
            });
        });
        assert_eq!(told, []);
    }
}
