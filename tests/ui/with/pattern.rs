use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn maybe() -> Option<u32> {
    r#yield!(Some(5));
}

async fn refutable() -> u32 {
    with!(maybe() as Some(n) => n)
}

async fn wrong_shape() -> u32 {
    with!(maybe() as (a, b) => a + b)
}

async fn no_pattern() -> u32 {
    with!(maybe() as 1 + 2 => 5)
}

fn main() {}
