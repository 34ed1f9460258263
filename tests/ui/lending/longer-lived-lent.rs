//! A value lent with an elided lifetime borrows from the manager itself. Otherwise, the block could store references in
//! it that the caller of the manager reads later.

use std::cell::Cell;

use async_context_manager::{async_context_manager, with};

static ZERO: u32 = 0;

#[async_context_manager]
async fn from_argument(cell: &Cell<&u32>) -> &Cell<&u32> {
    r#yield!(cell);
}

#[async_context_manager]
async fn leaked() -> &Cell<&u32> {
    let cell: &'static Cell<&'static u32> = Box::leak(Box::new(Cell::new(&ZERO)));
    r#yield!(cell);
}

#[async_context_manager]
async fn in_async_block(cell: &Cell<&u32>) -> &Cell<&u32> {
    async { r#yield!(cell) }.await;
}

async fn store(cell: &Cell<&u32>) {
    let short = 5;
    with!(from_argument(cell) as lent => lent.set(&short));
}

fn main() {
    let _ = (leaked(), in_async_block(&Cell::new(&ZERO)));
}
