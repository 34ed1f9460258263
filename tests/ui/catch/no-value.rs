//! The value of a `with!` that may be suppressed is an `Option`.

use async_context_manager::{async_context_manager, with};

#[async_context_manager(suppress)]
async fn maybe() -> &mut Vec<u32> {
    let mut numbers = Vec::new();
    r#yield!(&mut numbers);
}

async fn run() -> usize {
    with!(maybe() as numbers => {
        numbers.push(5);
        numbers.len()
    })
}

fn main() {
    drop(run());
}
