use async_context_manager::async_context_manager;

#[async_context_manager]
async fn pair() -> (u32, u32) {
    r#yield!(1, 2);
}

fn main() {
    let _ = pair();
}
