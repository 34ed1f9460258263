//! Managers whose `yield!` stands in an `async` block: they race the block, and have their locals back afterwards.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::mem::ManuallyDrop;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_context_manager::{Outcome, async_context_manager, with};
use futures::StreamExt;
use futures::future::{Either, FutureExt, select};
use futures::stream::FuturesUnordered;
use tests::{Log, PanicsInDrop, block_on, drop_after, panic_message, yields};

const SECOND: Duration = Duration::from_secs(1);

/// A deadline.
#[async_context_manager]
async fn within(log: &Log, limit: Duration) -> Result<(), String> {
    log.add("enter");
    let outcome = tokio::time::timeout(limit, async { r#yield!() }).await;
    log.add(match outcome {
        Ok(outcome) => format!("{outcome:?}"),
        Err(_) => "timeout".to_string(),
    });
    yields(1).await;
    log.add("exit");
    outcome.map(drop).map_err(|elapsed| elapsed.to_string())
}

/// Ends the block after that many polls, and lends a local.
#[async_context_manager]
async fn polled_at_most(log: &Log, polls: usize) -> Result<&mut Vec<u8>, &'static str> {
    let mut local = vec![0];
    let result = tokio::select! {
        biased;
        outcome = async { r#yield!(&mut local) } => {
            log.add(format!("{outcome:?}"));
            Ok(())
        }
        () = yields(polls - 1) => {
            log.add("won");
            Err("lost")
        }
    };
    local.push(2);
    log.add(format!("{local:?}"));
    result
}

mod timeout {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_block_that_is_in_time() {
        let log = Log::new();
        let value = with!(within(&log, SECOND) => {
            tokio::time::sleep(SECOND / 2).await;
            log.add("block");
            5
        });
        log.add("after");
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter", "block", "Completed", "exit", "after"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_that_is_late_is_dropped_before_the_next_line() {
        let log = Log::new();
        let value = with!(within(&log, SECOND) => {
            let _block = log.on_drop("block dropped");
            log.add("block");
            tokio::time::sleep(2 * SECOND).await;
            log.add("not reached");
        });
        log.add("after");
        assert_eq!(value, Err("deadline has elapsed".to_string()));
        assert_eq!(log.take(), ["enter", "block", "block dropped", "timeout", "exit", "after"]);
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_of_zero_still_polls_the_block_once() {
        let log = Log::new();
        let value = with!(within(&log, Duration::ZERO) => {
            log.add("block");
            pending::<()>().await;
        });
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter", "block", "timeout", "exit"]);
    }

    #[tokio::test(start_paused = true)]
    async fn timeout_of_zero_is_enough_for_a_block_that_never_pends() {
        let log = Log::new();
        let value = with!(within(&log, Duration::ZERO) => 5);
        assert_eq!(value, Ok(5));
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[tokio::test(start_paused = true)]
    async fn error_of_a_block_in_time_goes_on() {
        async fn f(log: &Log) -> Result<u8, String> {
            with!(within(log, SECOND) => {
                tokio::time::sleep(SECOND / 2).await;
                Err("error".to_string())?
            })
        }
        let log = Log::new();
        assert_eq!(f(&log).await, Err("error".to_string()));
        assert_eq!(log.take(), ["enter", "Failed(())", "exit"]);
    }

    #[tokio::test(start_paused = true)]
    async fn jumps_of_a_block_in_time_leave_it() {
        let log = Log::new();
        let value = loop {
            let _: Result<(), String> = with!(within(&log, SECOND) => { break 5 });
        };
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["enter", "Completed", "exit"]);
    }

    #[test]
    fn a_panic_of_the_block_is_no_panic_of_the_race() {
        let log = Log::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _guard = runtime.enter();
        let message = panic_message(async { with!(within(&log, SECOND) => { panic!("block") }) });
        assert_eq!(message, "block");
        assert_eq!(log.take(), ["enter", "Panicked", "exit"]);
    }

    #[tokio::test(start_paused = true)]
    async fn inner_one_of_two_timeouts_elapses() {
        let log = Log::new();
        let value = with!(within(&log, 2 * SECOND), within(&log, SECOND) => { pending::<()>().await });
        assert!(value.is_err());
        assert_eq!(log.take(), ["enter", "enter", "timeout", "exit", "Failed(())", "exit"]);
    }

    #[tokio::test(start_paused = true)]
    async fn outer_one_of_two_timeouts_elapses() {
        let log = Log::new();
        let value = with!(within(&log, SECOND), within(&log, 2 * SECOND) => {
            let _block = log.on_drop("block dropped");
            pending::<()>().await;
        });
        assert!(value.is_err());
        let expected = ["enter", "enter", "block dropped", "Cancelled", "timeout", "exit"];
        assert_eq!(log.take(), expected);
    }
}

mod select {
    use super::*;

    #[test]
    fn block_that_wins_a_select_completes() {
        let log = Log::new();
        let value = block_on(async {
            with!(polled_at_most(&log, 5) as local => {
                yields(2).await;
                local.push(1);
                local.len()
            })
        });
        assert_eq!(value, Ok(2));
        assert_eq!(log.take(), ["Completed", "[0, 1, 2]"]);
    }

    #[test]
    fn block_that_loses_a_select_gives_the_manager_its_locals_back() {
        let log = Log::new();
        let value = block_on(async {
            let value = with!(polled_at_most(&log, 3) as local => {
                let _block = log.on_drop("block dropped");
                loop {
                    local.push(1);
                    yields(1).await;
                }
            });
            log.add("after");
            value
        });
        assert_eq!(value, Err("lost"));
        assert_eq!(log.take(), ["block dropped", "won", "[0, 1, 1, 1, 2]", "after"]);
    }

    #[test]
    fn marker_may_stand_by_itself_in_select() {
        #[async_context_manager]
        async fn races(log: &Log) -> Result<(), &'static str> {
            futures::select_biased! {
                outcome = pin!(async { r#yield!() }.fuse()) => log.add(format!("{outcome:?}")),
                () = pin!(yields(3).fuse()) => Err("lost")?,
            }
            Ok(())
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(races(&log) => yields(2).await) }), Ok(()));
        assert_eq!(log.take(), ["Completed"]);
        assert_eq!(block_on(async { with!(races(&log) => yields(4).await) }), Err("lost"));
        assert!(log.take().is_empty());
    }

    #[test]
    fn marker_may_stand_in_the_functions_of_futures() {
        #[async_context_manager]
        async fn races(log: &Log, polls: usize) -> Result<&mut u8, &'static str> {
            let mut local = 1;
            let lent = &mut local;
            let block = async { r#yield!(lent) };
            let won = match select(Box::pin(block), yields(polls)).await {
                Either::Left((outcome, _)) => {
                    log.add(format!("{outcome:?}"));
                    Ok(())
                }
                Either::Right(((), block)) => {
                    log.add("won");
                    drop(block);
                    log.add("dropped");
                    Err("lost")
                }
            };
            log.add(format!("{local}"));
            won
        }
        let log = Log::new();
        let f = |limit| {
            let log = log.clone();
            async move {
                with!(races(&log, limit) as local => {
                    let _block = log.on_drop("block dropped");
                    *local = 2;
                    yields(2).await;
                    log.add("block");
                })
            }
        };
        assert_eq!(block_on(f(3)), Ok(()));
        assert_eq!(log.take(), ["block", "block dropped", "Completed", "2"]);
        assert_eq!(block_on(f(1)), Err("lost"));
        assert_eq!(log.take(), ["won", "block dropped", "dropped", "2"]);
    }

    #[test]
    fn pinned_marker_may_live_to_the_end_of_the_manager() {
        #[async_context_manager]
        async fn races(log: &Log) -> Result<(), &'static str> {
            let block = pin!(async { r#yield!() });
            match select(block, ready(())).await {
                Either::Left(_) => Ok(()),
                Either::Right(((), _still_there)) => {
                    yields(1).await;
                    log.add("exit");
                    Err("lost")
                }
            }
        }
        let log = Log::new();
        let value = block_on(async {
            with!(races(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            })
        });
        assert_eq!(value, Err("lost"));
        assert_eq!(log.take(), ["exit", "block dropped"]);
    }

    #[test]
    fn block_goes_on_after_it_has_lost_a_round_of_a_select() {
        #[async_context_manager]
        async fn ticks(log: &Log) {
            let mut block = pin!(async { r#yield!() });
            loop {
                match select(block, yields(1)).await {
                    Either::Left((outcome, _)) => {
                        log.add(format!("{outcome:?}"));
                        break;
                    }
                    Either::Right(((), unfinished)) => {
                        log.add("tick");
                        block = unfinished;
                    }
                }
            }
        }
        let log = Log::new();
        block_on(async {
            with!(ticks(&log) => {
                yields(5).await;
                log.add("block");
            });
        });
        let events = log.take();
        assert_eq!(events[..2], ["tick", "tick"]);
        assert_eq!(events[events.len() - 2..], ["block", "Completed"]);
    }

    #[test]
    fn marker_may_stand_in_a_join() {
        #[async_context_manager]
        async fn beside(log: &Log) {
            let (outcome, ()) = futures::join!(async { r#yield!() }, async {
                log.add("beside");
                yields(3).await;
                log.add("beside ends");
            });
            log.add(format!("{outcome:?}"));
        }
        let log = Log::new();
        block_on(async {
            with!(beside(&log) => {
                log.add("block");
                yields(1).await;
                log.add("block ends");
            });
        });
        assert_eq!(log.take(), ["block", "beside", "block ends", "beside ends", "Completed"]);
    }

    #[test]
    fn marker_may_stand_in_a_macro_that_is_no_race() {
        #[async_context_manager]
        async fn in_a_macro(log: &Log) -> &u8 {
            let local = 5;
            let outcomes = vec![r#yield!(&local)];
            log.add(format!("{outcomes:?}"));
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(in_a_macro(&log) as local => { yields(1).await; *local }) }), 5);
        assert_eq!(log.take(), ["[Completed]"]);
    }
}

mod unordered {
    use super::*;

    /// Polls its futures with wakers of its own, and only those that were woken.
    #[async_context_manager]
    async fn unordered(log: &Log) -> &mut u8 {
        let mut local = 0;
        let marker = async {
            let outcome = r#yield!(&mut local);
            format!("{outcome:?}")
        };
        let other = async {
            yields(2).await;
            "other".to_string()
        };
        let mut all: FuturesUnordered<_> = [marker.left_future(), other.right_future()].into_iter().collect();
        while let Some(ended) = all.next().await {
            log.add(ended);
        }
        drop(all);
        log.add(format!("{local}"));
    }

    #[test]
    fn block_among_unordered_futures_is_woken() {
        let log = Log::new();
        block_on(async {
            with!(unordered(&log) as local => {
                for _ in 0..5 {
                    *local += 1;
                    yields(1).await;
                }
                log.add("block");
            });
        });
        assert_eq!(log.take(), ["other", "block", "Completed", "5"]);
    }

    #[test]
    fn drop_cancels_a_block_among_unordered_futures() {
        let log = Log::new();
        drop_after(4, async {
            with!(unordered(&log) as local => {
                let _block = log.on_drop("block dropped");
                *local += 1;
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["other", "block dropped", "Cancelled", "1"]);
    }

    #[test]
    fn drop_cancels_a_block_among_unordered_futures_beside_one_that_pends() {
        let log = Log::new();
        drop_after(1, async {
            with!(unordered(&log) as local => {
                *local += 1;
                pending::<()>().await;
            });
        });
        let events = log.take();
        assert!(events.contains(&"Cancelled".to_string()), "{events:?}");
    }

    #[test]
    fn first_of_unordered_futures_wins() {
        #[async_context_manager]
        async fn first(log: &Log) -> Result<(), &'static str> {
            let marker = async {
                r#yield!();
                Ok(())
            };
            let other = async {
                yields(2).await;
                Err("lost")
            };
            let mut all: FuturesUnordered<_> = [marker.left_future(), other.right_future()].into_iter().collect();
            let result = all.next().await.unwrap_or(Ok(()));
            drop(all);
            log.add("exit");
            result
        }
        let log = Log::new();
        let value = block_on(async {
            with!(first(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            })
        });
        assert_eq!(value, Err("lost"));
        assert_eq!(log.take(), ["block dropped", "exit"]);
    }
}

mod boxed {
    use super::*;

    #[async_context_manager]
    async fn boxed(log: &Log, polls: Option<usize>) -> Result<&mut u8, &'static str> {
        let mut local = 0;
        let block = Box::pin(async { r#yield!(&mut local) });
        log.add("boxed");
        let result = match polls {
            None => {
                let outcome = block.await;
                log.add(format!("{outcome:?}"));
                Ok(())
            }
            Some(0) => {
                drop(block);
                Err("never polled")
            }
            Some(polls) => {
                let _ = select(block, yields(polls - 1)).await;
                Err("lost")
            }
        };
        log.add(format!("{local}"));
        result
    }

    async fn f(log: &Log, polls: Option<usize>) -> Result<(), &'static str> {
        with!(boxed(log, polls) as local => {
            let _block = log.on_drop("block dropped");
            *local += 1;
            yields(3).await;
            *local += 1;
        })
    }

    #[test]
    fn boxed_marker_may_be_awaited() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, None)), Ok(()));
        assert_eq!(log.take(), ["boxed", "block dropped", "Completed", "2"]);
    }

    #[test]
    fn boxed_marker_that_is_dropped_drops_the_block() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, Some(2))), Err("lost"));
        assert_eq!(log.take(), ["boxed", "block dropped", "1"]);
    }

    #[test]
    fn boxed_marker_that_is_dropped_before_it_was_polled_skips_the_block() {
        let log = Log::new();
        assert_eq!(block_on(f(&log, Some(0))), Err("never polled"));
        assert_eq!(log.take(), ["boxed", "0"]);
    }

    #[test]
    fn boxed_marker_is_cancelled_from_outside() {
        let log = Log::new();
        drop_after(1, f(&log, None));
        assert_eq!(log.take(), ["boxed", "block dropped", "Cancelled", "1"]);
    }
}

