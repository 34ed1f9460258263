use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection() -> u32 {
    yield!(5);
}

fn main() {
    let _ = connection();
}
