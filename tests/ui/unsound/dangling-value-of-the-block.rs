//! The block can't return the lent value, even if it is unused: it would be moved after the exit phase freed it.

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn boxed() -> &mut u64 {
    let mut boxed = Box::new(5);
    r#yield!(&mut boxed);
    drop(boxed);
}

async fn as_the_value() {
    with!(boxed() as number => number);
}

async fn by_break() {
    let _ = loop {
        with!(boxed() as number => { break number })
    };
}

fn main() {}
