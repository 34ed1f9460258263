use std::time::Duration;

use async_context_manager::async_context_manager;
use tokio::time::{error::Elapsed, timeout};

#[async_context_manager]
async fn deadline(limit: Duration) -> Result<u32, Elapsed> {
    timeout(limit, r#yield!(5)).await?;
    Ok(())
}

fn main() {
    let _ = deadline(Duration::ZERO);
}
