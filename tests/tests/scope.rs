//! `scope`: `with!` without the macro.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};
use tests::{Log, block_on, drop_after, panic_message, panic_of, yields};

fn fails() -> Result<u8, String> {
    Err("error".to_string())
}

#[async_context_manager]
async fn plain(log: &Log) -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    log.add("enter");
    yields(1).await;
    let outcome = r#yield!(&mut bytes);
    yields(1).await;
    log.add(format!("exit {outcome:?} {bytes:?}"));
}

#[async_context_manager]
async fn fallible(log: &Log, fails: u8) -> Result<&mut u8, String> {
    let mut number = 5;
    if fails == 1 {
        return Err("entering".to_string());
    }
    let outcome = r#yield!(&mut number);
    log.add(format!("exit {outcome:?}"));
    if fails == 2 { Err("leaving".to_string()) } else { Ok(()) }
}

#[async_context_manager(catch)]
async fn catching(log: &Log) -> Result<(), String> {
    let outcome = r#yield!();
    log.add(format!("exit {outcome:?}"));
    outcome.into_result().map_err(|error| error + " caught")
}

#[async_context_manager(catch, suppress)]
async fn suppressing<E>() -> Result<(), E> {
    r#yield!();
    Ok(())
}

struct Tx<'c> {
    conn: &'c mut Vec<u8>,
}

#[async_context_manager]
async fn begin(log: &Log) -> &mut Tx<'_> {
    let mut conn = vec![1];
    let mut tx = Tx { conn: &mut conn };
    r#yield!(&mut tx);
    tx.conn.push(9);
    log.add(format!("{conn:?}"));
}

#[async_context_manager]
async fn pair() -> (&mut u8, &str, Box<u8>) {
    let mut number = 1;
    let text = "text".to_string();
    r#yield!((&mut number, &text, Box::new(2)));
}

struct Member(Vec<u8>, Log);

impl AsyncContextManager for Member {
    type Value<'v> = &'v mut Vec<u8>;
    type Exit = Result<(), String>;

    async fn enter(&mut self) -> Result<&mut Vec<u8>, String> {
        Ok(&mut self.0)
    }

    async fn exit(&mut self, outcome: Outcome) -> Result<(), String> {
        self.1.add(format!("exit {outcome:?} {:?}", self.0));
        Ok(())
    }
}

mod endings {
    use super::*;

    #[test]
    fn scope_ends_with_the_value_of_its_closure() {
        let log = Log::new();
        let length = block_on(async {
            let length = plain(&log)
                .scope(async |bytes| {
                    bytes.push(5);
                    yields(1).await;
                    bytes.len()
                })
                .await;
            log.add("after");
            length
        });
        assert_eq!(length, 1);
        assert_eq!(log.take(), ["enter", "exit Completed [5]", "after"]);
    }

    #[test]
    fn scope_that_ends_with_an_err_fails() {
        let log = Log::new();
        let value = block_on(plain(&log).scope(async |_bytes| fails()));
        assert_eq!(value, fails());
        assert_eq!(log.take(), ["enter", "exit Failed(()) []"]);
    }

    #[test]
    fn question_mark_in_a_scope_fails() {
        let log = Log::new();
        let value = block_on(plain(&log).scope(async |bytes| {
            bytes.push(fails()?);
            Ok::<_, String>(5)
        }));
        assert_eq!(value, fails());
        assert_eq!(log.take(), ["enter", "exit Failed(()) []"]);
    }

    #[test]
    fn return_in_a_scope_leaves_the_closure() {
        let log = Log::new();
        let value = block_on(async {
            let number = plain(&log)
                .scope(async |bytes| {
                    if bytes.is_empty() {
                        return 1;
                    }
                    2
                })
                .await;
            number + 10
        });
        assert_eq!(value, 11);
        assert_eq!(log.take(), ["enter", "exit Completed []"]);
    }

    #[test]
    fn scope_of_a_manager_that_fails_gives_its_error() {
        let log = Log::new();
        let run = async |fails| fallible(&log, fails).scope(async |number| *number + 1).await;
        assert_eq!(block_on(run(0)), Ok(6));
        assert_eq!(log.take(), ["exit Completed"]);
        assert_eq!(block_on(run(1)), Err("entering".to_string()));
        assert!(log.take().is_empty());
        assert_eq!(block_on(run(2)), Err("leaving".to_string()));
        assert_eq!(log.take(), ["exit Completed"]);
    }

