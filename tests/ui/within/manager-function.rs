use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[within(connection() as conn)]
#[async_context_manager]
async fn above() -> u32 {
    r#yield!(conn);
}

#[async_context_manager]
#[within(connection() as conn)]
async fn below() -> u32 {
    r#yield!(conn);
}

fn main() {
    let _ = (above(), below());
}
