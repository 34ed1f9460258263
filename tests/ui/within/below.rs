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
