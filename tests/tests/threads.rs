//! What becomes of the future of a `yield!` that a manager moves, leaks or has another thread poll; and of a `with!` on
//! many threads.

#![forbid(unsafe_code)]

use std::future::pending;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_context_manager::{async_context_manager, with};
use tests::{Log, block_on, in_child, message, panic_message, yields};

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a thread of its own panics with, when it runs this.
fn panic_elsewhere<T>(run: impl FnOnce() -> T + Send) -> String {
    let caught = std::thread::scope(|scope| {
        let caught = || catch_unwind(AssertUnwindSafe(|| drop(run())));
        scope.spawn(caught).join().expect("it is caught")
    });
    message(caught.expect_err("it should have panicked").as_ref())
}

mod the_marker_on_another_thread {
    use super::*;

    #[test]
    fn marker_on_another_thread_panics_there_and_does_not_touch_the_block() {
        #[async_context_manager]
        async fn moves(log: &Log) -> Result<&mut Vec<u8>, String> {
            let mut local = vec![1];
            let block = async { r#yield!(&mut local) };
            let panic = panic_elsewhere(move || block_on(block));
            log.add(format!("{local:?}"));
            Err(panic)
        }
        let log = Log::new();
        let value = block_on(async {
            with!(moves(&log) as local => {
                local.push(2);
                log.add("not reached");
            })
        });
        let expected = "the future of a `yield!` was polled on a different thread than its `with!`";
        assert_eq!(value, Err(expected.to_string()));
        assert_eq!(log.take(), ["[1]"]);
    }

    #[test]
    fn marker_that_is_dropped_unpolled_on_another_thread_does_no_harm() {
        #[async_context_manager]
        async fn drops(log: &Log) -> Result<&mut Vec<u8>, &'static str> {
            let mut local = vec![1];
            let block = async { r#yield!(&mut local) };
            std::thread::scope(|scope| scope.spawn(move || drop(block)).join().unwrap());
            log.add(format!("{local:?}"));
            Err("dropped")
        }
        let log = Log::new();
        let value = block_on(async { with!(drops(&log) as local => local.push(2)) });
        assert_eq!(value, Err("dropped"));
        assert_eq!(log.take(), ["[1]"]);
    }

    #[test]
    fn marker_on_another_thread_after_the_block_has_ended_does_no_harm() {
        #[async_context_manager]
        async fn drops_late(log: &Log) {
            let mut block = Box::pin(async {
                let outcome = r#yield!();
                log.add(format!("{outcome:?}"));
                pending::<()>().await;
            });
            for _ in 0..3 {
                assert!(futures::poll!(block.as_mut()).is_pending());
                yields(1).await;
            }
            std::thread::scope(|scope| scope.spawn(move || drop(block)).join().unwrap());
            log.add("exit");
        }
        let log = Log::new();
        let value = block_on(async { with!(drops_late(&log) => { yields(1).await; 5 }) });
        assert_eq!(value, 5);
        assert_eq!(log.take(), ["Completed", "exit"]);
    }

    #[test]
    fn marker_on_another_thread_through_a_macro_that_is_called_with_panics() {
        /// Not the one of the crate.
        macro_rules! with {
            ($marker:expr) => {
                panic_elsewhere(|| block_on(async { ::async_context_manager::with!(other() => { $marker; }) }))
            };
        }
        #[async_context_manager]
        async fn other() {
            r#yield!();
        }
        #[async_context_manager]
        async fn moves(log: &Log) -> Result<&mut Vec<u8>, String> {
            let mut local = vec![1];
            let panic = with!(r#yield!(&mut local));
            log.add(format!("{local:?}"));
            Err(panic)
        }
        let log = Log::new();
        let here = std::rc::Rc::new(std::thread::current().id());
        let value = block_on(async {
            ::async_context_manager::with!(moves(&log) as _local => {
                assert_eq!(*here, std::thread::current().id(), "a block that is not `Send`");
            })
        });
        let expected = "the future of a `yield!` was polled on a different thread than its `with!`";
        assert_eq!(value, Err(expected.to_string()));
        assert_eq!(log.take(), ["[1]"]);
    }

    #[test]
    fn marker_on_another_thread_from_an_async_block_in_a_with_panics() {
        #[async_context_manager]
        async fn other() {
            r#yield!();
        }
        #[async_context_manager]
        async fn moves(log: &Log) -> Result<&mut Vec<u8>, String> {
            let mut local = vec![1];
            let panic = with!(other() => poll_elsewhere(async { r#yield!(&mut local) }));
            log.add(format!("{local:?}"));
            Err(panic)
        }
        fn poll_elsewhere<T: Send>(future: impl Future<Output = T> + Send) -> String {
            panic_elsewhere(|| block_on(future))
        }
        let log = Log::new();
        let here = std::rc::Rc::new(std::thread::current().id());
        let value = block_on(async {
            with!(moves(&log) as _local => {
                assert_eq!(*here, std::thread::current().id(), "a block that is not `Send`");
            })
        });
        let expected = "the future of a `yield!` was polled on a different thread than its `with!`";
        assert_eq!(value, Err(expected.to_string()));
        assert_eq!(log.take(), ["[1]"]);
    }

    #[test]
    fn marker_that_moves_with_its_with_to_another_thread_does_no_harm() {
        #[async_context_manager]
        async fn races(log: &Log) -> &mut u8 {
            let mut local = 5;
            let outcome = async { r#yield!(&mut local) }.await;
            log.add(format!("{outcome:?} {local}"));
        }
        let log = Log::new();
        let value = std::thread::scope(|scope| {
            let run = || block_on(async { with!(races(&log) as local => { *local += 1; *local }) });
            scope.spawn(run).join().unwrap()
        });
        assert_eq!(value, 6);
        assert_eq!(log.take(), ["Completed 6"]);
    }
}

mod a_with_that_moves_between_threads {
    use super::*;

    #[async_context_manager]
    async fn races(log: Log) -> &mut Vec<u8> {
        let mut local = Vec::new();
        yields(1).await;
        let outcome = tokio::select! {
            outcome = async { r#yield!(&mut local) } => outcome,
            () = pending() => unreachable!(),
        };
        log.add(format!("{outcome:?} {local:?}"));
        yields(1).await;
        log.add("exit");
    }

    fn boxed(log: &Log) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        let log = log.clone();
        Box::pin(async move {
            with!(races(log.clone()) as local => {
                let _block = log.on_drop("block dropped");
                for n in 0..3 {
                    local.push(n);
                    yields(1).await;
                }
                local.len()
            })
        })
    }

    /// Polls a future on a thread of its own.
    fn hop<T: Send + 'static>(
        mut future: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> (Pin<Box<dyn Future<Output = T> + Send>>, Poll<T>) {
        let polled = std::thread::spawn(move || {
            let poll = poll_once(future.as_mut());
            (future, poll)
        });
        polled.join().unwrap()
    }

    #[test]
    fn with_may_be_polled_on_a_new_thread_each_time() {
        let log = Log::new();
        let mut future = boxed(&log);
        let value = loop {
            let poll;
            (future, poll) = hop(future);
            if let Poll::Ready(value) = poll {
                break value;
            }
        };
        assert_eq!(value, 3);
        assert_eq!(log.take(), ["block dropped", "Completed [0, 1, 2]", "exit"]);
    }

    #[test]
    fn with_may_be_dropped_on_another_thread() {
        for polls in 0..6 {
            let log = Log::new();
            let mut future = boxed(&log);
            for _ in 0..polls {
                let poll;
                (future, poll) = hop(future);
                assert!(poll.is_pending());
            }
            std::thread::spawn(move || drop(future)).join().unwrap();
            let expected: &[&str] = match polls {
                0 | 1 => &[],
                2 => &["block dropped", "Cancelled [0]"],
                3 => &["block dropped", "Cancelled [0, 1]"],
                4 => &["block dropped", "Cancelled [0, 1, 2]"],
                _ => &["block dropped", "Completed [0, 1, 2]"],
            };
            assert_eq!(log.take(), expected, "after {polls} polls");
        }
    }

    #[async_context_manager]
    async fn sees(log: &Log) {
        let outcome = r#yield!();
        log.add(format!("{outcome:?}"));
    }

    #[async_context_manager]
    async fn goes_on_around_its_marker(log: Log) {
        with!(sees(&log) => {
            let outcome = async { r#yield!() }.await;
            log.add(format!("{outcome:?}"));
            yields(1).await;
        });
    }

    #[test]
    fn with_that_moved_when_its_block_has_ended_tells_the_managers_around_it() {
        let log = Log::new();
        let inside = log.clone();
        let mut future: Pin<Box<dyn Future<Output = Result<(), ()>> + Send>> =
            Box::pin(async move { with!(goes_on_around_its_marker(inside) => Err(())) });
        assert!(poll_once(future.as_mut()).is_pending());
        let (_future, polled) = hop(future);
        assert_eq!(polled, Poll::Ready(Err(())));
        assert_eq!(log.take(), ["Failed(())", "Failed(())"]);
    }
}

mod the_marker_elsewhere {
    use super::*;

    #[async_context_manager]
    async fn logged(log: &Log) {
        log.add("enter inner");
        let outcome = r#yield!();
        log.add(format!("exit inner {outcome:?}"));
    }

    #[test]
    fn marker_may_stand_in_the_block_of_another_manager() {
        #[async_context_manager]
        async fn moves(log: &Log) -> &mut u8 {
            let mut local = 5;
            let block = async { r#yield!(&mut local) };
            let outcome = with!(logged(log) => block.await);
            log.add(format!("{outcome:?}"));
        }
        let log = Log::new();
        let value = block_on(async {
            with!(moves(&log) as local => {
                yields(1).await;
                *local += 1;
                *local
            })
        });
        assert_eq!(value, 6);
        assert_eq!(log.take(), ["enter inner", "exit inner Completed", "Completed"]);
    }

    #[test]
    fn marker_may_stand_in_a_list_of_boxes() {
        #[async_context_manager]
        async fn lists(log: &Log) -> &mut u8 {
            let mut local = 5;
            let mut list: Vec<Pin<Box<dyn Future<Output = String> + Send + '_>>> = vec![
                Box::pin(async { "first".to_string() }),
                Box::pin(async { format!("{:?}", r#yield!(&mut local)) }),
                Box::pin(async { "last".to_string() }),
            ];
            list.reverse();
            for future in list {
                log.add(future.await);
            }
            log.add(local.to_string());
        }
        let log = Log::new();
        block_on(async { with!(lists(&log) as local => *local += 1) });
        assert_eq!(log.take(), ["last", "Completed", "first", "6"]);
    }

    #[test]
    fn marker_may_be_given_to_a_function() {
        async fn twice(future: impl Future<Output = String>) -> String {
            future.await.repeat(2)
        }
        #[async_context_manager]
        async fn calls(log: &Log) {
            log.add(twice(async { format!("{:?}", r#yield!()) }).await);
        }
        let log = Log::new();
        block_on(async { with!(calls(&log) => {}) });
        assert_eq!(log.take(), ["CompletedCompleted"]);
    }

    #[test]
    fn marker_may_be_polled_by_hand_with_another_waker() {
        #[async_context_manager]
        async fn polls(log: &Log) -> Result<(), &'static str> {
            let mut block = Box::pin(async { r#yield!() });
            for n in 0..10 {
                if let Poll::Ready(outcome) = poll_once(block.as_mut()) {
                    log.add(format!("{outcome:?} {n}"));
                    return Ok(());
                }
            }
            Err("not ready")
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(polls(&log) => { yields(3).await; 5 }) }), Ok(5));
        assert_eq!(log.take(), ["Completed 3"]);
        assert_eq!(block_on(async { with!(polls(&log) => { yields(13).await; 5 }) }), Err("not ready"));
        assert!(log.take().is_empty());
    }
}

mod leaks {
    use super::*;

    #[test]
    fn leak_of_a_with_runs_nothing() {
        #[async_context_manager]
        async fn logged(log: Log) {
            log.add("enter");
            r#yield!();
            log.add("not reached");
        }
        let log = Log::new();
        let mut future = Box::pin({
            let log = log.clone();
            async move { with!(logged(log) => pending::<()>().await) }
        });
        assert!(poll_once(future.as_mut()).is_pending());
        mem::forget(future);
        assert_eq!(log.take(), ["enter"]);
    }

    #[test]
    fn leak_of_a_marker_that_was_never_polled_does_no_harm() {
        #[async_context_manager]
        async fn leaks() -> &mut u8 {
            let mut local = 5;
            mem::forget(async { r#yield!(&mut local) });
        }
        let message = panic_message(async { with!(leaks() as local => *local += 1) });
        assert_eq!(message, "`leaks` ended without reaching its `yield!`: return an `Err` to skip the block");
    }

    #[test]
    fn leak_of_a_marker_whose_block_has_ended_does_no_harm() {
        #[async_context_manager]
        async fn leaks(log: &Log) -> &mut u8 {
            let mut local = 5;
            let mut block = Box::pin(async {
                let outcome = r#yield!(&mut local);
                log.add(format!("{outcome:?}"));
                pending::<()>().await;
            });
            assert!(futures::poll!(block.as_mut()).is_pending());
            mem::forget(block);
        }
        let log = Log::new();
        assert_eq!(block_on(async { with!(leaks(&log) as local => *local) }), 5);
        assert_eq!(log.take(), ["Completed"]);
    }
}

/// What can't go on: the block can't be dropped in time.
mod aborts {
    use super::*;

    /// Runs a block in a process of its own, which must not survive it. Gives what it said.
    fn aborts<F: Future<Output = ()>>(test: &str, run: impl FnOnce(Log) -> F) -> String {
        let child = in_child(&format!("aborts::{test}"), || block_on(run(Log::new())));
        assert!(!child.status.success());
        String::from_utf8_lossy(&child.stderr).into_owned()
    }

    /// That it aborts comes after it said so.
    fn assert_told(said: &str, manager: &str) {
        let expected = format!(
            "`{manager}` leaked the future of its `yield!`, or dropped it on another thread, before its block ended"
        );
        assert!(said.contains(&expected), "{said}");
    }

    #[async_context_manager]
    async fn leaks(_log: &Log) -> &mut u8 {
        let mut local = 5;
        let mut block = Box::pin(async { r#yield!(&mut local) });
        assert!(futures::poll!(block.as_mut()).is_pending());
        mem::forget(block);
    }

    #[test]
    fn marker_that_is_leaked_while_the_block_is_lent_aborts_the_process() {
        let said = aborts("marker_that_is_leaked_while_the_block_is_lent_aborts_the_process", |log| async move {
            with!(leaks(&log) as local => {
                pending::<()>().await;
                *local += 1;
            });
        });
        assert_told(&said, "leaks");
    }

    #[async_context_manager]
    async fn leaks_and_waits(_log: &Log) -> &mut u8 {
        let mut local = 5;
        let mut block = Box::pin(async { r#yield!(&mut local) });
        assert!(futures::poll!(block.as_mut()).is_pending());
        mem::forget(block);
        pending::<()>().await;
    }

    #[test]
    fn marker_that_is_leaked_before_all_is_dropped_aborts_the_process() {
        let said = aborts("marker_that_is_leaked_before_all_is_dropped_aborts_the_process", |log| async move {
            tests::drop_after(1, async {
                with!(leaks_and_waits(&log) as local => {
                    pending::<()>().await;
                    *local += 1;
                });
            });
        });
        assert_told(&said, "leaks_and_waits");
    }

    #[async_context_manager]
    async fn leaks_and_panics(_log: &Log) -> &mut u8 {
        let mut local = 5;
        let mut block = Box::pin(async { r#yield!(&mut local) });
        assert!(futures::poll!(block.as_mut()).is_pending());
        mem::forget(block);
        panic!("leaving");
    }

    #[test]
    fn marker_that_is_leaked_before_a_panic_aborts_the_process() {
        let said = aborts("marker_that_is_leaked_before_a_panic_aborts_the_process", |log| async move {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                block_on(async {
                    with!(leaks_and_panics(&log) as local => {
                        pending::<()>().await;
                        *local += 1;
                    });
                });
            }));
            drop(caught);
        });
        assert_told(&said, "leaks_and_panics");
    }

    #[async_context_manager]
    async fn drops_elsewhere(_log: &Log) -> &mut u8 {
        let mut local = 5;
        let mut block = Box::pin(async { r#yield!(&mut local) });
        assert!(futures::poll!(block.as_mut()).is_pending());
        std::thread::scope(|scope| scope.spawn(move || drop(block)).join().unwrap());
    }

    #[test]
    fn marker_that_is_dropped_on_another_thread_in_its_block_aborts_the_process() {
        let said =
            aborts("marker_that_is_dropped_on_another_thread_in_its_block_aborts_the_process", |log| async move {
                with!(drops_elsewhere(&log) as local => {
                    pending::<()>().await;
                    *local += 1;
                });
            });
        assert_told(&said, "drops_elsewhere");
    }

    #[async_context_manager]
    async fn polls_elsewhere(log: &Log) -> &mut u8 {
        let mut local = 5;
        let mut block = Box::pin(async { r#yield!(&mut local) });
        assert!(futures::poll!(block.as_mut()).is_pending());
        log.add(panic_elsewhere(move || poll_once(block.as_mut())));
    }

    #[test]
    fn marker_that_is_polled_on_another_thread_in_its_block_aborts_the_process() {
        let said =
            aborts("marker_that_is_polled_on_another_thread_in_its_block_aborts_the_process", |log| async move {
                with!(polls_elsewhere(&log) as local => {
                    pending::<()>().await;
                    *local += 1;
                });
            });
        assert!(said.contains("was polled on a different thread than its `with!`"), "{said}");
        assert_told(&said, "polls_elsewhere");
    }
}
