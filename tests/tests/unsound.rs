//! What the compiler can't see: a macro in a manager that is given the marker, and brings it, or the handle in it, to another
//! thread. It panics there, and touches nothing.

#![forbid(unsafe_code)]

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on};

#[async_context_manager]
async fn number() -> &mut u32 {
    let mut number = 5;
    r#yield!(&mut number);
    number += 1;
    assert_eq!(number, 6);
}

/// Whether a poll panics.
fn panics<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    let poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    catch_unwind(AssertUnwindSafe(poll)).is_err()
}

/// Whether what `make` makes panics when another thread polls it. This one waits, so that there is no race in the test itself.
fn panics_elsewhere<F: Future>(make: impl FnOnce() -> F + Send) -> bool {
    thread::scope(|scope| scope.spawn(|| panics(make())).join().expect("it is caught"))
}

/// A marker that a macro puts into the block of another manager, on another thread.
#[test]
fn a_marker_twice_is_not_polled_elsewhere() {
    macro_rules! both {
        ($log:ident, $marker:expr) => {
            if panics_elsewhere(|| async {
                with!(number() => { $marker; })
            }) {
                $log.add("panicked");
            }
            let _ = panics(async { $marker });
        };
    }

    #[async_context_manager(suppress)]
    async fn marked(log: &Log) -> &u32 {
        let number = 5;
        both!(log, r#yield!(&number));
    }

    let log = Log::new();
    let value = block_on(async {
        with!(marked(&log) as number => {
            log.add(number.to_string());
            pending::<()>().await;
        })
    });
    assert_eq!((value, log.take()), (None, vec!["panicked".to_string(), "5".to_string()]));
}

/// A `with!` around a marker tells the manager that there is something between: not from another thread.
#[test]
fn a_with_does_not_stand_around_a_marker_elsewhere() {
    macro_rules! around {
        ($log:ident, $marker:expr) => {
            if panics_elsewhere(|| async {
                with!(number() => {
                    $marker;
                    pending::<()>().await
                })
            }) {
                $log.add("panicked");
            }
            $marker;
        };
    }

    #[async_context_manager]
    async fn marked(log: &Log) -> &u32 {
        let number = 5;
        around!(log, r#yield!(&number));
    }

    let log = Log::new();
    let value = block_on(async { with!(marked(&log) as number => *number) });
    assert_eq!((value, log.take()), (5, vec!["panicked".to_string()]));
}
