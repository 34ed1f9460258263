//! Who polls a program by hand, and stops it.

use std::sync::{Arc, OnceLock};

use async_context_manager::{CancelScope, cancel_scope, graceful, with};

use super::{Alone, Hand, Outcome, drop_program, program};
use crate::env::{End, Env, EventKind, OUTSIDE, Pend};
use crate::model::Step;
use crate::run::{Dropping, Ran};

/// Polls by hand, as [`by_hand`](super::by_hand) does, a program in a scope, and cancels that. Its stops are the polls.
pub fn in_scope(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    in_scope_until(steps, way, usize::MAX)
}

/// The same, but the rescues are dropped after one poll.
pub fn in_scope_given_up(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    in_scope_until(steps, way, 1)
}

fn in_scope_until(steps: &Arc<[Step]>, way: Dropping, patience: usize) -> Result<Ran, String> {
    let (env, record) = Env::new(way.injection, Pend::AtOnce);
    let scope = Arc::<OnceLock<CancelScope>>::default();
    let future = in_cancel_scope(env, steps.clone(), scope.clone());
    let mut hand = Hand::by_hand(patience);
    let mut stop = |polls| {
        if way.stop_at == Some(polls) {
            record.stops();
            scope.get().expect("the block has begun").cancel();
        }
        if way.stop_at.is_some() && way.drop_at == Some(polls) {
            record.cuts();
        }
    };
    let mut future: Alone<'_> = Box::pin(future);
    let (ended, polls) = hand.poll(&mut future, way.drop_at, &mut stop)?;
    drop_program(future, ended.is_none().then_some((&record, polls)))?;
    record.gone();
    hand.finish()?;
    Ran::new(&record, polls)
}

/// A program in a scope, whose handle is then in `scope`.
async fn in_cancel_scope(env: Env, steps: Arc<[Step]>, scope: Arc<OnceLock<CancelScope>>) -> Outcome {
    let program = program(env.clone(), steps);
    let ended = with!(cancel_scope() as handle => {
        scope.set(handle).expect("it begins once");
        env.watch(OUTSIDE, None, EventKind::BlockEnded, program).await
    });
    let end = match &ended {
        Some(Ok(_)) => End::Done,
        Some(Err(_)) => End::Failed,
        None => End::Stopped,
    };
    env.add(OUTSIDE, EventKind::WithEnded(end));
    ended.unwrap_or(Ok(None))
}

/// Drops it as a `graceful` future after so many polls: the crate then stops it. Its stops are the polls until then.
pub fn gracefully(steps: &Arc<[Step]>, way: Dropping) -> Result<Ran, String> {
    let (env, record) = Env::new(way.injection, Pend::AtOnce);
    let watched = env.watch(OUTSIDE, None, EventKind::BlockEnded, program(env.clone(), steps.clone()));
    drop(env);
    let mut future: Alone<'_> = Box::pin(graceful(watched));
    let mut hand = Hand::by_hand(usize::MAX);
    let (ended, polls) = hand.poll(&mut future, way.stop_at, &mut |_| {})?;
    if ended.is_none() {
        record.abandons();
    }
    drop_program(future, None)?;
    hand.finish()?;
    record.gone();
    Ran::new(&record, polls)
}
