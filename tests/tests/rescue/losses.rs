//! What a rescue could not finish, or what it ended in, is told.

use std::panic::panic_any;
use std::sync::{Arc, Mutex};

use rescue::LossKind;

use super::*;

/// Fails on its way out.
#[async_context_manager(shielded)]
async fn fails() -> Result<(), u8> {
    r#yield!();
    yields(1).await;
    Err(5)
}

/// Panics on its way out.
#[async_context_manager(shielded)]
async fn panics() {
    r#yield!();
    yields(1).await;
    panic_any(6_u8);
}

/// Is dropped in its block.
macro_rules! drop_in_block {
    ($manager:expr) => {
        drop_after(1, async { with!($manager => pending::<()>().await) })
    };
}

/// What the hook is told: who, in what way, what, and a number if there is one.
type Told = (String, LossKind, String, Option<u8>);

/// Has a hook write down what it is told.
fn hook() -> Arc<Mutex<Vec<Told>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&all);
    rescue::set_hook(move |loss| {
        let number = loss.error().and_then(|error| error.downcast_ref().copied());
        let told_now = (loss.manager().to_string(), loss.kind(), loss.to_string(), number);
        told.lock().expect("nobody panics").push(told_now);
    });
    all
}

fn take(told: &Mutex<Vec<Told>>) -> Vec<Told> {
    std::mem::take(&mut *told.lock().expect("nobody panics"))
}

#[test]
fn error_of_a_rescue_goes_to_the_hook() {
    let said = alone(|| {
        let losses = hook();
        drop_in_block!(fails());
        drain();
        let what = "`fails` failed after a cancellation; its error is lost: 5".to_string();
        assert_eq!(take(&losses), [("fails".into(), LossKind::Failed, what, Some(5))]);
    });
    assert!(told(&said).is_empty(), "{said}");
}

#[test]
fn panic_of_a_rescue_goes_to_the_hook() {
    let said = alone(|| {
        let losses = hook();
        drop_in_block!(panics());
        drain();
        let what = "`panics` panicked after a cancellation".to_string();
        assert_eq!(take(&losses), [("panics".into(), LossKind::Panicked, what, Some(6))]);
    });
    assert!(told(&said).is_empty(), "{said}");
}

#[test]
fn error_of_a_rescued_enter_phase_goes_to_the_hook() {
    #[async_context_manager(shielded)]
    async fn no_way_in() -> Result<(), u8> {
        yields(1).await;
        Err::<(), _>(7)?;
        r#yield!();
        Ok(())
    }
    alone(|| {
        let losses = hook();
        drop_in_block!(no_way_in());
        drain();
        let what = "`no_way_in` failed after a cancellation; its error is lost: 7".to_string();
        assert_eq!(take(&losses), [("no_way_in".into(), LossKind::Failed, what, Some(7))]);
    });
}

#[test]
fn each_error_of_several_rescues_goes_to_the_hook() {
    alone(|| {
        let losses = hook();
        drop_after(1, async { with!(fails() => with!(fails() => with!(panics() => pending::<()>().await))) });
        drain();
        let names: Vec<_> = take(&losses).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["panics", "fails", "fails"]);
    });
}

#[test]
fn composed_manager_is_reported_by_its_own_name() {
    #[async_context_manager(shielded)]
    async fn made() -> Result<(), u8> {
        with!(fails() => r#yield!()).map(drop)
    }
    alone(|| {
        let losses = hook();
        drop_in_block!(made());
        drain();
        let names: Vec<_> = take(&losses).into_iter().map(|(name, _, _, number)| (name, number)).collect();
        assert_eq!(names, [("made".to_string(), Some(5))]);
    });
}

#[test]
fn error_of_a_manager_that_was_raced_away_goes_to_the_hook() {
    #[async_context_manager]
    async fn limit() -> Result<(), &'static str> {
        tokio::select! {
            biased;
            () = yields(2) => Err("over"),
            _ = async { r#yield!() } => Ok(()),
        }
    }
    alone(|| {
        let losses = hook();
        let raced = block_on_with_threads(async { with!(limit() => with!(fails() => pending::<()>().await)) });
        assert_eq!(raced.err(), Some("over"));
        assert_eq!(take(&losses)[0].3, Some(5));
    });
}

#[test]
fn loss_without_a_hook_is_on_standard_error() {
    let said = alone(|| {
        drop_in_block!(fails());
        drop_in_block!(panics());
        drain();
    });
    assert_eq!(told(&said), ["`fails` failed after a cancellation; its error is lost: 5"]);
    assert!(said.contains("panicked at"), "{said}");
}

#[test]
fn nothing_is_told_of_what_is_not_lost() {
    let said = alone(|| {
        let losses = hook();
        drop_a_lease(&Log::new());
        drain();
        assert!(take(&losses).is_empty());
    });
    assert!(said.is_empty(), "{said}");
}

#[test]
fn a_hook_that_panics_does_no_harm() {
    let said = alone(|| {
        rescue::set_hook(|_loss| panic!("of the hook"));
        drop_in_block!(fails());
        drain();
        let losses = hook();
        drop_in_block!(fails());
        drain();
        assert_eq!(take(&losses).len(), 1);
    });
    assert!(said.contains("of the hook"), "{said}");
}

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb {}", self.0);
    }
}

