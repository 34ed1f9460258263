//! `with!` on the guard of a lock.

use async_context_manager::with;

static LOCK: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());

async fn run() -> usize {
    with!(LOCK.lock().unwrap() as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
