//! The block fails with another error type than its manager catches.

use std::num::ParseIntError;

use async_context_manager::{async_context_manager, with};

#[async_context_manager(catch)]
async fn catching() -> Result<&mut Vec<u32>, String> {
    let mut numbers = Vec::new();
    r#yield!(&mut numbers).into_result()
}

async fn by_value() {
    let _ = with!(catching() as numbers => {
        numbers.push(5);
        "x".parse::<u32>()
    });
}

async fn by_question_mark() -> Result<(), ParseIntError> {
    let _ = with!(catching() as numbers => numbers.push("x".parse()?));
    Ok(())
}

async fn in_a_scope() {
    let _ = catching()
        .scope(async |numbers| {
            numbers.push(5);
            "x".parse::<u32>()
        })
        .await;
}

fn main() {
    drop((by_value(), by_question_mark(), in_a_scope()));
}
