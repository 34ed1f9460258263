use std::rc::Rc;

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

async fn user() -> u32 {
    with!(connection() as n => {
        let n = Rc::new(n);
        tokio::task::yield_now().await;
        *n
    })
}

fn main() {
    tokio::spawn(user());
}
