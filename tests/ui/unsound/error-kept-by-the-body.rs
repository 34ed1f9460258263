//! An elided lifetime in the error is that of the argument, in the body, too: the body can't keep the error longer.

use std::sync::Mutex;

use async_context_manager::{Outcome, async_context_manager, with};

static KEPT: Mutex<Option<&'static str>> = Mutex::new(None);

#[async_context_manager(catch)]
async fn catches(_number: &u32) -> Result<(), &str> {
    if let Outcome::Failed(error) = r#yield!() {
        *KEPT.lock().unwrap() = Some(error);
    }
    Err("another")
}

async fn user<'t>(number: &'t u32, text: &'t str) -> Result<(), &'t str> {
    with!(catches(number) => { Err::<(), &str>(text)?; })
}

fn main() {}
