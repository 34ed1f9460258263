//! A stack can enter only managers.

use async_context_manager::AsyncExitStack;

async fn future() -> u8 {
    5
}

async fn enters(stack: &AsyncExitStack<'_, ()>) {
    stack.enter(5).await;
    stack.enter(future()).await;
}

fn main() {}
