//! `#[within]` and attributes that change the function below it.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use async_context_manager::{async_context_manager, within};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use rstest::{fixture, rstest};

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Lends a number.
#[async_context_manager]
async fn number(value: u32) -> u32 {
    tokio::task::yield_now().await;
    OPEN.fetch_add(1, Ordering::Relaxed);
    r#yield!(value);
    OPEN.fetch_sub(1, Ordering::Relaxed);
}

/// Asserts that the manager is open around the test.
fn assert_open() {
    assert!(OPEN.load(Ordering::Relaxed) > 0);
}

#[within(number(5) as five)]
#[tokio::test]
async fn tokio_test() {
    assert_open();
    assert_eq!(five, 5);
}

#[within(number(5) as five)]
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "five is 5")]
async fn tokio_test_with_options() {
    assert_open();
    panic!("five is {five}");
}

#[within(number(5) as five)]
#[test_log::test(tokio::test)]
async fn test_log_test() {
    assert_open();
    assert_eq!(five, 5);
}

#[fixture]
fn three() -> u32 {
    3
}

#[within(number(case) as lent)]
#[rstest]
#[case(1)]
#[case::two(2)]
#[tokio::test]
async fn rstest_with_cases(#[case] case: u32, three: u32) {
    assert_open();
    assert_eq!(lent + three, case + 3);
}

#[within(number(value) as lent)]
#[rstest]
#[test_log::test(tokio::test)]
async fn rstest_and_test_log(#[values(1, 2)] value: u32) {
    assert_open();
    assert_eq!(lent, value);
}

#[within(number(5) as five)]
#[tokio::main(flavor = "current_thread")]
async fn tokio_main() -> u32 {
    assert_open();
    five
}

#[test]
fn runs_tokio_main() {
    assert_eq!(tokio_main(), 5);
}

#[within(number(state) as lent)]
#[axum::debug_handler]
async fn handler(State(state): State<u32>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    assert_open();
    if lent == id { Err(StatusCode::NOT_FOUND) } else { Ok(lent.to_string()) }
}

#[within(number(id) as lent)]
#[axum::debug_handler]
#[tracing::instrument]
async fn instrumented_handler(Path(id): Path<u32>) -> String {
    lent.to_string()
}

#[tokio::test]
async fn axum_handlers() {
    let _: Router =
        Router::new().route("/{id}", get(handler)).route("/instrumented/{id}", get(instrumented_handler)).with_state(5);
    assert_eq!(handler(State(5), Path(1)).await, Ok("5".to_owned()));
    assert_eq!(handler(State(5), Path(5)).await, Err(StatusCode::NOT_FOUND));
    assert_eq!(instrumented_handler(Path(1)).await, "1");
}
