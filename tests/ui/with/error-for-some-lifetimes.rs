//! An error type that is an `Error` for some lifetimes only. A `with!` whose manager can fail looks up how it is shown.

use std::fmt;

use async_context_manager::{async_context_manager, with};

#[derive(Debug)]
struct Wrong<'a>(&'a str);

impl fmt::Display for Wrong<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Wrong<'static> {}

#[async_context_manager]
async fn plain() {
    r#yield!();
}

#[async_context_manager]
async fn fails() -> Result<(), u8> {
    r#yield!();
    Err(5)
}

async fn is_not_asked(text: &str) -> Result<(), Wrong<'_>> {
    with!(plain() => Err(Wrong(text))?)
}

async fn is_asked(text: &str) -> Result<(), Wrong<'_>> {
    let _failed = with!(fails() => Err(Wrong(text))?);
    Ok(())
}

fn main() {}