    #[test]
    fn scope_of_a_block_and_a_manager_that_fail_gives_both_errors() {
        let log = Log::new();
        let run = async |wrong| fallible(&log, wrong).scope(async |_number| fails()).await;
        assert_eq!(block_on(run(0)), Ok(fails()));
        assert_eq!(block_on(run(2)), Err("leaving".to_string()));
        assert_eq!(log.take(), ["exit Failed(())", "exit Failed(())"]);
    }

    #[test]
    fn scope_of_a_catching_manager_gives_it_the_error() {
        let log = Log::new();
        assert_eq!(block_on(catching(&log).scope(async |()| fails())), Err("error caught".to_string()));
        assert_eq!(log.take(), ["exit Failed(\"error\")"]);
        assert_eq!(block_on(catching(&log).scope(async |()| Ok::<u8, String>(5))), Ok(Ok(5)));
        assert_eq!(block_on(catching(&log).scope(async |()| 5)), Ok(5));
        assert_eq!(block_on(catching(&log).scope(async |()| {})), Ok(()));
        assert_eq!(log.take(), ["exit Completed"; 3]);
    }

    #[test]
    fn scope_of_a_suppressing_manager_gives_none() {
        assert_eq!(block_on(suppressing().scope(async |()| fails())), Ok(None));
        assert_eq!(block_on(suppressing().scope(async |()| Ok::<u8, String>(5))), Ok(Some(Ok(5))));
    }

    #[test]
    fn panic_in_a_scope_is_seen_and_goes_on() {
        let log = Log::new();
        let run = plain(&log).scope(async |bytes| {
            bytes.push(5);
            yields(1).await;
            assert!(bytes.is_empty(), "in the block");
        });
        assert_eq!(panic_message(run), "in the block");
        assert_eq!(log.take(), ["enter", "exit Panicked [5]"]);
        let payload = panic_of(plain(&log).scope(async |_| std::panic::panic_any(5_u8)));
        assert_eq!(payload.downcast_ref(), Some(&5_u8));
    }

    #[test]
    fn scope_that_is_dropped_is_cancelled() {
        let log = Log::new();
        let run = || plain(&log).scope(async |_bytes| yields(1).await);
        drop_after(0, run());
        assert!(log.take().is_empty());
        drop_after(1, run());
        assert_eq!(log.take(), ["enter"]);
        drop_after(1, fallible(&log, 0).scope(async |_number| yields(1).await));
        assert_eq!(log.take(), ["exit Cancelled"]);
    }
}

mod blocks {
    use super::*;

    #[test]
    fn closure_of_a_scope_may_change_locals() {
        let log = Log::new();
        let mut sum = 0;
        let mut names = vec!["a".to_string()];
        block_on(async {
            for n in 0..3 {
                plain(&log)
                    .scope(async |bytes| {
                        bytes.push(n);
                        sum += bytes.iter().sum::<u8>();
                        names.push(n.to_string());
                    })
                    .await;
            }
        });
        assert_eq!((sum, names.join("")), (3, "a012".to_string()));
    }

    #[test]
    fn closure_of_a_scope_may_move() {
        let log = Log::new();
        let text = "text".to_string();
        let text = block_on(plain(&log).scope(async move |bytes| {
            bytes.extend(text.bytes());
            text
        }));
        assert_eq!(text, "text");
    }

    #[test]
    fn closure_of_a_scope_may_be_a_function() {
        async fn block(bytes: &mut Vec<u8>) -> Result<usize, String> {
            bytes.push(1);
            yields(1).await;
            Ok(bytes.len())
        }
        let log = Log::new();
        assert_eq!(block_on(plain(&log).scope(block)), Ok(1));
        assert_eq!(log.take(), ["enter", "exit Completed [1]"]);
    }

    #[test]
    fn closure_of_a_scope_gets_a_transaction() {
        let log = Log::new();
        let length = block_on(begin(&log).scope(async |tx| {
            tx.conn.push(2);
            tx.conn.len()
        }));
        assert_eq!(length, 2);
        assert_eq!(log.take(), ["[1, 2, 9]"]);
    }

    #[test]
    fn closure_of_a_scope_gets_a_tuple() {
        let value = block_on(pair().scope(async |(number, text, boxed)| {
            *number += *boxed;
            (*number, text.to_string(), boxed)
        }));
        assert_eq!(value, (3, "text".to_string(), Box::new(2)));
    }

