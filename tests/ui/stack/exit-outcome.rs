//! A stack is left with an `Outcome` of its own error type, or of `()`.

use async_context_manager::{AsyncExitStack, Outcome};

async fn other_error(stack: &mut AsyncExitStack<'_, String>) {
    let _ = stack.exit(Outcome::Failed(5_u8)).await;
}

async fn not_an_outcome(stack: &mut AsyncExitStack<'_, String>) {
    let _ = stack.exit(Err("error")).await;
}

fn main() {}
