//! The keyword in place of the macro. The second error is of the parser, which sees the keyword first.

use async_context_manager::{async_context_manager, context_managers};

#[async_context_manager]
async fn value() -> u32 {
    yield 5;
}

#[async_context_manager]
async fn outcome() -> u32 {
    let outcome = yield 5;
    println!("{outcome:?}");
}

context_managers! {
    #[async_context_manager]
    async fn wrapped() -> u32 {
        yield 5;
    }
}

fn main() {}
