use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[within(connection() as conn)]
fn not_async() -> u32 {
    conn
}

#[within(connection() as conn)]
const fn constant() -> u32 {
    conn
}

trait Service {
    #[within(connection() as conn)]
    async fn no_body(&self) -> u32;
}

#[within(connection())]
struct NotAFunction;

fn main() {}
