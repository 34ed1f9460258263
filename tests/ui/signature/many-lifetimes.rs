use async_context_manager::async_context_manager;

#[async_context_manager]
async fn many() -> (&u8, &u8, &u8, &u8, &u8) {
    r#yield!((&1, &2, &3, &4, &5));
}

fn main() {
    let _ = many();
}
