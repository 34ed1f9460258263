//! `&'_ T` means `&T`: lent while the block runs.

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn text(_number: &u32) -> &'_ String {
    let local = String::from("local");
    r#yield!(&local);
}

async fn escape() {
    let kept: &'static String = with!(text(&5) as text => text);
    println!("{kept}");
}

fn main() {}
