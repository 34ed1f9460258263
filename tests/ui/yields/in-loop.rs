use async_context_manager::async_context_manager;

#[async_context_manager]
async fn each() {
    for _ in 0..3 {
        r#yield!();
    }
}

#[async_context_manager]
async fn again() {
    while true {
        r#yield!();
    }
}

#[async_context_manager]
async fn in_arguments() {
    tokio::select! {
        () = async { loop { r#yield!(); } } => {}
    }
}

fn main() {
    let _ = (each(), again(), in_arguments());
}
