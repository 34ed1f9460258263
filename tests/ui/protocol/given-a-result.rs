//! `with!` on a `Result`.

use async_context_manager::with;

fn find() -> Result<Vec<u8>, String> {
    Ok(Vec::new())
}

async fn run() -> usize {
    with!(find() as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
