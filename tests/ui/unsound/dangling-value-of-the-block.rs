//! The block's value can't be what was lent, whether or not it is looked at: it is moved after the exit phase has freed it.

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
