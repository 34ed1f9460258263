//! `with!` on a future that returns a manager: `.await` is missing.

use async_context_manager::with;

#[async_context_manager::async_context_manager]
async fn manager() -> &mut Vec<u8> {
    let mut bytes = Vec::new();
    r#yield!(&mut bytes);
}

async fn find() -> Option<()> {
    with!(manager() as _bytes => {});
    None
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
