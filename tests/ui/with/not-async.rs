use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

fn blocking() -> u32 {
    with!(connection() as n => n)
}

fn main() {}
