//! One manager, entered three times: its block comes to its end, fails, and panics.
//!
//! `cargo run -p examples --example hello`

use std::num::ParseIntError;

use async_context_manager::{async_context_manager, with};
use tokio::task::yield_now;

/// Greets the guest, and says goodbye on every way out.
#[async_context_manager]
async fn welcome(name: &str) -> &mut Vec<u32> {
    println!("Hello, {name}!");
    let mut seats = vec![1, 2, 3];
    let outcome = r#yield!(&mut seats); // the block runs here, with a local of this function
    yield_now().await; // the exit phase may wait for things, as all async code does
    println!("Goodbye, {name}! {outcome:?}, seats left: {seats:?}");
}

/// Takes a seat; `wish` is a number, if all goes well.
async fn visit(name: &str, wish: &str) -> Result<u32, ParseIntError> {
    with!(welcome(name) as seats, {
        let wish: usize = wish.parse()?; // leaves the function, after the goodbye
        Ok(seats.remove(wish))
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{:?}\n", visit("Ada", "1").await);
    println!("{:?}\n", visit("Ben", "the window").await);

    let panicked = tokio::spawn(visit("Cleo", "7")).await;
    println!("{}", panicked.unwrap_err());
}
