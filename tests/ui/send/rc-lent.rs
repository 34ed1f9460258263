use std::rc::Rc;

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn counter() -> Rc<u32> {
    r#yield!(Rc::new(5));
}

async fn user() -> u32 {
    with!(counter() as n => *n)
}

fn main() {
    tokio::spawn(user());
}
