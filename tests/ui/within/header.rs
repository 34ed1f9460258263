use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

#[within]
async fn no_parentheses() {}

#[within()]
async fn empty() {}

#[within(crate = async_context_manager)]
async fn only_the_crate() {}

#[within(connection() as)]
async fn no_name() -> u32 {
    conn
}

#[within(connection() as, connection())]
async fn no_name_before_another() {}

#[within(connection() as conn => { conn })]
async fn a_block() -> u32 {
    conn
}

#[within(=> conn)]
async fn only_a_block() {}

#[within(, connection() as conn)]
async fn no_manager() {}

#[within(connection() as conn connection() as other)]
async fn no_comma() -> u32 {
    conn + other
}

#[within(connection(), crate = async_context_manager)]
async fn the_crate_too_late() {}

#[within(crate = "async_context_manager", connection())]
async fn the_crate_in_quotes() {}

fn main() {}
