//! A value that has no name of its own.

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn pair() -> (&mut u32, u32) {
    let mut number = 5;
    r#yield!((&mut number, 5));
}

async fn escapes() {
    let (number, _) = with!(pair() as (number, other) => (number, other));
    *number += 1;
}

fn main() {}
