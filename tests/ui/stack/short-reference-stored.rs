use std::sync::Mutex;

use async_context_manager::{AsyncExitStack, async_context_manager};

/// Reads the values that the block stored, when the stack is closed.
#[async_context_manager]
async fn stores<'x>(cell: &'x Mutex<Option<&'x u32>>) -> &u32 {
    let local = 5;
    r#yield!(&local);
    println!("{:?}", cell.lock());
}

async fn user() {
    let cell = Mutex::new(None);
    let mut stack = AsyncExitStack::<()>::new();
    let local = stack.enter(stores(&cell)).await;
    *cell.lock().unwrap() = Some(local);
    let _ = stack.close().await;
}

#[async_context_manager]
async fn slots<'x>(first: &'x u32) -> &mut Vec<&'x u32> {
    let mut slots = vec![first];
    r#yield!(&mut slots);
    println!("{slots:?}");
}

async fn short() {
    let long = 5;
    let mut stack = AsyncExitStack::<()>::new();
    let slots = stack.enter(slots(&long)).await;
    {
        let short = 6;
        slots.push(&short);
    }
    let _ = stack.close().await;
}

fn main() {}
