//! A task must own its data, and a group can't leave its block (G32).

use async_context_manager::{TaskGroup, TaskGroupError, task_group, with};

struct Error;

async fn borrows() -> Result<(), TaskGroupError<Error>> {
    let names = vec![String::from("a")];
    with!(task_group() as group => {
        group.spawn(async {
            println!("{names:?}");
            Ok(())
        });
    })
}

async fn uses_the_group() -> Result<(), TaskGroupError<Error>> {
    with!(task_group() as group => {
        group.spawn(async move {
            group.spawn(async { Ok(()) });
            Ok(())
        });
    })
}

async fn keeps_the_group() {
    let mut kept: Option<&TaskGroup<Error>> = None;
    let _ended = with!(task_group() as group => { kept = Some(group) });
    kept.unwrap().spawn(async { Ok(()) });
}

fn main() {}
