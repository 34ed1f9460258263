use async_context_manager::async_context_manager;

#[async_context_manager(sheilded)]
async fn misspelled() {
    r#yield!();
}

#[async_context_manager(crate = async_context_manager, crate = async_context_manager)]
async fn twice() {
    r#yield!();
}

#[async_context_manager(crate)]
async fn no_path() {
    r#yield!();
}

#[async_context_manager(crate = "path")]
async fn string() {
    r#yield!();
}

#[async_context_manager("name")]
async fn no_option() {
    r#yield!();
}

fn main() {
    let _ = (misspelled(), twice(), no_path(), string(), no_option());
}
