//! A value that a later manager of the header borrows, used in the block. The cure is that this manager lends it on.

use async_context_manager::{async_context_manager, with};

struct Conn(u32);

impl Conn {
    #[async_context_manager]
    async fn transaction(&mut self) {
        r#yield!();
    }
}

#[async_context_manager]
async fn acquire() -> &mut Conn {
    let mut conn = Conn(0);
    r#yield!(&mut conn);
}

async fn of_the_same_header() {
    with!(acquire() as conn, conn.transaction() => { conn.0 += 1; });
}

async fn of_a_local() {
    let mut conn = Conn(0);
    with!(conn.transaction() => { conn.0 += 1; });
}

fn main() {}
