use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection() -> u32 {
    println!("begin");
}

fn main() {
    let _ = connection();
}
