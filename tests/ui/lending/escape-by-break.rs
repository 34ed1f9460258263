use async_context_manager::{async_context_manager, with};

struct Conn(u32);

#[async_context_manager]
async fn connection() -> &mut Conn {
    let mut conn = Conn(5);
    r#yield!(&mut conn);
}

async fn escape() {
    let conn = loop {
        with!(connection() as conn => {
            break conn;
        });
    };
    conn.0 += 1;
}

fn main() {}
