#![deny(unused)]

use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[tokio::main]
async fn main() {
    connection();
}
