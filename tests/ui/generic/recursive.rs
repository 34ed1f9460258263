//! Managers that enter themselves.

use async_context_manager::{BoxManager, async_context_manager, lent, with};

struct Tree;

impl Tree {
    #[async_context_manager]
    async fn method(&mut self) {
        with!(self.method() => { r#yield!(); })
    }

    #[async_context_manager]
    async fn associated(depth: u32) {
        if depth > 0 {
            with!(Self::associated(depth - 1) => {});
        }
        r#yield!();
    }
}

#[async_context_manager]
async fn function(depth: u32) -> u32 {
    with!(function(depth - 1) as inner => { r#yield!(inner + 1); })
}

#[async_context_manager]
async fn pinned(depth: u32) -> u32 {
    with!(Box::pin(pinned(depth - 1)) as inner => { r#yield!(inner + 1); })
}

#[async_context_manager]
async fn boxed_in_place(depth: u32) -> u32 {
    let inner: BoxManager<'static, lent::Owned<u32>> = boxed_in_place(depth - 1).boxed();
    with!(inner as inner => { r#yield!(inner + 1); })
}

#[async_context_manager]
async fn even(depth: u32) {
    with!(odd(depth) => { r#yield!(); })
}

#[async_context_manager]
async fn odd(depth: u32) {
    with!(even(depth) => { r#yield!(); })
}

fn main() {}
