//! All ways to enter a manager, and managers that are made of others.

use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome, context_managers, within};

use super::*;

/// What a lease says that is rescued.
const RESCUED: [&str; 3] = ["entered", "sees Cancelled", "left on rescue"];

#[within(lease(log) as _lease)]
async fn annotated(log: Log) {
    pending::<()>().await;
}

#[test]
fn function_under_within_is_rescued() {
    let log = Log::new();
    drop_after(2, annotated(log.clone()));
    drain();
    assert_eq!(log.take(), RESCUED);
}

#[test]
fn manager_of_a_scope_is_rescued() {
    let log = Log::new();
    drop_after(2, lease(log.clone()).scope(async |()| pending::<()>().await));
    drain();
    assert_eq!(log.take(), RESCUED);
}

#[test]
fn manager_of_a_wrapper_macro_is_rescued() {
    context_managers! {
        #[async_context_manager(shielded)]
        async fn wrapped(log: Log) {
            yield!();
            yields(1).await;
            log.add(here());
        }
    }
    let log = Log::new();
    drop_after(1, async { with!(wrapped(log.clone()) => pending::<()>().await) });
    drain();
    assert_eq!(log.take(), [OWN]);
}

/// Pends on all ways.
struct Session(Log);

impl AsyncContextManager for Session {
    type Value<'v> = &'v mut Log;
    type Exit = Result<(), u8>;

    async fn enter(&mut self) -> Result<&mut Log, u8> {
        yields(1).await;
        self.0.add("entered");
        Ok(&mut self.0)
    }

    async fn exit(&mut self, outcome: Outcome) -> Result<(), u8> {
        self.0.add(format!("sees {outcome:?}"));
        yields(1).await;
        self.0.add(format!("left on {}", here()));
        Ok(())
    }
}

#[test]
fn type_as_manager_is_rescued() {
    for polls in [1, 2] {
        let log = Log::new();
        drop_after(polls, async {
            with!(Session(log.clone()).into_manager().shielded() as session => {
                session.add("block");
                pending::<()>().await;
            })
        });
        drain();
        let mut events = log.take();
        events.retain(|event| event != "block");
        assert_eq!(events, RESCUED, "after {polls}");
    }
}

#[test]
fn type_as_manager_of_a_scope_is_rescued_while_it_is_left() {
    let log = Log::new();
    drop_after(2, Session(log.clone()).into_manager().shielded().scope(async |session| session.add("block")));
    drain();
    assert_eq!(log.take(), ["entered", "block", "sees Completed", "left on rescue"]);
}

#[test]
fn managers_on_a_stack_are_rescued() {
    let log = Log::new();
    drop_after(3, async {
        with!(AsyncExitStack::<u8>::new() as stack => {
            let session = stack.enter(Session(log.clone()).into_manager().shielded()).await?;
            session.add("between");
            stack.enter(lease(log.clone())).await;
            pending::<()>().await;
        })
    });
    drain();
    assert_eq!(log.take(), [&["entered", "between", "entered"], &RESCUED[1..], &RESCUED[1..]].concat());
}

/// Lends what another one lends, in whose block its own marker stands.
#[async_context_manager(shielded)]
async fn made(log: Log) -> Result<&mut Log, u8> {
    let result = with!(Session(log.clone()).into_manager().shielded() as session, lease(log.clone()) => {
        r#yield!(session);
    });
    yields(1).await;
    log.add("made is left");
    result
}

#[test]
fn manager_made_of_shielded_ones_is_rescued_whenever_it_is_dropped() {
    let all = [RESCUED[0], RESCUED[0], RESCUED[1], RESCUED[2], RESCUED[1], RESCUED[2], "made is left"];
    for polls in 1..=3 {
        let log = Log::new();
        drop_after(polls, async { with!(made(log.clone()) as _session => pending::<()>().await) });
        drain();
        assert_eq!(log.take(), all, "after {polls}");
    }
    for polls in 3..=5 {
        let log = Log::new();
        drop_after(polls, async { with!(made(log.clone()) as _session => {}) });
        drain();
        let events = log.take();
        assert_eq!(events.iter().filter(|event| *event == "sees Completed").count(), 2, "after {polls}: {events:?}");
        assert_eq!(events.last().map(String::as_str), Some("made is left"), "after {polls}: {events:?}");
    }
}

#[test]
fn a_block_that_panics_while_the_with_is_dropped_is_seen_by_all() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("of the block");
        }
    }
    let log = Log::new();
    drop_after(3, async {
        with!(made(log.clone()) as _session => {
            let _bomb = Bomb;
            pending::<()>().await;
        })
    });
    drain();
    assert_eq!(log.take().iter().filter(|event| *event == "sees Panicked").count(), 2);
}
