//! What nobody is left to be told of is told on standard error.

#![forbid(unsafe_code)]

use std::future::pending;

use async_context_manager::{async_context_manager, with};
use tests::{block_on, drop_after, in_child, panic_message};

#[async_context_manager]
async fn fails() -> Result<(), &'static str> {
    r#yield!();
    Err("leaving")
}

#[async_context_manager]
async fn passes_on() -> Result<(), ()> {
    r#yield!().into_result()
}

/// What a process of its own says of this crate on standard error.
fn said(test: &str, run: impl FnOnce()) -> Vec<String> {
    let child = in_child(test, run);
    assert!(child.status.success());
    let said = String::from_utf8_lossy(&child.stderr);
    said.lines().filter(|line| line.starts_with("async-context-manager")).map(String::from).collect()
}

#[test]
fn error_that_a_panic_goes_before_is_reported() {
    let said = said("error_that_a_panic_goes_before_is_reported", || {
        assert_eq!(panic_message(async { with!(fails() => panic!("block")) }), "block");
    });
    assert_eq!(said, ["async-context-manager: `fails` failed during a panic; its error is lost: \"leaving\""]);
}

#[test]
fn error_after_a_cancellation_is_reported() {
    let said = said("error_after_a_cancellation_is_reported", || {
        drop_after(1, async { with!(fails() => pending::<()>().await) });
    });
    assert_eq!(said, ["async-context-manager: `fails` failed after a cancellation; its error is lost: \"leaving\""]);
}

#[test]
fn nothing_is_reported_when_nothing_is_lost() {
    let said = said("nothing_is_reported_when_nothing_is_lost", || {
        assert_eq!(block_on(async { with!(fails() => 5) }), Err("leaving"));
        assert_eq!(panic_message(async { with!(passes_on() => panic!("block")) }), "block");
        drop_after(1, async { with!(passes_on() => pending::<()>().await) });
    });
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn error_that_another_one_replaces_is_reported() {
    let said = said("error_that_another_one_replaces_is_reported", || {
        assert_eq!(block_on(async { with!(passes_on() => Err::<u8, _>(5)) }), Err(()));
    });
    let what = "async-context-manager: `passes_on` failed and replaced the error of its block";
    assert_eq!(said, [format!("{what}: 5")]);
}

#[test]
fn a_panic_after_a_cancellation_is_told_by_the_panic_hook() {
    #[async_context_manager]
    async fn panics() {
        r#yield!();
        panic!("a panic of the exit phase");
    }
    let child = in_child("a_panic_after_a_cancellation_is_told_by_the_panic_hook", || {
        drop_after(1, async { with!(panics() => pending::<()>().await) });
    });
    assert!(child.status.success());
    assert!(String::from_utf8_lossy(&child.stderr).contains("a panic of the exit phase"));
}

#[test]
fn a_panic_that_another_one_replaces_is_shown() {
    #[async_context_manager]
    async fn panics() {
        r#yield!();
        panic!("leaving");
    }
    let said = said("a_panic_that_another_one_replaces_is_shown", || {
        assert_eq!(panic_message(async { with!(panics() => panic!("number {}", 5)) }), "leaving");
        assert_eq!(panic_message(async { with!(panics() => std::panic::panic_any("plain")) }), "leaving");
        assert_eq!(panic_message(async { with!(panics() => std::panic::panic_any(5)) }), "leaving");
    });
    let told = "async-context-manager: `panics` panicked and replaced the panic of its block";
    assert_eq!(said, [format!("{told}: number 5"), format!("{told}: plain"), told.to_string()]);
}

/// The marker is put aside: the message is for a manager that does not wait for it.
#[test]
fn shielded_manager_that_does_not_wait_for_its_marker_is_reported() {
    #[async_context_manager(shielded)]
    async fn puts_aside() -> &u8 {
        let number = 5;
        let mut marker = Box::pin(async { r#yield!(&number) });
        assert!(futures::poll!(marker.as_mut()).is_pending());
        pending::<()>().await;
        marker.await;
    }
    let said = said("shielded_manager_that_does_not_wait_for_its_marker_is_reported", || {
        drop_after(1, async { with!(puts_aside() as _number => pending::<()>().await) });
    });
    let what = "did not await its `yield!` when it was cancelled; the rest of its body is lost";
    assert_eq!(said, [format!("async-context-manager: `puts_aside` {what}")]);
}
