//! `catch` without an error type, repeated, and with a value.

use async_context_manager::async_context_manager;

#[async_context_manager(catch)]
async fn no_result() -> u32 {
    r#yield!(5);
}

#[async_context_manager(catch)]
async fn nothing() {
    r#yield!();
}

#[async_context_manager(catch, suppress, catch)]
async fn twice() -> Result<u32, String> {
    r#yield!(5).into_result()
}

#[async_context_manager(suppress, suppress)]
async fn suppress_twice() -> u32 {
    r#yield!(5);
}

#[async_context_manager(catch = String)]
async fn value() -> Result<u32, String> {
    r#yield!(5);
    Ok(())
}

#[async_context_manager(suppress = true)]
async fn suppress_value() -> u32 {
    r#yield!(5);
}

fn main() {}
