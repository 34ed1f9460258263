//! Without `.await`, nothing runs.
#![deny(unused_must_use)]

use async_context_manager::async_context_manager;

#[async_context_manager]
async fn manager() -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    r#yield!(&mut bytes);
}

async fn run() {
    manager().scope(async |bytes| bytes.push(5));
}

fn main() {
    drop(run());
}
