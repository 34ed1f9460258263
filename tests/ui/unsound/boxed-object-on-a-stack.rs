//! A value that a stack returns can't outlive the manager's locals if it borrows from them.

use std::convert::Infallible;

use async_context_manager::{AsyncExitStack, async_context_manager};

#[async_context_manager]
async fn function() -> Box<dyn Fn() -> String + Send + Sync> {
    let local = String::from("local");
    r#yield!(Box::new(|| local.clone()));
}

async fn escape() {
    let mut stack = AsyncExitStack::<Infallible>::new();
    let kept = stack.enter(function()).await;
    let Ok(()) = stack.close().await;
    println!("{}", kept());
}

fn main() {}
