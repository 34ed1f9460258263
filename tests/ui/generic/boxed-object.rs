use std::fmt::Debug;

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn object() -> &mut dyn Debug {
    r#yield!(&mut 1);
}

async fn use_it() {
    with!(object().boxed() as object => println!("{object:?}"));
}

fn main() {
    let _ = use_it();
}
