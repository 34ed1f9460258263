#![deny(unused, unreachable_code)]

use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[within(connection() as conn)]
async fn unused_value(argument: u32) {
    let local = argument;
}

#[within(connection() as _)]
async fn unused_argument(argument: u32, mut number: u32) -> u32 {
    number
}

#[within(connection() as conn)]
async fn unreachable() -> u32 {
    return conn;
    println!("never");
}

fn main() {
    let _ = (unused_value(5), unused_argument(5, 5), unreachable());
}
