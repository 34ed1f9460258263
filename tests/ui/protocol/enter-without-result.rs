//! `enter` does not return a `Result`, but the manager can fail.

use async_context_manager::{AsyncContextManager, Outcome, with};

struct Connection(Vec<u8>);

impl AsyncContextManager for Connection {
    type Value<'v> = &'v mut Vec<u8>;
    type Exit = Result<(), String>;

    async fn enter(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    async fn exit(&mut self, _outcome: Outcome) -> Result<(), String> {
        Ok(())
    }
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
