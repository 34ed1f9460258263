use std::rc::Rc;

use async_context_manager::{AsyncExitStack, async_context_manager};

#[async_context_manager]
async fn holds_an_rc() {
    let rc = Rc::new(5);
    r#yield!();
    drop(rc);
}

async fn user() {
    let stack = AsyncExitStack::<()>::new();
    stack.enter(holds_an_rc()).await;
}

fn main() {}
