//! A manager function is called with wrong arguments.

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn span(_name: &str) {
    r#yield!();
}

async fn too_few() {
    with!(span() => {});
}

async fn of_a_wrong_type() {
    with!(span(5) => {});
}

fn main() {}
