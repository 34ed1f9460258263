use async_context_manager::{AsyncExitStack, async_context_manager};

#[async_context_manager]
async fn fails() -> Result<(), std::io::Error> {
    r#yield!();
    Ok(())
}

#[async_context_manager(catch)]
async fn catches() -> Result<(), std::io::Error> {
    r#yield!().into_result()
}

async fn user() {
    let stack = AsyncExitStack::<String>::new();
    let _ = stack.enter(fails()).await;
}

async fn other_user() {
    let stack = AsyncExitStack::<String>::new();
    let _ = stack.enter(catches()).await;
}

async fn pushes() {
    let stack = AsyncExitStack::<String>::new();
    stack.push(async |_outcome| Err(5));
    stack.callback(async || Err::<(), u32>(5));
}

fn main() {}
