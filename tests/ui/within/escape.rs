use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> &mut u32 {
    let mut local = 5;
    r#yield!(&mut local);
}

#[within(connection() as conn)]
async fn escape(_argument: &mut u32) -> &mut u32 {
    conn
}

fn main() {}
