use async_context_manager::async_context_manager;

#[async_context_manager]
struct Connection;

fn main() {
    let _ = Connection;
}
