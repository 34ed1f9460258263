//! A crate of edition 2021 that knows the crate under another name, and whose managers are used from here.

#![forbid(unsafe_code)]

use async_context_manager::with;
use edition_2021::{
    Log, Own, composed, ends_in_a_temporary, exits, leave, logged, polled_once, sendable, temporary, within_all,
    wrapped,
};
use tests::{block_on, drop_after, yields};

#[test]
fn arguments_of_several_lifetimes_and_types() {
    let log = Log::default();
    let name = "name".to_string();
    let len = block_on(async {
        with!(logged(&log, &name, 5) as (log, local) => {
            log.add("block");
            local.push('!');
            local.len()
        })
    });
    assert_eq!(len, 7);
    assert_eq!(log.take(), ["block", "name 5! Completed"]);
}

#[test]
fn ways_out() {
    let own = Own::default();
    let results = [0, 1, 2, 3, 4].map(|way| block_on(leave(&own, way)));
    assert_eq!(results, [Err("error".to_string()), Ok(1), Ok(2), Ok(4), Err("leaving".to_string())]);
    assert_eq!(own.log.take(), ["block", "exit"].repeat(6));
}

#[test]
fn composition_and_a_drop() {
    let own = Own::default();
    drop_after(1, async {
        with!(composed(&own) as local => {
            local.push('!');
            std::future::pending::<()>().await;
        })
    });
    assert_eq!(own.log.take(), ["inner 5! Cancelled", "exit"]);
}

#[test]
fn a_temporary_is_dropped_before_the_arguments() {
    let own = Own::default();
    own.log.add("before");
    assert_eq!(block_on(async { with!(ends_in_a_temporary((own, 5)) as count => count) }), 1);
}

#[test]
fn a_race() {
    let log = Log::default();
    assert_eq!(block_on(async { with!(polled_once(&log) => 5) }), Ok(5));
    assert_eq!(log.take(), ["Ready(Completed)"]);
    assert_eq!(block_on(async { with!(polled_once(&log) => yields(1).await) }), Err("pending"));
    assert_eq!(log.take(), ["Pending"]);
}

#[test]
fn the_wrapper_macro() {
    let log = Log::default();
    block_on(async { with!(wrapped(&log) as _guard => log.add("block")) });
    assert_eq!(log.take(), ["block", "guard dropped", "Completed"]);
}

#[test]
fn a_future_that_can_be_sent() {
    let own = Own::default();
    assert_eq!(block_on(sendable(&own, "")), Ok(7));
    assert_eq!(own.log.take(), ["inner 5 Completed", "exit"]);
}

#[test]
fn temporaries_of_the_tail_expression_are_dropped_before_the_exit_phase() {
    let log = Log::default();
    assert_ne!(block_on(temporary(&log)), 0);
    assert_eq!(log.take(), ["guard dropped", "guard dropped", "Completed"]);
}

#[test]
fn a_function_within_managers() {
    let own = Own::default();
    let text = block_on(within_all(&own, false, "gen")).unwrap().collect::<String>();
    assert!(text.ends_with(" gen!3"), "{text}");
    assert_eq!(own.log.take(), ["guard dropped", &format!("{} Completed", text.trim_end_matches('3')), "exit"]);
    assert_eq!(block_on(within_all(&own, true, "gen")).map(|_| ()), Err("leaving".to_string()));
}

#[test]
fn what_catches_and_what_is_a_type() {
    let log = Log::default();
    assert_eq!(block_on(exits(&log)), Err("failed".to_string()));
    assert_eq!(
        log.take(),
        [
            "guard dropped",
            "caught",
            "Err(\"caught\")",
            "guard dropped",
            "1",
            "guard dropped",
            "guard dropped",
            "Failed(())"
        ]
    );
}
