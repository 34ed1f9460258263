//! A manager type lacks a method.

use async_context_manager::{AsyncContextManager, Outcome};

struct NoExit;

impl AsyncContextManager for NoExit {
    type Value<'v> = ();
    type Exit = ();

    async fn enter(&mut self) {}
}

struct NoEnter;

impl AsyncContextManager for NoEnter {
    type Value<'v> = ();
    type Exit = ();

    async fn exit(&mut self, _outcome: Outcome) {}
}

fn main() {}
