use std::rc::Rc;

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn counter() -> u32 {
    let count = Rc::new(5);
    r#yield!(*count);
    println!("{count}");
}

async fn user() -> u32 {
    with!(counter() as n => n)
}

fn main() {
    tokio::spawn(user());
}
