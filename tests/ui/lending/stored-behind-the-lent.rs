//! A borrow from the lent value can't be stored in the lent value, which outlives it: the exit phase would read a
//! dangling reference.

use std::cell::Cell;

use async_context_manager::{async_context_manager, with};

struct Tx<'c> {
    slot: Option<&'c u32>,
    number: Box<u32>,
}

#[async_context_manager]
async fn begin() -> &mut Tx<'_> {
    let mut tx = Tx { slot: None, number: Box::new(5) };
    r#yield!(&mut tx);
    tx.number = Box::new(6);
    println!("{:?}", tx.slot);
}

#[async_context_manager]
async fn two() -> (&Cell<Option<&u32>>, &u32) {
    let cell = Cell::new(None);
    let number = Box::new(5);
    r#yield!((&cell, &*number));
    drop(number);
    println!("{:?}", cell.get());
}

async fn in_a_type() {
    with!(begin() as tx => tx.slot = Some(&tx.number));
}

async fn in_a_cell() {
    with!(two() as (cell, number) => cell.set(Some(number)));
}

async fn by_scope() {
    begin().scope(async |tx| tx.slot = Some(&tx.number)).await;
}

fn main() {}
