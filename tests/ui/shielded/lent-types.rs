//! A shielded manager can lend only owned values and plain references.

use std::cell::Cell;
use std::fmt::Write;
use std::marker::PhantomData;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};

struct Tx<'c>(PhantomData<&'c mut ()>);

#[async_context_manager(shielded)]
async fn transaction() -> &mut Tx<'_> {
    r#yield!(&mut Tx(PhantomData));
}

#[async_context_manager(shielded)]
async fn by_value() -> Tx<'_> {
    r#yield!(Tx(PhantomData));
}

#[async_context_manager(shielded)]
async fn list() -> &mut Vec<&str> {
    r#yield!(&mut Vec::new());
}

#[async_context_manager(shielded)]
async fn two() -> (&u8, &u8) {
    r#yield!((&5, &6));
}

#[async_context_manager(shielded)]
async fn writer() -> &mut (dyn Write + Send) {
    r#yield!(&mut String::new());
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
