//! A borrowed manager is entered again in its own block.

use async_context_manager::{AsyncContextManager, Outcome, with};

struct Redirect;

impl AsyncContextManager for Redirect {
    type Value<'v> = ();
    type Exit = ();

    async fn enter(&mut self) {}

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn lent(mut redirect: Redirect) {
    with!(&mut redirect => {
        with!(&mut redirect => {});
    });
}

async fn moved(redirect: Redirect) {
    with!(redirect => {
        with!(redirect => {});
    });
}

fn main() {}
