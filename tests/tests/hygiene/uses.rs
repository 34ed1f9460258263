// Managers of all kinds and their uses: included where names stand that must not make a difference.

use std::convert::Infallible;

use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome, async_context_manager, with, within};
use tests::{Log, block_on, yields};

#[async_context_manager]
async fn plain(log: &Log) -> &mut u32 {
    let mut number = 5;
    let outcome = r#yield!(&mut number);
    log.add(format!("{number} {outcome:?}"));
}

#[async_context_manager]
async fn fallible(log: &Log, (a, b): (u32, u32)) -> Result<u32, String> {
    let outcome = r#yield!(a + b);
    log.add(format!("{outcome:?}"));
    if a > b { Err("leaving".to_string()) } else { Ok(()) }
}

#[async_context_manager(suppress)]
async fn racing(log: &Log) -> &u32 {
    let number = 5;
    let outcome = async { r#yield!(&number) }.await;
    log.add(format!("{outcome:?}"));
}

#[async_context_manager(catch)]
async fn catching(log: &Log) -> Result<u32, String> {
    match r#yield!(5) {
        Outcome::Failed(error) => {
            log.add(error);
            Err("another".to_string())
        }
        _ => Ok(()),
    }
}

#[async_context_manager]
async fn composed(log: &Log) -> &mut u32 {
    with!(plain(log) as number => {
        r#yield!(&mut *number);
    });
    log.add("outer");
}

#[async_context_manager(shielded)]
async fn shielded(log: Log) -> &mut u32 {
    let mut number = 5;
    r#yield!(&mut number);
    log.add("shielded");
}

struct Own(Log);

impl AsyncContextManager for Own {
    type Value<'v> = &'v Log;
    type Exit = ();

    async fn enter(&mut self) -> &Log {
        &self.0
    }

    async fn exit(&mut self, outcome: Outcome) {
        self.0.add(format!("{outcome:?}"));
    }
}

#[within(plain(log) as number, plain(log) as other)]
async fn inside(log: &Log) -> u32 {
    yields(1).await;
    *number += 1;
    *number + *other
}

#[test]
fn a_block() {
    let log = Log::new();
    let sum = block_on(async {
        with!(plain(&log) as number => {
            yields(1).await;
            *number += 1;
            *number
        })
    });
    assert_eq!((sum, log.take()), (6, vec!["6 Completed".to_string()]));
}

#[test]
fn a_header_of_several() {
    let log = Log::new();
    let sum = block_on(async { with!(plain(&log) as a, fallible(&log, (1, 2)) as b, plain(&log) as c => *a + b + *c) });
    assert_eq!((sum, log.take().len()), (Ok(13), 3));
    let sum = block_on(async { with!(fallible(&log, (2, 1)) as b => b) });
    assert_eq!(sum, Err("leaving".to_string()));
}

#[test]
fn ways_out() {
    async fn leave(log: &Log, way: u32) -> Result<u32, String> {
        for round in 0..3 {
            with!(plain(log) as number => {
                match way {
                    0 => Err("failed".to_string())?,
                    1 => return Ok(*number),
                    2 => break,
                    _ => {}
                }
                if round == 0 {
                    continue;
                }
            });
        }
        Ok(way)
    }
    let log = Log::new();
    let left = [0, 1, 2, 3].map(|way| block_on(leave(&log, way)));
    assert_eq!(left, [Err("failed".to_string()), Ok(5), Ok(2), Ok(3)]);
    assert_eq!(log.take().len(), 6);
}

#[test]
fn a_race() {
    let log = Log::new();
    assert_eq!(block_on(async { with!(racing(&log) as number => *number) }), Some(5));
    assert_eq!(log.take(), ["Completed"]);
}

#[test]
fn a_catch() {
    let log = Log::new();
    let caught = block_on(async { with!(catching(&log) as _number => { Err::<(), _>("failed".to_string())?; }) });
    assert_eq!((caught, log.take()), (Err("another".to_string()), vec!["failed".to_string()]));
}

#[test]
fn composition() {
    let log = Log::new();
    assert_eq!(block_on(async { with!(composed(&log) as number => *number) }), 5);
    assert_eq!(log.take(), ["5 Completed", "outer"]);
}

#[test]
fn what_is_shielded() {
    let log = Log::new();
    assert_eq!(block_on(async { with!(shielded(log.clone()) as number => *number) }), 5);
    assert_eq!(log.take(), ["shielded"]);
}

#[test]
fn a_type() {
    let log = Log::new();
    block_on(async { with!(Own(log.clone()) as own => own.add("block")) });
    assert_eq!(log.take(), ["block", "Completed"]);
}

#[test]
fn a_function_within() {
    let log = Log::new();
    assert_eq!(block_on(inside(&log)), 11);
    assert_eq!(log.take(), ["5 Completed", "6 Completed"]);
}

#[test]
fn a_scope_and_a_stack() {
    let log = Log::new();
    assert_eq!(block_on(plain(&log).scope(async |number| *number)), 5);
    let sum = block_on(async {
        with!(AsyncExitStack::<Infallible>::new() as stack => {
            let number = stack.enter(plain(&log)).await;
            *number += 1;
            *number
        })
    });
    assert_eq!((sum, log.take()), (Ok(6), vec!["5 Completed".to_string(), "6 Completed".to_string()]));
}
