use async_context_manager::{async_context_manager, with};

struct Conn(u32);

#[async_context_manager]
async fn connection() -> &mut Conn {
    let mut conn = Conn(5);
    r#yield!(&mut conn);
}

async fn escape() {
    with!(connection() as conn => {
        tokio::spawn(async move { conn.0 += 1 });
    });
}

fn main() {}
