//! The closure is not `async`.

use async_context_manager::async_context_manager;

#[async_context_manager]
async fn manager() -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    r#yield!(&mut bytes);
}

async fn run() -> usize {
    manager()
        .scope(|bytes| {
            bytes.push(5);
            bytes.len()
        })
        .await
}

async fn with_an_async_block() -> usize {
    manager()
        .scope(|bytes| async move {
            bytes.push(5);
            bytes.len()
        })
        .await
}

fn main() {
    drop((run(), with_an_async_block()));
}
