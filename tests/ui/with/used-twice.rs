use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

async fn twice() {
    let manager = connection();
    with!(manager as n => { n });
    with!(manager as n => { n });
}

fn main() {}
