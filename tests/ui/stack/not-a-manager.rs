use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome};

struct Conn;

impl AsyncContextManager for Conn {
    type Value<'v> = ();
    type Exit = ();

    async fn enter(&mut self) {}

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn user() {
    let stack = AsyncExitStack::<()>::new();
    stack.enter(Conn).await;
}

async fn nothing_says_the_error_type() {
    let stack = AsyncExitStack::new();
    stack.enter(Conn.into_manager()).await;
}

fn main() {}
