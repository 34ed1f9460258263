//! `suppress` takes a predicate on the error that the block fails with.

use async_context_manager::{suppress, with};

struct Missing;
struct Broken;

async fn another_error() -> Result<(), Broken> {
    with!(suppress(|_: &Missing| true) => { Err(Broken)? })?;
    Ok(())
}

async fn not_a_bool() -> Result<(), Missing> {
    with!(suppress(|_: &Missing| ()) => { Err(Missing)? })?;
    Ok(())
}

fn main() {}
