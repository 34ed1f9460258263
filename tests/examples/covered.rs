//! A program whose lines are counted by `tests/coverage.rs`: a line that ends in `// N` runs N times.

#![forbid(unsafe_code)]

use std::future::{pending, ready};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

use async_context_manager::{Outcome, async_context_manager, context_managers, with, within};
use tokio::time::sleep;

/// Fails.
async fn fail() -> Result<(), Error> {
    ready(Err(Error)).await
}

#[derive(Debug)]
struct Error;

#[async_context_manager]
async fn text(name: &str) -> &mut String {
    let mut text = name.to_owned(); // 10
    if text == "never" {
        text.push('!'); // 0
    }
    let outcome = r#yield!(&mut text); // 10
    match outcome {
        Outcome::Completed => text.push('c'),  // 7
        Outcome::Failed(()) => text.push('f'), // 3
        _ => text.push('x'),                   // 0
    }
}

#[async_context_manager(catch)]
async fn inner(name: &str) -> Result<&mut String, Error> {
    with!(text(name) as text => {
        text.push('i'); // 3
        let outcome = r#yield!(&mut *text); // 3
        if let Outcome::Failed(error) = outcome {
            text.push('e'); // 2
            return Err(error); // 2
        }
        Ok(()) // 1
    })
}

#[async_context_manager]
async fn limited(limit: Duration) -> Result<&mut u32, Error> {
    let mut number = 0; // 3
    let is_late = {
        let lend = async {
            r#yield!(&mut number); // 3
            false // 2
        };
        tokio::select! {
            is_late = lend => is_late,
            () = sleep(limit) => true,
        }
    };
    if is_late {
        return Err(Error); // 1
    }
    black_box(number); // 2
    Ok(()) // 2
}

context_managers! {
    #[async_context_manager]
    async fn plain() -> u32 {
        let value = 1; // 1
        yield!(value); // 1
        black_box(value); // 1
    }
}

struct Pool(u32);

impl Pool {
    #[async_context_manager]
    async fn get(&self) -> &u32 {
        let value = self.0; // 2
        r#yield!(&value);
        black_box(value); // 2
    }
}

async fn arrow(n: u32) -> Result<u32, Error> {
    with!(text("a") as text, Pool(n).get() as value => {
        tokio::task::yield_now().await; // 2
        if *value == 1 {
            text.push('z'); // 1
            return Ok(1); // 1
        }
        if *value == 77 {
            text.push('z'); // 0
        }
        fail().await?; // 1
        text.push('n'); // 0
    });
    Ok(2) // 0
}

async fn comma() -> u32 {
    with!(text("c") as text, {
        let length = text.len(); // 1
        if length == 77 {
            return 1; // 0
        }
        length + 1 // 1
    });
    with!(plain() as value => value + 1) // 1
}

async fn jumps() -> ControlFlow<()> {
    for index in 0..5 {
        with!(text("j") as text => {
            if index == 1 {
                continue; // 1
            }
            text.push('j'); // 2
            if index == 2 {
                break; // 1
            }
            text.push('k'); // 1
        });
        black_box(index); // 1
    }
    ControlFlow::Continue(()) // 1
}

#[within(text("w") as text)]
async fn decorated(n: u32) -> u32 {
    if n > 3 {
        text.push('x'); // 0
    }
    text.push('y'); // 1
    n // 1
}

async fn nested(n: u32) -> Result<usize, Error> {
    with!(inner("n") as outer => {
        let length = with!(limited(Duration::from_millis(5)) as number, {
            *number += n; // 3
            if *number == 0 {
                fail().await?; // 1
            }
            if *number == 1 {
                pending::<()>().await; // 1
            }
            outer.len() // 1
        })?;
        outer.push('l'); // 1
        length + outer.len() // 1
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    arrow(1).await.unwrap(); // 1
    arrow(2).await.unwrap_err(); // 1
    assert_eq!((comma().await, decorated(1).await), (2, 1)); // 1
    assert!(jumps().await.is_continue()); // 1
    nested(0).await.unwrap_err(); // 1
    nested(1).await.unwrap_err(); // 1
    nested(2).await.unwrap(); // 1
}
