use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn register() -> &std::cell::Cell<Option<&u32>> {
    let cell = std::cell::Cell::new(None);
    r#yield!(&cell);
    println!("{:?}", cell.get());
}

#[async_context_manager]
async fn number() -> &u32 {
    let number = 5;
    r#yield!(&number);
}

async fn escape() {
    with!(register() as cell, number() as n => { cell.set(Some(n)); });
}

fn main() {}
