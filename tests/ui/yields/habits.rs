//! A marker that is written like a future, a fallible call or a function. Each is the only error.

use async_context_manager::{async_context_manager, until};
use tokio::signal;

#[async_context_manager]
async fn fallible() -> Result<u32, String> {
    r#yield!(5)?;
    Ok(())
}

#[async_context_manager(catch)]
async fn caught() -> Result<(), String> {
    let outcome = r#yield!()?;
    outcome.into_result()
}

#[async_context_manager]
async fn awaited() -> u32 {
    r#yield!(5).await;
}

#[async_context_manager]
async fn function() -> u32 {
    r#yield(5);
}

#[async_context_manager]
async fn in_a_task() -> u32 {
    tokio::spawn(async { r#yield!(5); }).await.unwrap();
}

#[async_context_manager]
async fn too_early() -> u32 {
    let _ = until(signal::ctrl_c(), r#yield!(5)).await;
}

#[async_context_manager]
async fn lends_nothing() -> u32 {
    r#yield!();
}

fn main() {}
