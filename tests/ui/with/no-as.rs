//! A name without the `as` before it.

use async_context_manager::{async_context_manager, with, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

async fn one() {
    with!(connection() conn => { conn });
}

async fn second() {
    with!(connection() as outer, connection() inner, { outer + inner });
}

#[within(connection() conn)]
async fn whole() -> u32 {
    conn
}

fn main() {}
