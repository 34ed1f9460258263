//! What a stack has returned can't be borrowed by a later entry: the stack would borrow itself.

use async_context_manager::{AsyncExitStack, async_context_manager, with};

#[async_context_manager]
async fn connection() -> Result<&mut String, String> {
    r#yield!(&mut String::new());
    Ok(())
}

#[async_context_manager]
async fn transaction(connection: &mut String) -> Result<&mut String, String> {
    r#yield!(connection);
    Ok(())
}

async fn in_a_with() -> Result<(), String> {
    with!(AsyncExitStack::new() as stack => {
        let connection = stack.enter(connection()).await?;
        stack.enter(transaction(connection)).await?;
    })
}

async fn without() -> Result<(), String> {
    let mut stack = AsyncExitStack::new();
    let connection = stack.enter(connection()).await?;
    stack.enter(transaction(connection)).await?;
    stack.close().await
}

/// Instead, both are one entry.
#[async_context_manager]
async fn connection_and_transaction() -> Result<&mut String, String> {
    with!(connection() as connection, transaction(connection) as transaction => {
        r#yield!(transaction);
    })
}

async fn as_one_entry() -> Result<(), String> {
    with!(AsyncExitStack::new() as stack => {
        stack.enter(connection_and_transaction()).await?;
    })
}

fn main() {}