mod losing {
    use super::*;

    /// Drops its block at once.
    #[async_context_manager]
    async fn drops(log: &Log, result: Result<(), &'static str>) -> Result<(), &'static str> {
        match select(pin!(async { r#yield!() }), ready(())).await {
            Either::Left((outcome, _)) => log.add(format!("{outcome:?}")),
            Either::Right(_) => log.add("lost"),
        }
        result
    }

    #[test]
    fn err_of_a_manager_whose_block_lost_is_the_value() {
        let log = Log::new();
        let value = block_on(async { with!(drops(&log, Err("lost")) => pending::<u8>().await) });
        assert_eq!(value, Err("lost"));
        assert_eq!(log.take(), ["lost"]);
    }

    #[test]
    fn success_of_a_manager_whose_block_lost_is_a_panic_that_names_the_function() {
        let log = Log::new();
        let message = panic_message(async { with!(drops(&log, Ok(())) => pending::<u8>().await) });
        assert!(message.starts_with("`drops` dropped its block before the end and succeeded"), "{message}");
        assert_eq!(log.take(), ["lost"]);
    }

    #[test]
    fn an_inner_manager_of_the_block_is_cancelled() {
        #[async_context_manager]
        async fn inner(log: &Log) {
            log.add("enter inner");
            let outcome = r#yield!();
            log.add(format!("exit inner {outcome:?}"));
        }
        let log = Log::new();
        let value = block_on(async {
            with!(polled_at_most(&log, 2) as _local, inner(&log) => {
                let _block = log.on_drop("block dropped");
                yields(5).await;
            })
        });
        assert_eq!(value, Err("lost"));
        let expected = ["enter inner", "block dropped", "exit inner Cancelled", "won", "[0, 2]"];
        assert_eq!(log.take(), expected);
    }

    #[test]
    fn a_panic_of_the_blocks_drop_goes_on_after_the_exit_phase() {
        let log = Log::new();
        let message = panic_message(async {
            with!(polled_at_most(&log, 2) as _local => {
                let _block = PanicsInDrop;
                yields(5).await;
            })
        });
        assert_eq!(message, "in drop");
        assert_eq!(log.take(), ["won", "[0, 2]"]);
    }

    #[test]
    fn the_marker_is_reached_only_if_the_race_polls_it() {
        #[async_context_manager]
        async fn too_late(log: &Log) -> Result<(), &'static str> {
            tokio::select! {
                biased;
                () = ready(()) => log.add("won"),
                outcome = async { r#yield!() } => log.add(format!("{outcome:?}")),
            }
            Err("lost")
        }
        let log = Log::new();
        let value = block_on(async { with!(too_late(&log) => log.add("not reached")) });
        assert_eq!(value, Err("lost"));
        assert_eq!(log.take(), ["won"]);
    }

    #[test]
    fn a_marker_that_is_never_polled_is_a_missing_yield() {
        #[async_context_manager]
        async fn forgets() {
            drop(async { r#yield!() });
        }
        let message = panic_message(async { with!(forgets() => {}) });
        assert_eq!(message, "`forgets` ended without reaching its `yield!`: return an `Err` to skip the block");
    }
}

mod composed {
    use super::*;

    /// Polls its block every other time.
    #[async_context_manager]
    async fn every_other() {
        let mut block = pin!(async { r#yield!() });
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls % 2 == 1 { block.as_mut().poll(cx) } else { Poll::Pending }
        })
        .await;
    }

    #[async_context_manager]
    async fn made_of_it() {
        with!(every_other() => { r#yield!(); });
    }

    #[async_context_manager]
    async fn made_of_that() {
        with!(made_of_it() => { r#yield!(); });
    }

    #[test]
    fn a_block_is_polled_only_by_the_race_around_its_marker() {
        let polls = Cell::new(0);
        drop_after(5, async {
            with!(made_of_that() => poll_fn(|_| { polls.set(polls.get() + 1); Poll::<()>::Pending }).await);
        });
        assert_eq!(polls.get(), 3);
    }
}

mod cancelled {
    use super::*;

    #[test]
    fn race_that_is_dropped_ends_with_cancelled() {
        let log = Log::new();
        drop_after(2, async {
            with!(polled_at_most(&log, 10) as local => {
                let _block = log.on_drop("block dropped");
                local.push(1);
                yields(5).await;
            })
        });
        assert_eq!(log.take(), ["block dropped", "Cancelled", "[0, 1, 2]"]);
    }

    #[test]
    fn a_race_that_polls_the_other_first_may_drop_the_block() {
        #[async_context_manager]
        async fn other_first(log: &Log) -> Result<(), &'static str> {
            tokio::select! {
                biased;
                () = yields(1) => log.add("won"),
                outcome = async { r#yield!() } => log.add(format!("{outcome:?}")),
            }
            log.add("exit");
            Err("lost")
        }
        let log = Log::new();
        drop_after(1, async {
            with!(other_first(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            })
        });
        assert_eq!(log.take(), ["block dropped", "won", "exit"]);
    }

    /// Only the marker's future may drop the block, as only it knows that what is lent is still there; and it is told
    /// by being polled or dropped.
    #[test]
    fn a_manager_that_looks_away_goes_on_until_it_pends_and_then_the_block_is_dropped() {
        #[async_context_manager]
        async fn looks_away(log: &Log) {
            let mut block = Box::pin(async { r#yield!() });
            assert!(futures::poll!(&mut block).is_pending());
            for n in 0..2 {
                log.add(format!("elsewhere {n}"));
                yields(1).await;
            }
            log.add(format!("{:?}", block.await));
        }
        let log = Log::new();
        drop_after(1, async {
            with!(looks_away(&log) => {
                let _block = log.on_drop("block dropped");
                pending::<()>().await;
            });
        });
        assert_eq!(log.take(), ["elsewhere 0", "elsewhere 1", "block dropped"]);
    }

    /// The future of a marker, where both the manager and the block can get at it.
    type Slot<'s> = Cell<Option<Pin<Box<dyn Future<Output = Outcome> + 's>>>>;

    /// Polls what is in the slot, if anything is.
    fn poll_slot(slot: &Slot<'_>, cx: &mut Context<'_>) -> Option<Poll<Outcome>> {
        let mut block = slot.take()?;
        let poll = block.as_mut().poll(cx);
        if poll.is_pending() {
            slot.set(Some(block));
        }
        Some(poll)
    }

    /// Polls and drops the marker, if it can get at it.
    struct ReachesForIt<'r, 's>(&'r Log, &'r Slot<'s>);

    impl Drop for ReachesForIt<'_, '_> {
        fn drop(&mut self) {
            let polled = poll_slot(self.1, &mut Context::from_waker(Waker::noop()));
            self.0.add(format!("block dropped {polled:?}"));
            self.1.take();
        }
    }

    #[async_context_manager]
    async fn with_a_slot(log: &Log, polls: usize) -> Result<&Slot<'_>, &'static str> {
        let slot = ManuallyDrop::new(Slot::default());
        let block: Pin<Box<dyn Future<Output = Outcome> + '_>> = Box::pin(async { r#yield!(&*slot) });
        slot.set(Some(block));
        let mut left = polls;
        let outcome = poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            poll_slot(&slot, cx).map_or(Poll::Ready(None), |poll| poll.map(Some))
        })
        .await;
        log.add(format!("{outcome:?}"));
        drop(slot.take());
        log.add("exit");
        outcome.map(drop).ok_or("lost")
    }

    async fn reaching(log: &Log, polls: usize) -> Result<(), &'static str> {
        with!(with_a_slot(log, polls) as slot => {
            let _reaching = ReachesForIt(log, slot);
            assert!(slot.take().is_none(), "it is being polled");
            yields(2).await;
        })
    }

    #[test]
    fn a_block_that_reaches_for_its_marker_when_it_ends() {
        let log = Log::new();
        assert_eq!(block_on(reaching(&log, 5)), Ok(()));
        assert_eq!(log.take(), ["block dropped None", "Some(Completed)", "exit"]);
    }

    #[test]
    fn a_block_that_reaches_for_its_marker_when_it_is_raced_away() {
        let log = Log::new();
        assert_eq!(block_on(reaching(&log, 1)), Err("lost"));
        assert_eq!(log.take(), ["None", "block dropped None", "exit"]);
    }

    #[test]
    fn a_block_that_reaches_for_its_marker_when_it_is_cancelled() {
        let log = Log::new();
        drop_after(1, reaching(&log, 5));
        assert_eq!(log.take(), ["block dropped None", "Some(Cancelled)", "exit"]);
    }
}
