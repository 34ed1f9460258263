use async_context_manager::async_context_manager;

struct Conn;

#[async_context_manager]
async fn connection() -> &mut Conn {
    r#yield!(5u32);
}

#[async_context_manager]
async fn fallible() -> Result<&mut Conn, String> {
    let mut conn = Conn;
    r#yield!(Ok(&mut conn));
    Ok(())
}

fn main() {
    let _ = (connection(), fallible());
}
