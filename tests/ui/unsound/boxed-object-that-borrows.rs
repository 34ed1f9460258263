//! A trait object without a bound is `'static`, in the body, too.

use async_context_manager::{async_context_manager, with};

#[async_context_manager]
async fn function() -> Box<dyn Fn() -> String> {
    let local = String::from("local");
    r#yield!(Box::new(|| local.clone()));
}

async fn escape() {
    let kept = with!(function() as function => function);
    println!("{}", kept());
}

fn main() {}
