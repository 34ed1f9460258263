use async_context_manager::async_context_manager;

#[async_context_manager]
const fn connection() -> u32 {
    r#yield!(5);
}

fn main() {
    let _ = connection();
}
