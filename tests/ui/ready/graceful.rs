//! What is not a future.

use async_context_manager::{Graceful, graceful};

async fn handler() {}

fn main() {
    let _ = graceful(5);
    let _ = graceful(handler);
    let _ = graceful(|| async { 5 });
    let _: Graceful<_> = graceful(handler());
}
