//! `with!` on the manager function itself, without a call.

use async_context_manager::with;

#[async_context_manager::async_context_manager]
async fn manager() -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    r#yield!(&mut bytes);
}

async fn run() -> usize {
    with!(manager as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
