//! Managers without a marker. Whatever the body ends in, this is the only error.

use async_context_manager::{async_context_manager, with};

async fn query() -> Result<u32, std::io::Error> {
    Ok(5)
}

#[async_context_manager]
async fn connection() -> u32 {}

#[async_context_manager]
async fn value() -> String {
    String::new()
}

#[async_context_manager]
async fn borrowed() -> Result<&mut Vec<u32>, std::io::Error> {
    let mut numbers = vec![query().await?];
    Ok(&mut numbers)
}

#[async_context_manager]
async fn returned(early: bool) -> std::io::Result<u32> {
    if early {
        return Ok(5);
    }
    query().await
}

#[async_context_manager]
async fn nothing() -> Result<u32, std::io::Error> {
    query().await?;
    Ok(())
}

#[async_context_manager]
async fn no_value() -> Result<u32, std::io::Error> {
    query().await?;
}

#[async_context_manager]
async fn other() -> u32 {
    r#yield!(5);
}

#[async_context_manager]
async fn forgotten_in_a_with() -> u32 {
    with!(other() as number => { number })
}

fn main() {}
