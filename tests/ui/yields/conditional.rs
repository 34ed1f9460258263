use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection() -> u32 {
    #[cfg(unix)]
    r#yield!(1);
}

fn main() {
    let _ = connection();
}
