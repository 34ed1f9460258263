use std::rc::Rc;

use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn plain() {
    r#yield!();
}

#[within(plain())]
async fn has_an_rc() -> u32 {
    let local = Rc::new(5);
    std::future::ready(()).await;
    *local
}

fn spawn<T: Send>(_: T) {}

fn main() {
    spawn(has_an_rc());
}
