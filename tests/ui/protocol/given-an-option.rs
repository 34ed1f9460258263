//! `with!` on an `Option`.

use async_context_manager::with;

async fn run() -> usize {
    with!(Some(vec![1_u8]) as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
