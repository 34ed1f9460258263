//! What is not a future.

use async_context_manager::{Graceful, graceful, nullcontext, with};

async fn handler() {}

fn main() {
    let _ = graceful(5);
    let _ = graceful(handler);
    let _ = graceful(|| async { 5 });
    let _: Graceful<_> = graceful(handler());
}

async fn around_a_with() {
    graceful(with!(nullcontext(()) => {})).await;
}
