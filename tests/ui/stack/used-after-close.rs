use async_context_manager::{AsyncExitStack, async_context_manager};

#[async_context_manager]
async fn conn() -> &mut Vec<u32> {
    let mut conn = vec![];
    r#yield!(&mut conn);
}

async fn closed() {
    let mut stack = AsyncExitStack::<()>::new();
    let conn = stack.enter(conn()).await;
    let _ = stack.close().await;
    conn.push(1);
}

async fn popped() {
    let mut stack = AsyncExitStack::<()>::new();
    let conn = stack.enter(conn()).await;
    let _kept = stack.pop_all();
    conn.push(1);
}

async fn escaped() -> Vec<u32> {
    let conn = {
        let stack = AsyncExitStack::<()>::new();
        stack.enter(conn()).await
    };
    std::mem::take(conn)
}

fn main() {}
