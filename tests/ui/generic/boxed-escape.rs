use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn text() -> &mut String {
    r#yield!(&mut String::new());
}

async fn use_it() -> usize {
    let text: &mut String = with!(text().boxed() as text => text);
    text.len()
}

async fn store(short: &str) {
    let mut kept = String::new();
    let mut place = &mut kept;
    with!(text().boxed() as text => place = text);
    place.push_str(short);
}

fn main() {
    let _ = (use_it(), store(""));
}