    #[test]
    fn closure_of_a_scope_gets_what_a_type_lends() {
        let log = Log::new();
        let value = block_on(Member(vec![1], log.clone()).scope(async |bytes| {
            bytes.push(2);
            bytes.len()
        }));
        assert_eq!(value, Ok(2));
        assert_eq!(log.take(), ["exit Completed [1, 2]"]);
    }

    #[test]
    fn scopes_nest() {
        let log = Log::new();
        let value = block_on(plain(&log).scope(async |outer| {
            outer.push(1);
            let number = fallible(&log, 0)
                .scope(async |number| {
                    outer.push(*number);
                    fails().unwrap_or(*number)
                })
                .await?;
            let length = with!(plain(&log) as inner => {
                inner.extend_from_slice(outer);
                inner.len()
            });
            Ok::<_, String>((number, length))
        }));
        assert_eq!(value, Ok((5, 2)));
        assert_eq!(log.take(), ["enter", "exit Completed", "enter", "exit Completed [1, 5]", "exit Completed [1, 5]"]);
    }

    #[test]
    fn scope_may_stand_in_a_composed_manager() {
        #[async_context_manager]
        async fn composed(log: &Log) -> usize {
            let length = plain(log).scope(async |bytes| bytes.len()).await;
            r#yield!(length);
            log.add("exit");
        }
        let log = Log::new();
        assert_eq!(block_on(composed(&log).scope(async |length| length + 1)), 1);
        assert_eq!(log.take(), ["enter", "exit Completed []", "exit"]);
    }
}

mod outputs {
    use super::*;

    macro_rules! outputs {
        ($($name:ident: $value:expr;)*) => {$(
            #[test]
            fn $name() {
                let log = Log::new();
                assert_eq!(block_on(plain(&log).scope(async |_bytes| $value)), $value);
                assert_eq!(log.take(), ["enter", "exit Completed []"]);
            }
        )*};
    }

    outputs! {
        nothing: ();
        a_bool: true;
        a_string: "text".to_string();
        a_literal: "text";
        a_vec: vec![1, 2];
        an_array: [1, 2];
        an_option: Some(1);
        an_option_of_a_result: Some(fails());
        a_box: Box::new(1);
        an_arc: Arc::new(1);
        a_tuple: (1, "text", 'c', fails());
        a_map: HashMap::from([(1, 2)]);
        an_ok: Ok::<u8, String>(1);
    }

    #[test]
    fn scope_may_give_a_trait_object() {
        let log = Log::new();
        let run = plain(&log).scope(async |_bytes| {
            let add: Box<dyn Fn(u8) -> u8> = Box::new(|n| n + 1);
            add
        });
        let add = block_on(run);
        assert_eq!(add(1), 2);
    }

    #[test]
    fn scope_may_give_the_value_of_a_generic_function() {
        async fn generic<T, E>(log: &Log, result: Result<T, E>) -> Result<T, E> {
            plain(log).scope(async move |_bytes| result).await
        }
        let log = Log::new();
        assert_eq!(block_on(generic(&log, fails())), fails());
        assert_eq!(log.take(), ["enter", "exit Failed(()) []"]);
    }
}

mod threads {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn scope_may_move_between_threads() {
        let log = Log::new();
        let task = tokio::spawn({
            let log = log.clone();
            async move {
                let mut sum = 0;
                let value = plain(&log)
                    .scope(async |bytes| {
                        tokio::task::yield_now().await;
                        bytes.push(1);
                        sum += 1;
                        Ok::<_, String>(bytes.len())
                    })
                    .await;
                (value, sum)
            }
        });
        assert_eq!(task.await.unwrap(), (Ok(1), 1));
        assert_eq!(log.take(), ["enter", "exit Completed [1]"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn scope_of_a_type_may_move_between_threads() {
        let log = Log::new();
        let task = tokio::spawn(Member(Vec::new(), log.clone()).scope(async |bytes| {
            tokio::task::yield_now().await;
            bytes.len()
        }));
        assert_eq!(task.await.unwrap(), Ok(0));
        assert_eq!(log.take(), ["exit Completed []"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn scope_with_an_argument_of_the_task_may_move_between_threads() {
        async fn inner(bytes: &mut Vec<u8>, log: &Log) -> usize {
            plain(log)
                .scope(async |lent| {
                    tokio::task::yield_now().await;
                    lent.push(1);
                    bytes.append(lent);
                    bytes.len()
                })
                .await
        }
        let task = tokio::spawn(async {
            let mut bytes = vec![0];
            inner(&mut bytes, &Log::new()).await
        });
        assert_eq!(task.await.unwrap(), 2);
    }
}
