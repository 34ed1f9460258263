use async_context_manager::async_context_manager;

#[async_context_manager]
async fn outer() {
    async fn inner() {
        r#yield!();
    }
    inner().await;
}

fn main() {
    let _ = outer();
}
