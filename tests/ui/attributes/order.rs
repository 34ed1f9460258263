use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[tokio::test]
#[within(connection() as conn)]
async fn is_connected() {
    assert_eq!(conn, 5);
}

#[tokio::main]
#[within(connection() as conn)]
async fn main() {
    println!("{conn}");
}

// What `#[rstest]` and `#[sqlx::test]` make of a test.
#[within(connection() as conn)]
fn moved_into_another_function() {
    async fn moved_into_another_function() {
        assert_eq!(conn, 5);
    }
    block_on(moved_into_another_function())
}

fn block_on<F: Future>(_: F) {}

// The error comes alone: what `#[instrument]` would make of the function is not shown.
#[async_context_manager]
#[tracing::instrument(err)]
async fn no_marker() -> Result<u32, String> {
    Ok(())
}
