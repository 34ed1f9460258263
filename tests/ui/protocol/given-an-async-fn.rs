//! `with!` on an `async fn` without the attribute.

use async_context_manager::with;

async fn manager() -> Vec<u8> {
    Vec::new()
}

async fn run() -> usize {
    with!(manager() as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
