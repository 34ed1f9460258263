use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[within(connection() as conn)]
async fn typing() -> u32 {
    let number = conn + 1;
    let other = number.
}

fn main() {}
