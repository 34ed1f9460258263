//! `enter` returns another type than `Value` requires.

use async_context_manager::{AsyncContextManager, Outcome, with};

struct Connection(Vec<u8>);

impl AsyncContextManager for Connection {
    type Value<'v> = &'v mut Vec<u8>;
    type Exit = ();

    async fn enter(&mut self) -> &mut [u8] {
        &mut self.0
    }

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn run() -> usize {
    with!(Connection(Vec::new()) as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
