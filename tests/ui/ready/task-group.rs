//! Futures that can't be tasks of a group.

use std::rc::Rc;

use async_context_manager::{TaskGroupError, task_group, with};

struct Error;

async fn no_result() -> Result<(), TaskGroupError<Error>> {
    with!(task_group() as group => {
        group.spawn(async { println!("done") });
    })
}

async fn another_error() -> Result<(), TaskGroupError<Error>> {
    with!(task_group() as group => {
        group.spawn(async { Err::<(), String>(String::new()) });
    })
}

async fn not_send() -> Result<(), TaskGroupError<Error>> {
    let shared = Rc::new(5);
    with!(task_group() as group => {
        group.spawn(async move {
            std::future::ready(()).await;
            println!("{shared}");
            Ok(())
        });
    })
}

async fn not_a_future() -> Result<(), TaskGroupError<Error>> {
    with!(task_group() as group => {
        group.spawn(|| Ok(()));
    })
}

fn main() {}
