use async_context_manager::async_context_manager;

#[async_context_manager]
async fn connection(fast: bool) -> u32 {
    if fast {
        r#yield!(1);
    } else {
        r#yield!(2);
    }
    r#yield!(3);
}

fn main() {
    let _ = connection(true);
}
