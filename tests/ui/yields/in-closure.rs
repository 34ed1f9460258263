use async_context_manager::async_context_manager;

#[async_context_manager]
async fn later() {
    let lend = || r#yield!(5);
    lend();
}

#[async_context_manager]
async fn async_closure() {
    let lend = async || {
        r#yield!(5);
    };
    lend().await;
}

fn main() {
    let _ = (later(), async_closure());
}
