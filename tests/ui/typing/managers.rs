#![deny(unused)]

use async_context_manager::{async_context_manager, context_managers};

context_managers! {
    #[async_context_manager]
    async fn complete(from: u32) -> u32 {
        yield!(from);
    }

    #[async_context_manager]
    async fn connection(from: u32) -> u32 {
        let conn = from + 1;
        conn.
        yield!(conn);
    }
}

fn main() {
    let _ = complete(5);
}