#[test]
fn a_payload_that_panics_does_no_harm() {
    #[async_context_manager(shielded)]
    async fn throws() {
        r#yield!();
        panic_any(Bomb("that was thrown"));
    }
    let said = alone(|| {
        drop_in_block!(throws());
        let log = Log::new();
        drop_a_lease(&log);
        drain();
        assert_eq!(log.take().len(), 3);
    });
    assert!(said.contains("a bomb that was thrown"), "{said}");
}

#[test]
fn an_error_that_panics_does_no_harm() {
    #[async_context_manager(shielded)]
    async fn gives() -> Result<(), Bomb> {
        r#yield!();
        Err(Bomb("that was given"))
    }
    let said = alone(|| {
        let losses = hook();
        let polled = std::panic::catch_unwind(|| {
            rescue::set_spawner(block_on_with_threads);
            drop_in_block!(gives());
        });
        assert!(polled.is_ok());
        drain();
        assert_eq!(take(&losses).len(), 1);
    });
    assert_eq!(said.matches("panicked at").count(), 1, "{said}");
}

#[test]
fn a_local_that_panics_is_a_panic_of_the_manager() {
    #[async_context_manager(shielded)]
    async fn has() {
        let _local = Bomb("that was had");
        r#yield!();
    }
    alone(|| {
        let losses = hook();
        drop_in_block!(has());
        drain();
        assert_eq!(take(&losses)[0].1, LossKind::Panicked);
    });
}

/// The one that is replaced is dropped, and may have a manager in it.
#[test]
fn a_hook_that_drops_a_with_can_be_replaced() {
    alone(|| {
        let mut with = Box::pin(async { with!(plain_fails() => pending::<()>().await) });
        assert!(futures::FutureExt::now_or_never(&mut with).is_none());
        let with = Mutex::new(with);
        rescue::set_hook(move |_loss| drop(with.lock()));
        let losses = hook();
        assert_eq!(take(&losses).len(), 1);
    });
}

#[async_context_manager]
async fn plain_fails() -> Result<(), u8> {
    r#yield!();
    Err(8)
}

/// A future that nobody can wake any more.
#[test]
fn one_that_nobody_polls_any_more_is_told_of() {
    #[async_context_manager(shielded)]
    async fn stuck() {
        r#yield!();
        pending::<()>().await;
    }
    let said = alone(|| {
        drop_in_block!(stuck());
        drain();
    });
    assert_eq!(told(&said), ["`stuck` could not be completed: its rescue was dropped"], "{said}");
}

/// What a process lacks can be taken from it there.
#[cfg(target_os = "linux")]
mod on_linux {
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs this test once more, with one thing changed.
    fn child(test: &str, change: impl FnOnce(&mut Command) -> &mut Command) -> String {
        let program = std::env::current_exe().expect("a test is a program");
        let mut command = Command::new(program);
        change(command.args(["--exact", test, "--nocapture"]).env(CHILD, "1").stdout(Stdio::piped()));
        let child = command.output().expect("it starts");
        let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        assert!(child.status.success() && said.contains("running 1 test"), "{said}");
        said
    }

    const CHILD: &str = "ASYNC_CONTEXT_MANAGER_TESTS_CHANGED_CHILD";

    #[test]
    fn a_standard_error_that_can_not_be_written_to_does_no_harm() {
        if std::env::var_os(CHILD).is_some() {
            drop_in_block!(fails());
            drop_in_block!(plain_fails());
            let log = Log::new();
            drop_a_lease(&log);
            drain();
            assert_eq!(log.take().len(), 3);
            return;
        }
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
        child("losses::on_linux::a_standard_error_that_can_not_be_written_to_does_no_harm", |command| {
            command.stderr(full)
        });
    }

    /// With stacks that large no thread can be had, which is no panic, in a runtime or without.
    #[test]
    fn without_a_thread_it_is_told_of() {
        if std::env::var_os(CHILD).is_some() {
            assert!(thread::Builder::new().spawn(|| ()).is_err());
            let losses = hook();
            let mut entered = Box::pin(async { with!(lease(Log::new()) => pending::<()>().await) });
            let _ = futures::FutureExt::now_or_never(&mut entered);
            tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("it starts")
                .block_on(async move { drop(entered) });
            drop_in_block!(fails());
            assert_eq!(rescue::pending().len(), 0);
            let what: Vec<_> = take(&losses).into_iter().map(|(_, kind, what, _)| (kind, what)).collect();
            assert_eq!(
                what,
                ["lease", "fails"].map(|name| {
                    let what = format!("`{name}` could not be completed: its rescue was dropped");
                    (LossKind::Unfinished, what)
                })
            );
            return;
        }
        child("losses::on_linux::without_a_thread_it_is_told_of", |command| {
            command.env("RUST_MIN_STACK", (1_u64 << 47).to_string())
        });
    }
}
