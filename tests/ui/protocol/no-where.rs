//! A type that borrows omits `where Self: 'v`.

use async_context_manager::{AsyncContextManager, Outcome, with};

struct Guard<'p, T>(&'p mut T);

impl<T> AsyncContextManager for Guard<'_, T> {
    type Value<'v> = &'v mut T;
    type Exit = ();

    async fn enter(&mut self) -> &mut T {
        self.0
    }

    async fn exit(&mut self, _outcome: Outcome) {}
}

async fn run() -> usize {
    let mut bytes = vec![1];
    with!(Guard(&mut bytes) as bytes => {
        bytes.push(5);
        bytes.len()
    })
}

fn main() {
    drop(run());
}
