#![deny(unused)]

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> &mut Vec<u32> {
    let mut conn = Vec::new();
    r#yield!(&mut conn);
}

async fn typing() -> usize {
    let local = 5;
    with!(connection() as conn => {
        let pushed = local + 1;
        conn.push(pushed);
        let n = conn.;
        drop(n);
    })
}

fn main() {}
