//! Another macro named `with!` can't get the future of the marker.

use async_context_manager::async_context_manager;

macro_rules! with {
    ($manager:expr => $block:expr) => {
        let stolen = async { $block };
        drop(stolen);
    };
}

#[async_context_manager]
async fn other() {
    r#yield!();
}

#[async_context_manager]
async fn manager() {
    with!(other() => r#yield!());
}

fn main() {
    let _ = manager();
}
