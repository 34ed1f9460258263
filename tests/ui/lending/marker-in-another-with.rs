//! A macro that is named like `with!` can't get hold of the marker's future.

use async_context_manager::async_context_manager;

macro_rules! with {
    ($marker:expr) => {
        let stolen = async { $marker };
        drop(stolen);
    };
}

#[async_context_manager]
async fn manager() {
    with!(r#yield!());
}

fn main() {
    let _ = manager();
}
