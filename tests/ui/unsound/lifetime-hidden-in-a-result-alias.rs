//! A lifetime hidden in an alias of `Result` is the lifetime of the argument, in the body, too.

use async_context_manager::{async_context_manager, with};

type ConnResult<'a> = Result<&'a mut String, std::fmt::Error>;

#[async_context_manager]
async fn connection(_number: &mut u32) -> ConnResult {
    let mut local = String::from("local");
    r#yield!(&mut local);
    Ok(())
}

async fn escape(number: &'static mut u32) {
    let kept: &'static mut String = with!(connection(number) as conn => conn).unwrap();
    println!("{kept}");
}

fn main() {}
