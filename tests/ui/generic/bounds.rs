//! Bounds that do not say enough.

use async_context_manager::{AnyManager, AsyncContextManager, with};

async fn no_bound<M>(manager: M) -> u32 {
    with!(manager => 5)
}

async fn no_exit_type<M: AsyncContextManager>(manager: M) {
    with!(manager => {});
}

async fn not_a_kind(manager: impl AnyManager<u32, Exit = ()>) {
    let _ = manager;
}

fn main() {}
