//! A manager that suppresses is entered on a stack that may.

use async_context_manager::{AsyncExitStack, async_context_manager, with};

#[async_context_manager(catch, suppress)]
async fn ignores() -> Result<(), String> {
    r#yield!();
    Ok(())
}

async fn entered() -> Result<(), String> {
    with!(AsyncExitStack::new() as stack => {
        stack.enter(ignores()).await?;
    })
}

async fn pushed(stack: &AsyncExitStack<'_, String>) {
    stack.push_catch(async |_outcome| Ok(()));
}

async fn with_the_error(stack: &AsyncExitStack<'_, String>) {
    stack.push(async |outcome| outcome.into_result());
}

fn main() {}
