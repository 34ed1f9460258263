use async_context_manager::{async_context_manager, with};

struct Conn(u32);

#[async_context_manager]
async fn connection() -> &mut Conn {
    let mut conn = Conn(5);
    r#yield!(&mut conn);
}

async fn escape<'a>() -> &'a mut Conn {
    with!(connection() as conn => {
        return conn;
    })
}

fn main() {}
