use async_context_manager::{AsyncExitStack, async_context_manager};

struct Conn;
struct Tx<'c>(&'c mut Conn);

#[async_context_manager]
async fn begin() -> Tx<'_> {
    let mut conn = Conn;
    r#yield!(Tx(&mut conn));
}

async fn user() {
    let stack = AsyncExitStack::<()>::new();
    let tx = stack.enter(begin()).await;
    drop(tx);
}

fn main() {}
