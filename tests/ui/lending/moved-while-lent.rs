use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection() -> &mut String {
    let mut conn = String::new();
    let lending = async {
        r#yield!(&mut conn);
    };
    drop(conn);
    lending.await;
}

fn main() {
    let _ = connection();
}
