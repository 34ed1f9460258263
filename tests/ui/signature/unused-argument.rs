#![deny(unused)]

use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection(used: u32, mut counted: u32, unused: &str) -> u32 {
    counted += 1;
    r#yield!(used + counted);
}

#[async_context_manager]
async fn formatted(used: u32, _unused: u32) -> String {
    r#yield!(format!("{used}"));
}

fn main() {
    let _ = (connection(1, 2, "3"), formatted(4, 5));
}
