//! `with!` on `()`.

use async_context_manager::with;

async fn run() -> usize {
    with!(() as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
