//! The lent value can't leave the block of a `scope`.

use async_context_manager::async_context_manager;

#[async_context_manager]
async fn manager() -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    r#yield!(&mut bytes);
}

async fn by_value() {
    let _bytes = manager().scope(async |bytes| bytes).await;
}

async fn to_a_variable() {
    let mut kept = None;
    manager().scope(async |bytes| kept = Some(bytes)).await;
    drop(kept);
}

fn main() {
    drop((by_value(), to_a_variable()));
}
