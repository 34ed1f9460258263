//! A shielded manager can't lend a type in which the block could store its own borrows.

use std::cell::Cell;
use std::fmt::Write;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};

struct Tx<'c>(&'c mut String);

#[async_context_manager(shielded)]
async fn transaction() -> &mut Tx<'_> {
    r#yield!(&mut Tx(&mut String::new()));
}

#[async_context_manager(shielded)]
async fn list() -> Result<&mut Vec<&str>, String> {
    r#yield!(&mut Vec::new());
    Ok(())
}

#[async_context_manager(shielded)]
async fn two() -> (&u8, &mut &str) {
    r#yield!((&5, &mut ""));
}

#[async_context_manager(shielded)]
async fn several(name: &str) -> &mut (dyn Iterator<Item = &str> + Send) {
    r#yield!(&mut "".split('x'));
}

/// This and the next are allowed.
#[async_context_manager(shielded)]
async fn writer() -> &mut (dyn Write + Send) {
    r#yield!(&mut String::new());
}

#[async_context_manager(shielded)]
async fn tuple() -> (&mut (dyn Write + Send + 'static), Option<&Tx<'_>>, &Vec<&str>) {
    r#yield!((&mut String::new(), None, &Vec::new()));
}

#[async_context_manager(shielded)]
async fn nested() -> Option<&mut (dyn Write + Send)> {
    r#yield!(None);
}

struct Own;

impl AsyncContextManager for Own {
    type Value<'v> = Option<Cell<&'v u8>>;
    type Exit = ();

    async fn enter(&mut self) -> Option<Cell<&u8>> {
        None
    }

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn by_method() {
    with!(Own.into_manager().shielded() => {});
}

fn main() {}
