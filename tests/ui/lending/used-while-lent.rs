//! A reference that a manager borrows, and a local that it borrows, used in the block in place of what is lent.

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn transaction(conn: &mut u32) -> &mut u32 {
    r#yield!(&mut *conn);
}

async fn of_a_reference(conn: &mut u32) {
    with!(transaction(conn) as tx => {
        *conn += 1;
        *tx += 1;
    });
}

async fn of_a_local() {
    let mut conn = 5;
    with!(transaction(&mut conn) as tx => {
        conn += 1;
        *tx += 1;
    });
}

fn main() {}
