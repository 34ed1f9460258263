use async_context_manager::async_context_manager;

#[async_context_manager(shielded = true)]
async fn value() {
    r#yield!();
}

#[async_context_manager(shielded, shielded)]
async fn twice() {
    r#yield!();
}

#[async_context_manager(shield)]
async fn misspelled() {
    r#yield!();
}

fn main() {
    let _ = (value(), twice(), misspelled());
}
