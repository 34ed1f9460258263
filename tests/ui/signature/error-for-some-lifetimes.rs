//! An error type that is an `Error` for some lifetimes only. The attribute looks up how the error is shown.

use std::fmt;

use async_context_manager::async_context_manager;

#[derive(Debug)]
struct Wrong<'a>(&'a str);

impl fmt::Display for Wrong<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Wrong<'static> {}

#[async_context_manager]
async fn checks<'a>(text: &'a str) -> Result<(), Wrong<'a>> {
    r#yield!();
    Err(Wrong(text))
}

fn main() {}
