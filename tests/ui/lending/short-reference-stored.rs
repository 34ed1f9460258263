use std::cell::Cell;

use async_context_manager::{async_context_manager, with};

static ZERO: u32 = 0;

#[async_context_manager]
async fn register() -> &Cell<&u32> {
    let cell = Cell::new(&ZERO);
    r#yield!(&cell);
    println!("{}", cell.get());
}

async fn from_block() {
    with!(register() as cell => {
        let short = 5;
        cell.set(&short);
    });
}

async fn from_moved_value() {
    let short = String::from("5");
    with!(register() as cell => {
        let short: u32 = short.len() as u32;
        cell.set(&short);
    });
}

async fn kept_by_block(cell: &Cell<&u32>) {
    with!(register() as lent => {
        cell.set(lent.get());
    });
}

fn main() {}
