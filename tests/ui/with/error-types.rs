use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn one() -> Result<u32, String> {
    r#yield!(5);
    Ok(())
}

#[async_context_manager]
async fn other() -> Result<u32, std::io::Error> {
    r#yield!(5);
    Ok(())
}

async fn both() {
    let _ = with!(one() as a, other() as b => a + b);
}

fn main() {}
