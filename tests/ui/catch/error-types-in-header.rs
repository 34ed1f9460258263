//! A later manager of the header fails with another error type than an earlier one catches.

use std::num::ParseIntError;

use async_context_manager::{async_context_manager, with};

#[async_context_manager(catch)]
async fn catching() -> Result<(), String> {
    r#yield!().into_result()
}

#[async_context_manager]
async fn failing() -> Result<(), ParseIntError> {
    r#yield!();
    Ok(())
}

async fn run() {
    let _ = with!(catching(), failing() => {});
}

fn main() {
    drop(run());
}
