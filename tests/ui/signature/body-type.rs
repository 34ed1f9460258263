use async_context_manager::async_context_manager;

#[async_context_manager]
async fn no_ok() -> Result<u32, String> {
    r#yield!(5);
}

#[async_context_manager]
async fn wrong_error() -> Result<u32, String> {
    r#yield!(5);
    Err(5)
}

#[async_context_manager]
async fn value() -> u32 {
    r#yield!(5);
    5
}

fn main() {
    let _ = (no_ok(), wrong_error(), value());
}
