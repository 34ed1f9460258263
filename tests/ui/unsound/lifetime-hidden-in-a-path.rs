//! A lifetime hidden in a path is the lifetime of the argument, in the body, too.

use async_context_manager::{async_context_manager, with};

struct Guard<'a>(&'a String);

#[async_context_manager]
async fn guarded(_number: &u32) -> Guard {
    let local = String::from("local");
    r#yield!(Guard(&local));
}

async fn escape() {
    let kept: &'static String = with!(guarded(&5) as guard => guard.0);
    println!("{kept}");
}

fn main() {}
