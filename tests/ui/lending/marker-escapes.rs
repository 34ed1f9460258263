//! The future of a marker can't leave the manager.

use async_context_manager::async_context_manager;
use tokio::spawn as start; // the macro reports what has the name `spawn`

#[async_context_manager]
async fn to_task() {
    start(async { r#yield!() }).await.unwrap();
}

#[async_context_manager]
async fn moved_to_task() {
    start(async move { r#yield!() }).await.unwrap();
}

#[async_context_manager]
async fn to_argument(slot: &mut Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>) {
    *slot = Some(Box::pin(async move {
        r#yield!();
    }));
}

fn main() {
    let _ = (to_task(), moved_to_task(), to_argument(&mut None));
}
