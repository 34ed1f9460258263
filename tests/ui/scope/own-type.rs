//! The block returns a type of the user's own.

use async_context_manager::async_context_manager;

#[async_context_manager]
async fn manager() -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    r#yield!(&mut bytes);
}

struct Length(usize);

async fn run() -> usize {
    let length = manager()
        .scope(async |bytes| {
            bytes.push(5);
            Length(bytes.len())
        })
        .await;
    length.0
}

fn main() {
    drop(run());
}
